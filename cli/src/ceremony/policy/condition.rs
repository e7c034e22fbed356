//! Conditions, with AWS's rules for keys that are absent.
//!
//! An absent key makes a negated operator true and any other false; `IfExists` makes both true; `ForAllValues` is true and
//! `ForAnyValue` false of an absent key (AWS IAM user guide, "IAM JSON policy elements: Condition operators" and "Condition
//! with multiple context keys or values"). What depends on something other than attestation is neither true nor false here.

use serde_json::Value;
use std::collections::BTreeMap;

/// True, false, or up to whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Truth {
    False,
    Maybe,
    True,
}

/// Condition keys of a request that are known, in lower case; an attestation key that is not here is absent.
pub(super) type Context = BTreeMap<String, String>;

/// What keys of attestation begin with, in lower case.
pub(super) const ATTESTATION: &str = "kms:recipientattestation:";

/// One operator on one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: String,
    /// In lower case.
    pub(super) key: String,
    pub(super) values: Vec<String>,
    quantifier: Option<Quantifier>,
    comparison: Option<Comparison>,
    negated: bool,
    pub(super) if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    EqualsIgnoreCase,
    Like,
    Null,
}

/// Reads a Condition element.
pub(super) fn parse(value: &Value) -> Result<Vec<Condition>, String> {
    let object = |value: &Value, what: &str| {
        let members = value.as_object().cloned();
        members.ok_or_else(|| format!("expected {what}"))
    };
    let mut list = Vec::new();
    for (operator, keys) in object(value, "operators")? {
        for (key, values) in object(&keys, "keys under each operator")? {
            let values = match values.as_array() {
                Some(values) => values.iter().map(scalar).collect(),
                None => scalar(&values).map(|one| vec![one]),
            };
            let values = values.ok_or_else(|| "expected texts to compare with".to_owned())?;
            list.push(Condition::new(&operator, &key, values));
        }
    }
    Ok(list)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Condition {
    fn new(operator: &str, key: &str, values: Vec<String>) -> Self {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Some(Quantifier::All), name),
            Some(("ForAnyValue", name)) => (Some(Quantifier::Any), name),
            Some(_) | None => (None, operator),
        };
        let (name, if_exists) = name
            .strip_suffix("IfExists")
            .map_or((name, false), |name| (name, true));
        let (comparison, negated) = match name {
            "StringEquals" => (Some(Comparison::Equals), false),
            "StringNotEquals" => (Some(Comparison::Equals), true),
            "StringEqualsIgnoreCase" => (Some(Comparison::EqualsIgnoreCase), false),
            "StringNotEqualsIgnoreCase" => (Some(Comparison::EqualsIgnoreCase), true),
            "StringLike" => (Some(Comparison::Like), false),
            "StringNotLike" => (Some(Comparison::Like), true),
            "Null" => (Some(Comparison::Null), false),
            _ => (None, false),
        };
        Self {
            operator: operator.to_owned(),
            key: key.to_ascii_lowercase(),
            values,
            quantifier,
            comparison,
            negated,
            if_exists,
        }
    }

    /// Whether it is about attestation.
    pub(super) fn is_attestation(&self) -> bool {
        self.key.starts_with(ATTESTATION)
    }

    /// Whether the operator is one that makes sense for attestation.
    pub(super) const fn is_understood(&self) -> bool {
        self.comparison.is_some()
    }

    /// Whether an absent key satisfies an operator that does not say "not".
    pub(super) fn lets_absent_pass(&self) -> bool {
        self.is_attestation() && (self.if_exists || self.quantifier == Some(Quantifier::All))
    }

    /// Whether it holds for a request.
    pub(super) fn holds(&self, context: &Context) -> Truth {
        let Some(comparison) = self.comparison.filter(|_| self.is_attestation()) else {
            return Truth::Maybe;
        };
        let found = context.get(&self.key);
        if comparison == Comparison::Null {
            let absent = found.is_none().to_string();
            let holds = self.values.contains(&absent);
            return if holds { Truth::True } else { Truth::False };
        }
        let Some(found) = found else {
            return truth(match self.quantifier {
                Some(Quantifier::All) => true,
                Some(Quantifier::Any) => false,
                None => self.if_exists || self.negated,
            });
        };
        let matches = self
            .values
            .iter()
            .map(|wanted| compare(comparison, wanted, found));
        let matches = matches.max().unwrap_or(Truth::False);
        match (self.negated, matches) {
            (false, matches) => matches,
            (true, Truth::True) => Truth::False,
            (true, Truth::False) => Truth::True,
            (true, Truth::Maybe) => Truth::Maybe,
        }
    }
}

const fn truth(value: bool) -> Truth {
    if value { Truth::True } else { Truth::False }
}

fn compare(comparison: Comparison, wanted: &str, found: &str) -> Truth {
    // A policy variable is replaced by what the caller brings.
    if wanted.contains("${") {
        return Truth::Maybe;
    }
    match comparison {
        Comparison::EqualsIgnoreCase => truth(wanted.eq_ignore_ascii_case(found)),
        Comparison::Equals | Comparison::Null if wanted == found => Truth::True,
        // Whether KMS writes digits in capitals is not promised.
        Comparison::Equals | Comparison::Null => {
            if wanted.eq_ignore_ascii_case(found) {
                Truth::Maybe
            } else {
                Truth::False
            }
        }
        Comparison::Like => truth(like(wanted, found)),
    }
}

/// Wildcards: `*` for any run of characters, `?` for one.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // Which prefixes of the text the pattern so far matches.
    let mut reach = vec![false; text.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    for symbol in pattern {
        let mut next = Vec::with_capacity(reach.len());
        let mut any = false;
        let mut before = false;
        for (at, here) in reach.iter().enumerate() {
            any |= *here;
            let letter = at.checked_sub(1).and_then(|at| text.get(at));
            next.push(match symbol {
                '*' => any,
                '?' => before && letter.is_some(),
                symbol => before && letter == Some(&symbol),
            });
            before = *here;
        }
        reach = next;
    }
    reach.last().copied().unwrap_or_default()
}
