//! Values within the rules of a route, and what they charge together.
//!
//! A rule of a list is one of each of its elements. Of an empty list it would say nothing, and to a contract no element may mean
//! all of them: an empty list keeps only a rule that takes anything, and is a value of its own to `only`. Which function or form a
//! value is of, it does not know.

use super::abi::Value;
use claviger_shared::{
    amount::Amount,
    catalog::{Argument, ValueRule},
    chain::{AbiType, Word},
    denial::Code,
    effect::Charge,
    id::{Unit, to_hex},
};

/// What stands in place of the values of a list that has none.
pub(super) const EMPTY: &str = "[]";

/// What values come to that kept their rules.
#[derive(Default)]
pub(super) struct Kept {
    /// Values by their names, for `only`; several of a list.
    parameters: Vec<(String, String)>,
    /// By the place of the rule, so that elements of a list add up.
    charges: Vec<(String, Charge)>,
}

impl Kept {
    /// Values by their names, and what is charged: each rule once.
    pub(super) fn done(self) -> (Vec<(String, String)>, Vec<Charge>) {
        let charges = self.charges.into_iter().map(|(_, charge)| charge);
        (self.parameters, charges.collect())
    }

    /// A value of calldata, by the rules of what it is made of; they stand from `first` on among those of the call.
    pub(super) fn argument(
        &mut self,
        rules: &[Argument],
        first: usize,
        of: &AbiType,
        value: &Value<'_>,
    ) -> Result<(), Code> {
        let rule = rules.get(first).ok_or(Code::UnparsableContent)?;
        match (of, value) {
            (AbiType::Atom(atom), Value::Word(word)) => {
                self.word(&rule.rule, word, &first.to_string())?;
                self.parameter(rule.name.as_deref(), || atom.show(word));
                Ok(())
            }
            (AbiType::Bytes, Value::Bytes(bytes)) => {
                self.text(rule, format!("0x{}", to_hex(bytes)))
            }
            (AbiType::String, Value::Text(text)) => self.text(rule, (*text).to_owned()),
            (AbiType::List { of, .. }, Value::Many(values)) => {
                let all = first..first.saturating_add(of.pieces().len());
                let own = rules.get(all).ok_or(Code::UnparsableContent)?;
                if values.is_empty() {
                    return self.empty(own);
                }
                let mut values = values.iter();
                values.try_for_each(|value| self.argument(rules, first, of, value))
            }
            (AbiType::Tuple(types), Value::Many(values)) => {
                let mut first = first;
                for (of, value) in types.iter().zip(values) {
                    self.argument(rules, first, of, value)?;
                    first = first.saturating_add(of.pieces().len());
                }
                Ok(())
            }
            (
                AbiType::Atom(_)
                | AbiType::Bytes
                | AbiType::String
                | AbiType::List { .. }
                | AbiType::Tuple(_),
                _,
            ) => Err(Code::UnparsableContent),
        }
    }

    /// A list without elements.
    fn empty(&mut self, rules: &[Argument]) -> Result<(), Code> {
        if rules.iter().any(|one| one.rule != ValueRule::Any) {
            return Err(Code::UnlistedMember);
        }
        for rule in rules {
            self.parameter(rule.name.as_deref(), || EMPTY.to_owned());
        }
        Ok(())
    }

    /// A value of one word; `place` is the rule's.
    pub(super) fn word(&mut self, rule: &ValueRule, word: &Word, place: &str) -> Result<(), Code> {
        match rule {
            ValueRule::Any => Ok(()),
            ValueRule::Listed(list) if list.contains(word) => Ok(()),
            ValueRule::Most(most) if word <= most => Ok(()),
            ValueRule::Most(_) => Err(Code::PerCallExceeded),
            ValueRule::Charge { unit, most } => self.charge(unit, *most, word, place),
            // That of texts is none of a word.
            ValueRule::Listed(_) | ValueRule::Texts(_) => Err(Code::UnlistedMember),
        }
    }

    fn text(&mut self, rule: &Argument, text: String) -> Result<(), Code> {
        let kept = match &rule.rule {
            ValueRule::Any => true,
            ValueRule::Texts(list) => list.contains(&text),
            ValueRule::Listed(_) | ValueRule::Most(_) | ValueRule::Charge { .. } => false,
        };
        if !kept {
            return Err(Code::UnlistedMember);
        }
        self.parameter(rule.name.as_deref(), || text);
        Ok(())
    }

    fn charge(
        &mut self,
        unit: &Unit,
        most: Option<Amount>,
        word: &Word,
        place: &str,
    ) -> Result<(), Code> {
        let exceeded = Code::PerCallExceeded;
        let amount = word.as_u128().map(Amount).ok_or(exceeded)?;
        let before = self.charges.iter_mut().find(|(at, _)| at == place);
        let sum = match &before {
            Some((_, before)) => before.amount.plus(amount).ok_or(exceeded)?,
            None => amount,
        };
        if most.is_some_and(|most| sum > most) {
            return Err(exceeded);
        }
        match before {
            Some((_, before)) => before.amount = sum,
            None => self.charges.push((
                place.to_owned(),
                Charge {
                    unit: unit.clone(),
                    amount: sum,
                },
            )),
        }
        Ok(())
    }

    /// A value by its name, for `only`; what has no name is none.
    pub(super) fn parameter(&mut self, name: Option<&str>, value: impl FnOnce() -> String) {
        if let Some(name) = name {
            self.parameters.push((format!("path.{name}"), value()));
        }
    }
}
