//! Seeds of demands for payment.

use super::put;

pub(super) fn texts() {
    let asked = crate::x402::requirements("10000").to_string();
    let one = asked
        .replace("eip155:84532", "base-sepolia")
        .replace("\"amount\"", "\"maxAmountRequired\"");
    for (name, text) in [
        (
            "resource",
            format!("{asked}\n\n{{\"url\":\"https://api.example.com/data\"}}"),
        ),
        ("twice", asked.replacen('{', "{\"amount\":\"1\",", 1)),
        ("number", asked.replace("\"10000\"", "10000")),
        (
            "permit2",
            asked.replace("\"name\"", "\"assetTransferMethod\":\"permit2\",\"name\""),
        ),
        ("one", format!("1{one}")),
        ("two", asked),
    ] {
        put("x402_call", name, text.as_bytes());
    }
}
