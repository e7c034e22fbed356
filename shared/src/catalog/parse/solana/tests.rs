//! Assets and routes of Solana: read and kept, and what would not say all refused.

use crate::{
    catalog::{Catalog, Route},
    codec::cbor,
    owner::Error,
};

const WHOLE: &str = r#"{"v": 1,
    "resources": {"pay": [
        {"kind": "solana", "network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "asset": "usdc.solana", "memo": true,
         "to": ["ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz"], "rent": "2039280"},
        {"kind": "solana", "network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "asset": "sol",
         "to": ["ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz"]}]},
    "assets": {"usdc.solana": {"cluster": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
                               "mint": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "decimals": 6},
               "sol": {"cluster": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "native": true, "decimals": 9}}}"#;

fn refused(text: &str) -> (String, &'static str) {
    let error = Catalog::parse(text.as_bytes()).unwrap_err();
    (error.pointer().to_owned(), error.code())
}

#[test]
fn a_route_is_read_and_kept_with_its_payees_accounts() {
    let catalog = Catalog::parse(WHOLE.as_bytes()).unwrap();
    let routes = &catalog.resources.values().next().unwrap().routes;
    let [Route::Solana(token), Route::Solana(coin)] = routes.as_slice() else {
        panic!("{routes:?}")
    };
    // tests/vectors/solana/associated.json, its first row.
    let account = token.to[0].account.unwrap().to_string();
    assert_eq!(account, "3hKQzVe5uYdfB3eUH759kHpB9UA5eWsou8aqmVzEpVob");
    assert_eq!(coin.to[0].account, None);
    assert_eq!(token.coin, coin.asset);
    assert_eq!((token.memo, token.rent), (true, Some(2_039_280)));
    let bytes = cbor::encode(&catalog).unwrap();
    let again = cbor::decode::<Catalog>(&bytes, bytes.len()).unwrap();
    assert_eq!(again, catalog);
}

#[test]
fn what_does_not_fit_is_refused_at_its_place() {
    let usdc = |member: &str| format!("/assets/usdc.solana/{member}");
    let pay = |member: &str| format!("/resources/pay/0/{member}");
    for (from, to, at, code) in [
        (
            "{\"cluster\": \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\"",
            "{\"cluster\": \"mainnet\"",
            usdc("cluster"),
            Error::INVALID,
        ),
        (
            "\"decimals\": 6",
            "\"decimals\": 6, \"env\": \"sandbox\"",
            usdc("cluster"),
            Error::INVALID,
        ),
        (
            "\"decimals\": 6",
            "\"decimals\": 6, \"program\": \"token-3\"",
            usdc("program"),
            Error::UNSUPPORTED,
        ),
        (
            "\"decimals\": 6",
            "\"decimals\": 6, \"chain\": 1",
            usdc("chain"),
            Error::MALFORMED,
        ),
        (
            "\"decimals\": 6",
            "\"decimals\": 6, \"native\": true",
            usdc("decimals"),
            Error::INVALID,
        ),
        (
            "\"decimals\": 9",
            "\"decimals\": 8",
            "/assets/sol/decimals".to_owned(),
            Error::INVALID,
        ),
        ("EPjFWdd5", "0PjFWdd5", usdc("mint"), Error::INVALID),
        (
            "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",
            "11111111111111111111111111111111",
            usdc("mint"),
            Error::INVALID,
        ),
        (
            "\"network\": \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\"",
            "\"network\": \"eip155:1\"",
            pay("network"),
            Error::UNSUPPORTED,
        ),
        (
            "\"network\": \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\"",
            "\"network\": \"solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1\"",
            pay("asset"),
            Error::INVALID,
        ),
        (
            "\"asset\": \"usdc.solana\"",
            "\"asset\": \"none\"",
            pay("asset"),
            Error::INVALID,
        ),
        (
            "[\"ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz\"]",
            "[]",
            pay("to"),
            Error::INVALID,
        ),
        (
            "[\"ErUUQhxai9qvXE2eB3V4PGLTJDNd4KFw9d9AnQFSArKz\"]",
            "[\"11111111111111111111111111111111\"]",
            pay("to/0"),
            Error::INVALID,
        ),
        ("\"2039280\"", "2039280", pay("rent"), Error::MALFORMED),
        ("\"2039280\"", "\"2039279\"", pay("rent"), Error::INVALID),
        ("\"2039280\"", "\"1000000001\"", pay("rent"), Error::INVALID),
        (
            "\"rent\"",
            "\"fee_payer\": [], \"rent\"",
            pay("fee_payer"),
            Error::INVALID,
        ),
        (
            "\"memo\": true",
            "\"memo\": 1",
            pay("memo"),
            Error::MALFORMED,
        ),
        (
            "\"memo\": true",
            "\"charge\": []",
            pay("charge"),
            Error::MALFORMED,
        ),
    ] {
        let text = WHOLE.replacen(from, to, 1);
        assert_ne!(text, WHOLE, "{from}");
        assert_eq!(refused(&text), (at, code), "{from} → {to}");
    }
    let at = "/resources/pay/1/rent".to_owned();
    let text = WHOLE.replacen("\"sol\",\n", "\"sol\", \"rent\": \"2039280\",\n", 1);
    assert_eq!(refused(&text), (at, Error::INVALID), "lamports need none");
}

#[test]
fn fees_have_a_unit_and_a_thing_one_name() {
    let (before, _) = WHOLE.split_once(",\n               \"sol\":").unwrap();
    let alone = format!("{before}}}}}").replace(
        "\"asset\": \"sol\"",
        "\"asset\": \"usdc.solana\", \"fee_payer\": [\"3wt5SGySRNayXvR7N7izyCHfAfg378jTqfq9gQTSJEYd\"]",
    );
    assert_eq!(
        refused(&alone),
        ("/resources/pay/0/asset".to_owned(), Error::INVALID)
    );
    let twice = WHOLE.replacen(
        "\"sol\": {",
        "\"lamports\": {\"cluster\": \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\", \"native\": true, \"decimals\": 9}, \"sol\": {",
        1,
    );
    assert_eq!(refused(&twice).0, "/assets/sol");
    let other_program = WHOLE.replacen(
        "\"sol\": {",
        "\"usdc\": {\"cluster\": \"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp\", \"mint\": \"EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v\", \"program\": \"token-2022\", \"decimals\": 6}, \"sol\": {",
        1,
    );
    assert_eq!(refused(&other_program).0, "/assets/usdc");
}

#[test]
fn one_payee_of_an_asset_is_in_one_route_for_one_payer_of_fees() {
    let same = WHOLE.replacen("\"asset\": \"sol\"", "\"asset\": \"usdc.solana\"", 1);
    assert_eq!(
        refused(&same),
        ("/resources/pay/1".to_owned(), Error::INVALID)
    );
    let payer = "\"asset\": \"usdc.solana\", \"fee_payer\": [\"3wt5SGySRNayXvR7N7izyCHfAfg378jTqfq9gQTSJEYd\"]";
    let other = WHOLE.replacen("\"asset\": \"sol\"", payer, 1);
    Catalog::parse(other.as_bytes()).unwrap();
}
