//! What a call spends: amounts read by a route's extractors from the bytes that will be signed.
//!
//! An amount is an unsigned integer: a JSON integer without sign, fraction or exponent, or a text of decimal digits
//! without a leading zero. Whatever else stands in its place, nothing included, denies the call. It is divided, rounding up,
//! and multiplied as the route says, never beyond 128 bits: what has no price is not signed. It knows no budget.

use super::content::{BODY, Content, form_place, json_place};
use claviger_shared::{
    amount::Amount,
    call::http::{Headers, URL_PARAM, Url},
    catalog::{BodyRule, Extractor, Media, Member, Prices, Segment, Source, Times},
    codec::json::Value,
    denial::{Code, Denial},
    effect::Charge,
};
use std::borrow::Cow;

/// The parts of a call that an amount can stand in.
pub(crate) struct Parts<'a> {
    pub(crate) url: &'a Url,
    pub(crate) headers: &'a Headers,
    pub(crate) content: &'a Content<'a>,
}

/// A kind of place that members stand in.
#[derive(Clone, Copy)]
enum Place {
    Form,
    Header,
    Json,
    Query,
}

/// Whether every member that the extractors require has its value; `media` is that of the route's body.
///
/// # Errors
///
/// [`Code::UnparsableContent`] at a member that is missing or no text, integer or truth value;
/// [`Code::PermissionDenied`] at one of another value.
pub(crate) fn check_required(
    charge: &[Extractor],
    media: Option<Media>,
    parts: &Parts<'_>,
) -> Result<(), Denial> {
    for extractor in charge {
        let place = place_of(&extractor.from, media);
        for (name, wanted) in &extractor.require {
            let found = parts.text(place, name)?;
            if found != wanted.as_str() {
                return Err(Denial::at(Code::PermissionDenied, place.param(name)));
            }
        }
    }
    Ok(())
}

/// The media type of a route's body.
pub(crate) fn media(body: Option<&BodyRule>) -> Option<Media> {
    body.map(|body| body.media)
}

/// The charges of a call by a route's extractors; `path` is the route's.
///
/// # Errors
///
/// [`Code::UnparsableContent`] at a place that holds no amount, or no text where one names a price;
/// [`Code::PermissionDenied`] at a text that has no price; [`Code::PerCallExceeded`] at an amount that does not fit 128 bits
/// with its price.
pub(crate) fn charges(
    charge: &[Extractor],
    path: &[Segment],
    parts: &Parts<'_>,
) -> Result<Vec<Charge>, Denial> {
    let one = |extractor: &Extractor| {
        let read = parts.amount(&extractor.from)?;
        let price = match &extractor.times {
            None => Amount::ONE,
            Some(Times::Const(price)) => *price,
            Some(Times::Prices(prices)) => parts.price(prices, path)?,
        };
        let counted = read.parts_of(extractor.per.unwrap_or(Amount::ONE));
        let amount = counted.and_then(|counted| counted.times(price));
        let too_much = || Denial::at(Code::PerCallExceeded, param(&extractor.from));
        Ok(Charge {
            unit: extractor.unit.clone(),
            amount: amount.ok_or_else(too_much)?,
        })
    };
    charge.iter().map(one).collect()
}

/// Where an amount stands in the caller's input; a fixed one stands for the request that costs it.
fn param(from: &Source) -> String {
    match from {
        Source::Const(_) => URL_PARAM.to_owned(),
        Source::Form(name) => Place::Form.param(name),
        Source::Header(name) => Place::Header.param(name),
        Source::Json(pointer) => Place::Json.param(pointer),
        Source::Len => BODY.to_owned(),
        Source::Query(name) => Place::Query.param(name),
    }
}

impl Parts<'_> {
    fn amount(&self, from: &Source) -> Result<Amount, Denial> {
        let (place, name) = match from {
            Source::Const(price) => return Ok(*price),
            Source::Len => {
                // What is priced by its length and has none would be free: a request that says all in its query, say.
                return match u128::try_from(self.content.len()) {
                    Ok(0) | Err(_) => Err(Denial::at(Code::UnparsableContent, BODY)),
                    Ok(length) => Ok(Amount(length)),
                };
            }
            Source::Form(name) => (Place::Form, name),
            Source::Header(name) => (Place::Header, name),
            Source::Json(pointer) => (Place::Json, pointer),
            Source::Query(name) => (Place::Query, name),
        };
        Amount::parse(&self.text(place, name)?).map_err(|_| place.unreadable(name))
    }

    /// The price of what the call names, by its exact text.
    fn price(&self, prices: &Prices, path: &[Segment]) -> Result<Amount, Denial> {
        let (found, at) = match &prices.field {
            Member::Form(name) => (self.text(Place::Form, name)?, Place::Form.param(name)),
            Member::Header(name) => (self.text(Place::Header, name)?, Place::Header.param(name)),
            Member::Json(pointer) => (self.string(pointer)?, Place::Json.param(pointer)),
            Member::Query(name) => (self.text(Place::Query, name)?, Place::Query.param(name)),
            Member::Path(name) => (self.segment(name, path)?, URL_PARAM.to_owned()),
        };
        let price = prices.table.get(&*found).copied();
        price.ok_or_else(|| Denial::at(Code::PermissionDenied, at))
    }

    /// A text of the body; a number is none, however it would be written.
    fn string(&self, pointer: &str) -> Result<Cow<'_, str>, Denial> {
        match self.content.json()?.pointer(pointer) {
            Some(Value::String(text)) => Ok(Cow::Borrowed(text)),
            Some(
                Value::Array(_)
                | Value::Bool(_)
                | Value::Integer(_)
                | Value::NotInteger
                | Value::Null
                | Value::Object(_),
            )
            | None => Err(Place::Json.unreadable(pointer)),
        }
    }

    /// The decoded segment at a parameter of the route's path.
    fn segment(&self, name: &str, path: &[Segment]) -> Result<Cow<'_, str>, Denial> {
        let mut pairs = path.iter().zip(&self.url.segments);
        let found = pairs.find_map(|(part, value)| match part {
            Segment::Parameter(parameter) if parameter == name => Some(value.as_str()),
            Segment::Parameter(_) | Segment::Literal(_) => None,
        });
        found
            .map(Cow::Borrowed)
            .ok_or_else(|| Denial::at(Code::UnparsableContent, URL_PARAM))
    }

    fn text(&self, place: Place, name: &str) -> Result<Cow<'_, str>, Denial> {
        let found = match place {
            Place::Form => self
                .content
                .form()?
                .iter()
                .find(|(member, _)| member == name)
                .map(|(_, value)| Cow::Borrowed(value.as_str())),
            Place::Header => self.headers.value(name).map(Cow::Borrowed),
            Place::Json => self.content.json()?.pointer(name).and_then(scalar),
            Place::Query => self.url.member(name).map(Cow::Borrowed),
        };
        found.ok_or_else(|| place.unreadable(name))
    }
}

impl Place {
    fn param(self, name: &str) -> String {
        match self {
            Self::Form => form_place(name),
            Self::Header => Headers::param(name),
            Self::Json => json_place(name),
            Self::Query => format!("{URL_PARAM}?{name}"),
        }
    }

    fn unreadable(self, name: &str) -> Denial {
        Denial::at(Code::UnparsableContent, self.param(name))
    }
}

// A price or a length stands nowhere: what it requires stands in the body where that can be read, else in the query.
fn place_of(from: &Source, media: Option<Media>) -> Place {
    match from {
        Source::Form(_) => Place::Form,
        Source::Header(_) => Place::Header,
        Source::Json(_) => Place::Json,
        Source::Query(_) => Place::Query,
        Source::Const(_) | Source::Len => match media {
            Some(Media::Form) => Place::Form,
            Some(Media::Json) => Place::Json,
            Some(Media::Opaque) | None => Place::Query,
        },
    }
}

fn scalar(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Integer(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(truth) => Some(Cow::Borrowed(if *truth { "true" } else { "false" })),
        Value::Array(_) | Value::NotInteger | Value::Null | Value::Object(_) => None,
    }
}
