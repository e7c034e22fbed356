//! A body as rules read it: its media type, its members, and whether a route lists them all.
//!
//! What passes is exactly what the digest will cover. It chooses no route and reads no amount.

use super::form;
use claviger_shared::{
    call::http::{Headers, is_header_name},
    catalog::{BodyRule, Media, Members},
    codec::json::{self, MAX_SHOWN_POINTER, Value},
    denial::{Code, Denial},
};
use std::cell::OnceCell;

/// Where the body stands in the caller's input.
pub(crate) const BODY: &str = "/body";
const CONTENT_TYPE: &str = "content-type";
const CONTENT_ENCODING: &str = "content-encoding";

/// A body and its readings, each made once and only when a route asks for it.
pub(crate) struct Content<'a> {
    bytes: Option<&'a [u8]>,
    json: OnceCell<Result<Value, Denial>>,
    form: OnceCell<Result<Vec<(String, String)>, Denial>>,
}

impl<'a> Content<'a> {
    /// A body, or none.
    pub(crate) const fn new(bytes: Option<&'a [u8]>) -> Self {
        Self {
            bytes,
            json: OnceCell::new(),
            form: OnceCell::new(),
        }
    }

    /// Its length; zero for none.
    pub(crate) fn len(&self) -> usize {
        self.bytes.map_or(0, <[u8]>::len)
    }

    /// Whether the body, and the header fields that describe it, are what a route demands.
    ///
    /// # Errors
    ///
    /// [`Code::UnlistedMember`] for a body or content type that the route has no rule for, or an unlisted member;
    /// [`Code::UnparsableContent`] for a missing body, another media type, an encoding, or unreadable content.
    pub(crate) fn check(
        &self,
        rule: Option<&BodyRule>,
        method: &str,
        headers: &Headers,
    ) -> Result<(), Denial> {
        if headers.value(CONTENT_ENCODING).is_some() {
            return Err(unreadable(Headers::param(CONTENT_ENCODING)));
        }
        match (self.bytes, rule) {
            (Some(_), None) => Err(Denial::at(Code::UnlistedMember, BODY)),
            (None, _) if headers.value(CONTENT_TYPE).is_some() => Err(Denial::at(
                Code::UnlistedMember,
                Headers::param(CONTENT_TYPE),
            )),
            (None, Some(_)) if !may_lack_body(method) => Err(unreadable(BODY)),
            (None, _) => Ok(()),
            (Some(_), Some(rule)) => {
                let given = headers.value(CONTENT_TYPE).unwrap_or_default();
                if !is_media(rule.media, given) {
                    return Err(unreadable(Headers::param(CONTENT_TYPE)));
                }
                self.check_members(rule)
            }
        }
    }

    /// Whether a rule lists every member of the body.
    ///
    /// # Errors
    ///
    /// [`Code::UnlistedMember`], [`Code::UnparsableContent`].
    pub(crate) fn check_members(&self, rule: &BodyRule) -> Result<(), Denial> {
        match (rule.media, &rule.members) {
            (Media::Opaque, _) => Ok(()),
            (Media::Form, Members::Any) => self.form().map(|_| ()),
            (Media::Json, Members::Any) => self.json().map(|_| ()),
            (Media::Form, Members::Listed(names)) => {
                let unlisted = self.form()?.iter().find(|(name, _)| !names.contains(name));
                unlisted.map_or(Ok(()), |(name, _)| {
                    Err(Denial::at(Code::UnlistedMember, form_place(name)))
                })
            }
            (Media::Json, Members::Listed(pointers)) => check_leaves(self.json()?, pointers),
        }
    }

    /// The body as strict JSON.
    ///
    /// # Errors
    ///
    /// [`Code::UnparsableContent`] with the place.
    pub(crate) fn json(&self) -> Result<&Value, Denial> {
        let read = || {
            let bytes = self.bytes.ok_or_else(|| unreadable(BODY))?;
            json::parse(bytes).map_err(|fault| unreadable(json_place(&fault.pointer)))
        };
        self.json.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The body as a strict form.
    ///
    /// # Errors
    ///
    /// [`Code::UnparsableContent`] with the place.
    pub(crate) fn form(&self) -> Result<&[(String, String)], Denial> {
        let read = || {
            let bytes = self.bytes.ok_or_else(|| unreadable(BODY))?;
            form::members(bytes).ok_or_else(|| unreadable(BODY))
        };
        let form = self.form.get_or_init(read).as_ref();
        form.map(Vec::as_slice).map_err(Clone::clone)
    }
}

/// The place of a JSON pointer of the body in the caller's input, cut for show.
pub(crate) fn json_place(pointer: &str) -> String {
    let end = (0..=pointer.len().min(MAX_SHOWN_POINTER))
        .rev()
        .find(|at| pointer.is_char_boundary(*at))
        .unwrap_or(0);
    format!("{BODY}{}", pointer.get(..end).unwrap_or_default())
}

/// The place of a form member in the caller's input, cut for show.
pub(crate) fn form_place(name: &str) -> String {
    json_place(&format!("/{}", name.replace('~', "~0").replace('/', "~1")))
}

// An object without members says nothing that a list could admit.
fn check_leaves(value: &Value, pointers: &[String]) -> Result<(), Denial> {
    value.each_leaf(&mut |place, leaf| {
        let empty = place.is_empty() && matches!(leaf, Value::Object(_));
        if empty || pointers.iter().any(|listed| is_under(place, listed)) {
            Ok(())
        } else {
            Err(Denial::at(Code::UnlistedMember, json_place(place)))
        }
    })
}

fn is_under(place: &str, listed: &str) -> bool {
    place
        .strip_prefix(listed)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

// RFC 9110 §9.3: content has no meaning of its own in a GET or HEAD, and is rare in the other two.
fn may_lack_body(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS" | "DELETE")
}

fn is_media(media: Media, given: &str) -> bool {
    match media {
        Media::Json => given == "application/json",
        Media::Form => given == "application/x-www-form-urlencoded",
        Media::Opaque => given
            .split_once('/')
            .is_some_and(|(kind, sub)| is_header_name(kind) && is_header_name(sub)),
    }
}

fn unreadable(place: impl Into<String>) -> Denial {
    Denial::at(Code::UnparsableContent, place)
}
