//! Reading a value out of bytes that were scanned: definite, shallow, without tags and floats.
//!
//! What it takes is written again and compared by [`super::decode`]: a reader that gives back what the writer wrote can
//! neither let a second form of a value in nor take one for another. It names no place and no reason.

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
        Visitor, value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use std::fmt::Display;

/// A value of another shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cbor has the wrong shape")]
pub(super) struct Shape;

impl serde::de::Error for Shape {
    fn custom<T: Display>(_message: T) -> Self {
        Self
    }
}

/// Reads the one value that the bytes are.
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Shape> {
    let mut bytes = Bytes(bytes);
    let value = T::deserialize(&mut bytes)?;
    if bytes.0.is_empty() {
        Ok(value)
    } else {
        Err(Shape)
    }
}

/// What is left to read.
struct Bytes<'de>(&'de [u8]);

/// An item's head.
struct Head {
    major: u8,
    argument: u64,
}

const NULL: u8 = 0xf6;
const ONE_MEMBER: u8 = 0xa1;

impl<'de> Bytes<'de> {
    fn head(&mut self) -> Result<Head, Shape> {
        let (&first, rest) = self.0.split_first().ok_or(Shape)?;
        self.0 = rest;
        let argument = super::argument(first & 0x1f, &mut self.0).map_err(|_| Shape)?;
        Ok(Head {
            major: first >> 5,
            argument,
        })
    }

    fn take(&mut self, len: u64) -> Result<&'de [u8], Shape> {
        let len = usize::try_from(len).map_err(|_| Shape)?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Shape)?;
        self.0 = rest;
        Ok(taken)
    }

    fn text(&mut self, len: u64) -> Result<&'de str, Shape> {
        std::str::from_utf8(self.take(len)?).map_err(|_| Shape)
    }

    fn items<T>(
        &mut self,
        count: u64,
        visit: impl FnOnce(&mut Items<'_, 'de>) -> Result<T, Shape>,
    ) -> Result<T, Shape> {
        let left = usize::try_from(count).map_err(|_| Shape)?;
        let mut items = Items { bytes: self, left };
        let value = visit(&mut items)?;
        if items.left == 0 {
            Ok(value)
        } else {
            Err(Shape)
        }
    }
}

impl<'de> Deserializer<'de> for &mut Bytes<'de> {
    type Error = Shape;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Shape> {
        let Head { major, argument } = self.head()?;
        match (major, argument) {
            (0, number) => visitor.visit_u64(number),
            (1, number) => match i64::try_from(number) {
                Ok(number) => visitor.visit_i64(!number),
                Err(_) => visitor.visit_i128(!i128::from(number)),
            },
            (2, len) => visitor.visit_borrowed_bytes(self.take(len)?),
            (3, len) => visitor.visit_borrowed_str(self.text(len)?),
            (4, count) => self.items(count, |items| visitor.visit_seq(items)),
            (5, count) => self.items(count, |items| visitor.visit_map(items)),
            (7, 20) => visitor.visit_bool(false),
            (7, 21) => visitor.visit_bool(true),
            (7, 22) => visitor.visit_unit(),
            _ => Err(Shape),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Shape> {
        match self.0.split_first() {
            Some((&NULL, rest)) => {
                self.0 = rest;
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Shape> {
        visitor.visit_newtype_struct(self)
    }

    /// Names of members and variants: whether they are text shows when they are compared.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Shape> {
        match self.head()? {
            Head { major: 3, argument } => visitor.visit_borrowed_bytes(self.take(argument)?),
            Head { .. } => Err(Shape),
        }
    }

    /// A name alone, or one member of that name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Shape> {
        if let Some((&ONE_MEMBER, rest)) = self.0.split_first() {
            self.0 = rest;
            return visitor.visit_enum(Member(self));
        }
        match self.head()? {
            Head { major: 3, argument } => {
                let name = self.text(argument)?;
                visitor.visit_enum(BorrowedStrDeserializer::new(name))
            }
            Head { .. } => Err(Shape),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct ignored_any
    }
}

/// The elements of a list, or the members of a map.
struct Items<'a, 'de> {
    bytes: &'a mut Bytes<'de>,
    left: usize,
}

impl Items<'_, '_> {
    const fn next(&mut self) -> bool {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Shape;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Shape> {
        if self.next() {
            seed.deserialize(&mut *self.bytes).map(Some)
        } else {
            Ok(None)
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Items<'_, 'de> {
    type Error = Shape;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Shape> {
        if self.next() {
            seed.deserialize(&mut *self.bytes).map(Some)
        } else {
            Ok(None)
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Shape> {
        seed.deserialize(&mut *self.bytes)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The one member of a map that says a variant and what it holds.
struct Member<'a, 'de>(&'a mut Bytes<'de>);

impl<'de> EnumAccess<'de> for Member<'_, 'de> {
    type Error = Shape;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Shape> {
        let variant = seed.deserialize(&mut *self.0)?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Member<'_, 'de> {
    type Error = Shape;

    fn unit_variant(self) -> Result<(), Shape> {
        // Written as a name alone.
        Err(Shape::custom(""))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Shape> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Shape> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Shape> {
        self.0.deserialize_any(visitor)
    }
}
