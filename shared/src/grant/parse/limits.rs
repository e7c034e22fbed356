//! Budgets, windows and rates as owners write them; none is zero, and every grant has one of calls.

use super::MAX_LENGTH;
use crate::{
    amount::Amount,
    codec::json::{Object, Place},
    grant::{Budget, Rate, Window},
    id::Unit,
    owner::{Error, read},
    time::Millis,
};

/// Budgets of one grant at most.
pub(super) const MAX_BUDGETS: usize = 64;
/// Rates of one grant at most.
pub(super) const MAX_RATES: usize = 8;

pub(super) fn budgets(place: &Place<'_>) -> Result<Vec<Budget>, Error> {
    let mut seen: Vec<(Unit, Window)> = Vec::new();
    let budgets = read::each(place, MAX_BUDGETS, |place| {
        let budget = budget(place)?;
        let key = (budget.unit.clone(), budget.window);
        if seen.contains(&key) {
            return Err(Error::invalid(place, "each unit once per window"));
        }
        seen.push(key);
        Ok(budget)
    })?;
    // One call costs one: a limit per call alone would bound nothing.
    let bounded = |budget: &Budget| budget.unit.is_call() && budget.window != Window::Call;
    if budgets.iter().any(bounded) {
        Ok(budgets)
    } else {
        let expected = "a budget of the unit call over a window other than call";
        Err(Error::invalid(place, expected))
    }
}

fn budget(place: &Place<'_>) -> Result<Budget, Error> {
    let mut object = place.object()?;
    let budget = Budget {
        unit: unit(&object.required("unit")?)?,
        max: amount(&object.required("max")?)?,
        window: window(&object.required("window")?)?,
    };
    object.finish()?;
    Ok(budget)
}

/// A unit.
pub(crate) fn unit(place: &Place<'_>) -> Result<Unit, Error> {
    let expected = "a unit: at most 64 letters, digits, `_`, `-` or `.`";
    read::parsed(place, expected, Unit::parse)
}

/// An amount above zero.
pub(crate) fn amount(place: &Place<'_>) -> Result<Amount, Error> {
    let expected = "a string of decimal digits, above zero";
    let amount = read::parsed(place, expected, Amount::parse)?;
    if amount == Amount::ZERO {
        Err(Error::invalid(place, expected))
    } else {
        Ok(amount)
    }
}

fn window(place: &Place<'_>) -> Result<Window, Error> {
    let expected = "call, grant, calendar:P1D, calendar:P1M, or rolling: and at most P366D";
    let window = match place.str()? {
        "call" => Some(Window::Call),
        "grant" => Some(Window::Grant),
        "calendar:P1D" => Some(Window::CalendarDay),
        "calendar:P1M" => Some(Window::CalendarMonth),
        other => other.strip_prefix("rolling:").and_then(rolling),
    };
    window.ok_or_else(|| Error::invalid(place, expected))
}

fn rolling(text: &str) -> Option<Window> {
    let length = Millis::parse_iso(text).ok()?;
    (length <= MAX_LENGTH).then_some(Window::Rolling(length))
}

pub(super) fn rates(object: &mut Object<'_>) -> Result<Vec<Rate>, Error> {
    let Some(place) = object.optional("rate") else {
        return Ok(Vec::new());
    };
    read::each(&place, MAX_RATES, |place| {
        let mut object = place.object()?;
        let max = object.required("max")?;
        if max.u64()? == 0 {
            return Err(Error::invalid(&max, "a number of calls above zero"));
        }
        let rate = Rate {
            max: max.u64()?,
            per: seconds(&object.required("per_s")?)?,
        };
        object.finish()?;
        Ok(rate)
    })
}

/// A length in whole seconds, above zero and at most [`MAX_LENGTH`].
pub(super) fn seconds(place: &Place<'_>) -> Result<Millis, Error> {
    let length = Millis::from_secs(place.u64()?);
    if length == Millis(0) || length > MAX_LENGTH {
        Err(Error::invalid(place, "seconds, from 1 to 31622400"))
    } else {
        Ok(length)
    }
}
