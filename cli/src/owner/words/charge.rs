//! Charges of a route in words: where an amount is read, and every price that the catalog puts on it.

use claviger_shared::catalog::{Extractor, Member, Prices, Source, Times};

/// What a call spends besides itself, in one sentence.
pub(super) fn charged(extractor: &Extractor) -> String {
    let Extractor {
        unit,
        from,
        require,
        per,
        times,
    } = extractor;
    let from = match from {
        Source::Const(amount) => format!("{amount} each call"),
        Source::Form(name) => format!("the number in `{name}` of the form"),
        Source::Header(name) => format!("the number in the header `{name}`"),
        Source::Json(at) => format!("the number at `{at}` of the JSON body"),
        Source::Len => "the body's length in bytes".to_owned(),
        Source::Query(name) => format!("the number in `{name}` of the query"),
    };
    let mut text = format!("charges {unit}: {from}");
    if let Some(per) = per {
        text.push_str(&format!(", divided by {per} and rounded up"));
    }
    match times {
        Some(Times::Const(price)) => text.push_str(&format!(", times {price}")),
        Some(Times::Prices(prices)) => text.push_str(&format!(", times {}", self::prices(prices))),
        None => {}
    }
    for (name, value) in require {
        text.push_str(&format!(", where {name} = {value}"));
    }
    text
}

/// The whole table: a price that is not read cannot be agreed to.
fn prices(prices: &Prices) -> String {
    let Prices {
        field,
        table,
        version,
    } = prices;
    let named = match field {
        Member::Form(name) => format!("the text in `{name}` of the form"),
        Member::Header(name) => format!("the text in the header `{name}`"),
        Member::Json(at) => format!("the text at `{at}` of the JSON body"),
        Member::Path(name) => format!("the text at {{{name}}} of the path"),
        Member::Query(name) => format!("the text in `{name}` of the query"),
    };
    let table = table
        .iter()
        .map(|(text, price)| format!("`{text}` {price}"))
        .collect::<Vec<_>>()
        .join(", ");
    format!("the price of {named}, by prices {version}: {table}, and no other")
}

#[cfg(test)]
mod tests {
    use crate::owner::words::route;
    use claviger_shared::catalog::Catalog;
    use serde_json::{Value, json};

    fn facts(members: Value) -> Vec<String> {
        let mut route = json!({"kind": "http", "host": "a.example", "path": "/p/{model}", "methods": ["POST"],
            "query": ["m"], "headers": ["x-m"], "body": ["/m", "/n"], "media": "json"});
        for (name, value) in members.as_object().unwrap() {
            route[name] = value.clone();
        }
        let catalog = json!({"v": 1, "resources": {"r": [route]}}).to_string();
        let catalog = Catalog::parse(catalog.as_bytes()).unwrap();
        let resource = catalog.resources.values().next().unwrap();
        let facts = route::facts(&resource.routes[0]).into_iter();
        facts.filter(|fact| fact.starts_with("charges")).collect()
    }

    #[test]
    fn every_price_and_its_version_is_said() {
        let prices = |field: &str| json!({"field": field, "table": {"small": "2", "large": "15"}, "version": "2026-11-01"});
        let all = facts(json!({"charge": [
            {"unit": "usd-micros", "from": "len", "per": "4", "times": "3"},
            {"unit": "usd-micros", "from": "json", "field": "/n", "require": {"/m": "small"}, "prices": prices("/m")},
            {"unit": "usd-micros", "from": "len", "prices": prices("path.model")},
        ]}));
        assert_eq!(
            all,
            [
                "charges usd-micros: the body's length in bytes, divided by 4 and rounded up, times 3",
                "charges usd-micros: the number at `/n` of the JSON body, times the price of the text at `/m` of the JSON body, \
             by prices 2026-11-01: `large` 15, `small` 2, and no other, where /m = small",
                "charges usd-micros: the body's length in bytes, times the price of the text at {model} of the path, \
             by prices 2026-11-01: `large` 15, `small` 2, and no other",
            ]
        );
        for (from, field, wanted) in [
            (
                json!({"from": "query", "field": "m"}),
                "m",
                "in `m` of the query",
            ),
            (
                json!({"from": "header", "field": "x-m"}),
                "x-m",
                "in the header `x-m`",
            ),
        ] {
            let mut extractor = from;
            extractor["unit"] = json!("u");
            extractor["prices"] = prices(field);
            let [fact] = &facts(json!({"charge": [extractor]}))[..] else {
                panic!("one charge");
            };
            assert!(
                fact.contains(&format!("the price of the text {wanted}, by")),
                "{fact}"
            );
        }
    }

    #[test]
    fn what_has_no_factor_is_said_as_it_was() {
        let plain = json!({"charge": [{"unit": "u", "from": "json", "field": "/n", "require": {"/m": "usd"}}]});
        assert_eq!(
            facts(plain),
            ["charges u: the number at `/n` of the JSON body, where /m = usd"]
        );
    }
}
