//! Seeds of requests to services that sign in ways of their own.

use super::put;

pub(super) fn texts() {
    for (name, text) in [
        (
            "bitmex",
            "GET https://www.bitmex.com/api/v1/instrument?symbol=XBTUSD",
        ),
        (
            "binance",
            "POST https://api.binance.com/api/v3/order?symbol=LTCBTC&side=BUY&quantity=1",
        ),
        (
            "inserted",
            "POST https://api.binance.com/api/v3/order?symbol=A&timestamp=1",
        ),
        (
            "kraken",
            "POST https://api.kraken.com/0/private/AddOrder\ncontent-type: application/x-www-form-urlencoded\n\npair=XBTUSD&volume=1.25",
        ),
        (
            "kraken-empty",
            "POST https://api.kraken.com/0/private/AddOrder\ncontent-type: application/x-www-form-urlencoded\n\n",
        ),
        (
            "quote",
            "GET https://hs256.example.com/v1/quotes/7?depth=3\nx-tenant: t 1",
        ),
        ("unsigned", "GET https://p521.example.com/v1/quotes/7"),
        (
            "payment",
            "POST https://pay.example.com/v1/payments\ncontent-type: application/json\n\n{\"amount\":40,\"currency\":\"usd\"}",
        ),
        (
            "truelayer",
            "POST https://api.truelayer.com/merchant_accounts/a/sweeping\ncontent-type: application/json\n\n{\"currency\":\"GBP\",\"max_amount_in_minor\":1}",
        ),
    ] {
        put("template_call", name, text.as_bytes());
    }
}
