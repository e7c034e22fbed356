//! Conditions: which operators there are, and what each says of a key that is there or absent.
//!
//! An absent key makes a negated operator true and any other false; `IfExists` makes both true; `ForAllValues` is true
//! and `ForAnyValue` false whatever the operator.

use super::document::Malformed;
use super::evaluate::Context;
use super::json::Json;
use super::pattern;

/// One line of a Condition element: an operator, a key and the values to compare with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    key: String,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Operator {
    quantifier: Option<Quantifier>,
    comparison: Comparison,
    negated: bool,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Arn,
    Bool,
    Equals,
    EqualsIgnoreCase,
    Like,
    Null,
}

/// Reads the Condition element.
pub(super) fn parse(json: &Json) -> Result<Vec<Condition>, Malformed> {
    let Json::Object(operators) = json else {
        return Err(Malformed("Condition must be an object."));
    };
    let mut conditions = Vec::new();
    for (name, keys) in operators {
        let operator = Operator::parse(name)?;
        let Json::Object(keys) = keys else {
            return Err(Malformed("A condition operator must hold an object."));
        };
        if keys.is_empty() {
            return Err(Malformed("A condition operator holds no key."));
        }
        for (key, values) in keys {
            let values = scalars(values)?;
            if operator.takes_booleans()
                && values
                    .iter()
                    .any(|value| value != "true" && value != "false")
            {
                return Err(Malformed("A condition value must be true or false."));
            }
            conditions.push(Condition {
                operator,
                key: key.to_ascii_lowercase(),
                values,
            });
        }
    }
    Ok(conditions)
}

impl Operator {
    fn parse(name: &str) -> Result<Self, Malformed> {
        let (quantifier, name) = match name.split_once(':') {
            None => (None, name),
            Some(("ForAllValues", name)) => (Some(Quantifier::All), name),
            Some(("ForAnyValue", name)) => (Some(Quantifier::Any), name),
            Some(_) => return Err(UNKNOWN),
        };
        let (name, if_exists) = name
            .strip_suffix("IfExists")
            .map_or((name, false), |name| (name, true));
        let (comparison, negated) = match name {
            "ArnEquals" | "ArnLike" => (Comparison::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Comparison::Arn, true),
            "Bool" => (Comparison::Bool, false),
            "Null" if !if_exists && quantifier.is_none() => (Comparison::Null, false),
            "StringEquals" => (Comparison::Equals, false),
            "StringEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, false),
            "StringLike" => (Comparison::Like, false),
            "StringNotEquals" => (Comparison::Equals, true),
            "StringNotEqualsIgnoreCase" => (Comparison::EqualsIgnoreCase, true),
            "StringNotLike" => (Comparison::Like, true),
            _ => return Err(UNKNOWN),
        };
        Ok(Self {
            quantifier,
            comparison,
            negated,
            if_exists,
        })
    }

    const fn takes_booleans(self) -> bool {
        matches!(self.comparison, Comparison::Bool | Comparison::Null)
    }
}

const UNKNOWN: Malformed = Malformed("Policy has an unknown or unsupported condition operator.");

impl Condition {
    /// Whether the condition holds for a request.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let found = context.get(&self.key);
        if self.operator.comparison == Comparison::Null {
            let is_absent = found.is_empty();
            return self
                .values
                .iter()
                .any(|value| (value == "true") == is_absent);
        }
        if found.is_empty() {
            return self.holds_for_absent();
        }
        let satisfied = |value: &String| self.matches_any(value) != self.operator.negated;
        match self.operator.quantifier {
            Some(Quantifier::Any) => found.iter().any(satisfied),
            // A key of one value, or every value of several.
            Some(Quantifier::All) | None => found.iter().all(satisfied),
        }
    }

    const fn holds_for_absent(&self) -> bool {
        match self.operator.quantifier {
            Some(Quantifier::All) => true,
            Some(Quantifier::Any) => false,
            None => self.operator.if_exists || self.operator.negated,
        }
    }

    fn matches_any(&self, found: &str) -> bool {
        self.values
            .iter()
            .any(|wanted| match self.operator.comparison {
                Comparison::Arn => pattern::matches_arn(wanted, found),
                Comparison::Bool | Comparison::Equals | Comparison::Null => wanted == found,
                Comparison::EqualsIgnoreCase => wanted.to_lowercase() == found.to_lowercase(),
                Comparison::Like => pattern::matches(wanted, found),
            })
    }
}

/// One scalar or a list of them, as texts.
fn scalars(json: &Json) -> Result<Vec<String>, Malformed> {
    let one = |json: &Json| match json {
        Json::Text(text) if text.contains("${") => Err(Malformed(
            "Policy variables are not supported by this simulation.",
        )),
        Json::Text(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => {
            Err(Malformed("A condition value must be a scalar."))
        }
    };
    match json {
        Json::List(items) if items.is_empty() => Err(Malformed("A condition has no value.")),
        Json::List(items) => items.iter().map(one).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => {
            one(json).map(|one| vec![one])
        }
    }
}
