//! Reading a document member by member; what nobody asked for is refused.
//!
//! A [`Place`] is a value and where it stands. Pointers are written out only for errors, so a hostile document cannot
//! make them costly.

use super::{Error, Value, de::shown, push_index, push_name};
use std::rc::Rc;

/// A value with its place in the document.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    value: &'a Value,
    path: Rc<Path<'a>>,
}

#[derive(Debug)]
enum Path<'a> {
    Index(Rc<Self>, usize),
    Name(Rc<Self>, &'a str),
    Root(String),
}

impl Path<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Index(parent, at) => {
                parent.write(out);
                push_index(out, *at);
            }
            Self::Name(parent, name) => {
                parent.write(out);
                push_name(out, name);
            }
            Self::Root(prefix) => out.push_str(prefix),
        }
    }
}

impl<'a> Place<'a> {
    /// A value that stands at `pointer` of the whole document; empty for the document itself.
    #[must_use]
    pub fn new(value: &'a Value, pointer: &str) -> Self {
        Self {
            value,
            path: Rc::new(Path::Root(pointer.to_owned())),
        }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &'a Value {
        self.value
    }

    /// Where it stands, cut to a length that can be shown.
    #[must_use]
    pub fn pointer(&self) -> String {
        let mut out = String::new();
        self.path.write(&mut out);
        shown(out)
    }

    /// An error at this place.
    #[must_use]
    pub fn error(&self, what: &'static str) -> Error {
        Error {
            pointer: self.pointer(),
            what,
        }
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// [`Error`] for any other value.
    pub fn str(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.error("a string"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// [`Error`] for any other value.
    pub fn bool(&self) -> Result<bool, Error> {
        if let Value::Bool(word) = self.value {
            Ok(*word)
        } else {
            Err(self.error("true or false"))
        }
    }

    /// An unsigned integer of 64 bits, written as one.
    ///
    /// # Errors
    ///
    /// [`Error`] for any other value.
    pub fn u64(&self) -> Result<u64, Error> {
        let Value::Integer(n) = self.value else {
            return Err(self.error("an unsigned integer"));
        };
        u64::try_from(*n).map_err(|_| self.error("an unsigned integer"))
    }

    /// The elements of an array.
    ///
    /// # Errors
    ///
    /// [`Error`] for any other value.
    pub fn array(&self) -> Result<Vec<Self>, Error> {
        let Value::Array(elements) = self.value else {
            return Err(self.error("an array"));
        };
        let place = |(at, value)| Self {
            value,
            path: Rc::new(Path::Index(Rc::clone(&self.path), at)),
        };
        Ok(elements.iter().enumerate().map(place).collect())
    }

    /// The members of an object.
    ///
    /// # Errors
    ///
    /// [`Error`] for any other value.
    pub fn object(&self) -> Result<Object<'a>, Error> {
        let Value::Object(members) = self.value else {
            return Err(self.error("an object"));
        };
        Ok(Object {
            place: self.clone(),
            members,
            asked: Vec::new(),
        })
    }
}

/// The members of one object, each to be asked for by name.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    place: Place<'a>,
    members: &'a [(String, Value)],
    asked: Vec<&'a str>,
}

impl<'a> Object<'a> {
    /// The members of an object that stands at `pointer` of the whole document.
    ///
    /// # Errors
    ///
    /// [`Error`] when the value is not an object.
    pub fn new(value: &'a Value, pointer: &str) -> Result<Self, Error> {
        Place::new(value, pointer).object()
    }

    /// The object itself.
    #[must_use]
    pub const fn place(&self) -> &Place<'a> {
        &self.place
    }

    /// A member that must be there.
    ///
    /// # Errors
    ///
    /// [`Error`] at the member's place when it is not.
    pub fn required(&mut self, name: &str) -> Result<Place<'a>, Error> {
        self.optional(name).ok_or_else(|| {
            let mut pointer = self.place.pointer();
            push_name(&mut pointer, name);
            Error {
                pointer,
                what: "this member, which is missing",
            }
        })
    }

    /// A member that may be there; `null` is a value like any other.
    pub fn optional(&mut self, name: &str) -> Option<Place<'a>> {
        let (name, value) = self.members.iter().find(|(key, _)| key == name)?;
        self.asked.push(name);
        Some(self.member(name, value))
    }

    /// Every member, for objects whose names are data.
    #[must_use]
    pub fn entries(self) -> Vec<(&'a str, Place<'a>)> {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), self.member(name, value)))
            .collect()
    }

    /// Ends the reading.
    ///
    /// # Errors
    ///
    /// [`Error`] at a member that was not asked for.
    pub fn finish(self) -> Result<(), Error> {
        match self
            .members
            .iter()
            .find(|(name, _)| !self.asked.contains(&name.as_str()))
        {
            Some((name, value)) => Err(self.member(name, value).error("no such member")),
            None => Ok(()),
        }
    }

    fn member(&self, name: &'a str, value: &'a Value) -> Place<'a> {
        Place {
            value,
            path: Rc::new(Path::Name(Rc::clone(&self.place.path), name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_SHOWN_POINTER, parse};
    use super::*;

    #[test]
    fn an_unknown_member_is_refused_at_its_place() {
        let value = parse(br#"{"a":{"b":1,"x/y":2}}"#).unwrap();
        let mut root = Object::new(&value, "/doc").unwrap();
        let mut inner = root.required("a").unwrap().object().unwrap();
        assert_eq!(inner.required("b").unwrap().u64(), Ok(1));
        assert_eq!(inner.finish().unwrap_err().pointer, "/doc/a/x~1y");
        assert_eq!(root.finish(), Ok(()));
    }

    #[test]
    fn a_missing_member_is_named() {
        let value = parse(b"{}").unwrap();
        let mut root = Object::new(&value, "").unwrap();
        assert!(root.optional("a").is_none());
        assert_eq!(root.required("a").unwrap_err().pointer, "/a");
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let value = parse(br#"[-1, 1.0, "1", null, true, {}]"#).unwrap();
        for place in Place::new(&value, "").array().unwrap() {
            assert!(place.u64().is_err(), "{}", place.pointer());
        }
        Place::new(&value, "").object().unwrap_err();
        Place::new(&value, "").str().unwrap_err();
        Place::new(&value, "").bool().unwrap_err();
    }

    #[test]
    fn a_shown_pointer_is_cut() {
        let value = parse(format!("{{\"{}\":1}}", "é".repeat(1000)).as_bytes()).unwrap();
        let error = Object::new(&value, "").unwrap().finish().unwrap_err();
        assert!(error.pointer.len() <= MAX_SHOWN_POINTER);
    }
}
