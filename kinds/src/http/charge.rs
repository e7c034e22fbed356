//! What a call spends: amounts read by a route's extractors from the bytes that will be signed.
//!
//! An amount is an unsigned integer: a JSON integer without sign, fraction or exponent, or a text of decimal digits
//! without a leading zero. Whatever else stands in its place, nothing included, denies the call. It knows no budget.

use super::content::{Content, form_place, json_place};
use claviger_shared::{
    amount::Amount,
    call::http::{Headers, URL_PARAM, Url},
    catalog::{BodyRule, Extractor, Media, Source},
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

/// The charges of a call by a route's extractors.
///
/// # Errors
///
/// [`Code::UnparsableContent`] at a place that holds no amount.
pub(crate) fn charges(charge: &[Extractor], parts: &Parts<'_>) -> Result<Vec<Charge>, Denial> {
    let one = |extractor: &Extractor| {
        let amount = parts.amount(&extractor.from)?;
        Ok(Charge {
            unit: extractor.unit.clone(),
            amount,
        })
    };
    charge.iter().map(one).collect()
}

impl Parts<'_> {
    fn amount(&self, from: &Source) -> Result<Amount, Denial> {
        let (place, name) = match from {
            Source::Const(price) => return Ok(*price),
            Source::Len => {
                // A body's length fits u128 on every machine.
                return u128::try_from(self.content.len())
                    .map(Amount)
                    .map_err(|_| Denial::at(Code::UnparsableContent, super::content::BODY));
            }
            Source::Form(name) => (Place::Form, name),
            Source::Header(name) => (Place::Header, name),
            Source::Json(pointer) => (Place::Json, pointer),
            Source::Query(name) => (Place::Query, name),
        };
        Amount::parse(&self.text(place, name)?).map_err(|_| place.unreadable(name))
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
