//! From text to tree: a serde visitor over `serde_json`, which checks grammar and text; limits and duplicates are ours.
//!
//! The first fault of ours is kept with its place; a fault of the grammar has none. No text of the library's own errors
//! leaves this file.

use super::{Error, MAX_DEPTH, MAX_SHOWN_POINTER, MAX_VALUES, Value, push_index, push_name};
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use std::{cell::RefCell, fmt};

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let run = RefCell::new(Run {
        fault: None,
        left: MAX_VALUES,
    });
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed {
        run: &run,
        path: Path::Root,
        depth: 0,
    };
    let value = seed
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    let fault = run.into_inner().fault;
    value.map_err(|_| {
        fault.unwrap_or_else(|| Error {
            pointer: String::new(),
            what: "one strict JSON document",
        })
    })
}

/// Cuts a pointer for show.
pub(super) fn shown(mut pointer: String) -> String {
    if pointer.len() > MAX_SHOWN_POINTER {
        let end = (0..=MAX_SHOWN_POINTER)
            .rev()
            .find(|at| pointer.is_char_boundary(*at))
            .unwrap_or(0);
        pointer.truncate(end);
    }
    pointer
}

struct Run {
    fault: Option<Error>,
    left: usize,
}

/// Where the visitor is: a list on the stack, written out only for an error.
#[derive(Clone, Copy)]
enum Path<'a> {
    Index(&'a Self, usize),
    Name(&'a Self, &'a str),
    Root,
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
            Self::Root => {}
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    run: &'a RefCell<Run>,
    path: Path<'a>,
    depth: usize,
}

impl Seed<'_> {
    fn fail<E: de::Error>(&self, what: &'static str) -> E {
        let mut pointer = String::new();
        self.path.write(&mut pointer);
        self.run.borrow_mut().fault = Some(Error {
            pointer: shown(pointer),
            what,
        });
        E::custom(what)
    }

    /// Counts this value.
    fn count<E: de::Error>(&self) -> Result<(), E> {
        let left = self.run.borrow().left.checked_sub(1);
        let Some(left) = left else {
            return Err(self.fail("at most 65536 values"));
        };
        self.run.borrow_mut().left = left;
        Ok(())
    }

    /// Depth of what stands inside this container.
    fn inside<E: de::Error>(&self) -> Result<usize, E> {
        let depth = self.depth.saturating_add(1);
        if depth > MAX_DEPTH {
            Err(self.fail("nesting of at most 32"))
        } else {
            Ok(depth)
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::NotInteger)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.inside()?;
        let mut elements = Vec::new();
        loop {
            let seed = Seed {
                run: self.run,
                path: Path::Index(&self.path, elements.len()),
                depth,
            };
            let Some(element) = access.next_element_seed(seed)? else {
                break;
            };
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let depth = self.inside()?;
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = access.next_key::<String>()? {
            let seed = Seed {
                run: self.run,
                path: Path::Name(&self.path, &name),
                depth,
            };
            let member = access.next_value_seed(seed)?;
            members.push((name, member));
        }
        if let Some(name) = duplicate(&members) {
            return Err(Seed {
                run: self.run,
                path: Path::Name(&self.path, name),
                depth,
            }
            .fail("each member once"));
        }
        Ok(Value::Object(members))
    }
}

/// A name that stands twice. Sorted, so that many members cost no more than their order.
fn duplicate(members: &[(String, Value)]) -> Option<&str> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find_map(|pair| match pair {
        [a, b] if a == b => Some(*a),
        _ => None,
    })
}
