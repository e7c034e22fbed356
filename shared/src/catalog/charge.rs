//! What a call spends, as a route says it: where an amount is read, and what one of it costs.
//!
//! An [`Extractor`] charges `ceil(read / per) * times`. Prices stand in the catalog itself, each table with its version, so
//! that whoever signs a catalog signs its prices. It knows no call and no budget.

use crate::{amount::Amount, id::Unit};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Where a charged amount stands in the bytes that are signed, and what is charged for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extractor {
    /// The unit charged.
    pub unit: Unit,
    /// Where the amount is.
    pub from: Source,
    /// Members that must have exactly these values, in the same place.
    pub require: BTreeMap<String, String>,
    /// What the amount is divided by, rounding up, before it is multiplied; absent means one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Amount>,
    /// What the amount is multiplied by; absent means one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

/// A place an amount is read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A fixed price.
    Const(Amount),
    /// A form member of the body.
    Form(String),
    /// A header field, which is then covered.
    Header(String),
    /// A JSON pointer (RFC 6901) into the body.
    Json(String),
    /// The body's length in bytes.
    Len,
    /// A query member.
    Query(String),
}

/// What one of an amount costs, in the extractor's unit; never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Times {
    /// The same for every call.
    Const(Amount),
    /// By what the call names.
    Prices(Prices),
}

/// Prices by a text of the call; a text that is not among them has no price, and is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Where the text stands.
    pub field: Member,
    /// The price of each text, at least one.
    pub table: BTreeMap<String, Amount>,
    /// Which list of prices this is, for people.
    pub version: String,
}

/// A place that a text stands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Member {
    /// A form member of the body.
    Form(String),
    /// A header field.
    Header(String),
    /// A JSON pointer (RFC 6901) into the body.
    Json(String),
    /// A parameter of the path.
    Path(String),
    /// A query member.
    Query(String),
}

impl Extractor {
    /// The prices it looks one up in; none where the price is the same for every call.
    #[must_use]
    pub const fn prices(&self) -> Option<&Prices> {
        match &self.times {
            Some(Times::Prices(prices)) => Some(prices),
            Some(Times::Const(_)) | None => None,
        }
    }
}

impl Member {
    /// How a catalog names a parameter of the path.
    pub const PATH: &'static str = "path.";

    /// As the catalog names it.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Form(name) | Self::Header(name) | Self::Json(name) | Self::Query(name) => {
                Cow::Borrowed(name)
            }
            Self::Path(name) => Cow::Owned(format!("{}{name}", Self::PATH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::cbor;

    /// What an extractor was before prices.
    #[derive(Serialize)]
    struct Before {
        unit: Unit,
        from: Source,
        require: BTreeMap<String, String>,
    }

    #[test]
    fn an_extractor_without_prices_is_the_bytes_it_always_was() {
        let unit = Unit::parse("usd-cents").unwrap();
        let require = BTreeMap::from([("currency".to_owned(), "usd".to_owned())]);
        for from in [
            Source::Const(Amount(7)),
            Source::Form("amount".into()),
            Source::Len,
        ] {
            let now = Extractor {
                unit: unit.clone(),
                from: from.clone(),
                require: require.clone(),
                per: None,
                times: None,
            };
            let before = Before {
                unit: unit.clone(),
                from,
                require: require.clone(),
            };
            let bytes = cbor::encode(&before).unwrap();
            assert_eq!(cbor::encode(&now).unwrap(), bytes);
            assert_eq!(cbor::decode::<Extractor>(&bytes, 4096).unwrap(), now);
        }
    }

    #[test]
    fn prices_come_back_from_their_bytes() {
        let members = [
            Member::Form("a".into()),
            Member::Header("a".into()),
            Member::Json("/a".into()),
            Member::Path("a".into()),
            Member::Query("a".into()),
        ];
        let tables = members.map(|field| {
            Times::Prices(Prices {
                field,
                table: BTreeMap::from([("m".to_owned(), Amount(u128::MAX))]),
                version: "1".into(),
            })
        });
        for times in tables.into_iter().chain([Times::Const(Amount(3))]) {
            let extractor = Extractor {
                unit: Unit::parse("usd-cents").unwrap(),
                from: Source::Len,
                require: BTreeMap::new(),
                per: Some(Amount(4)),
                times: Some(times),
            };
            let bytes = cbor::encode(&extractor).unwrap();
            assert_eq!(cbor::decode::<Extractor>(&bytes, 4096).unwrap(), extractor);
        }
    }
}
