//! Writing a value in its one form: shortest heads, definite lengths, members in the order of their type, variants by name.
//!
//! What has no such form is refused: floats, numbers beyond 64 bits, lists and maps that do not say their length. It knows
//! neither limits nor meanings, and does not sort: a type's members come as the type has them.

use super::de::Shape;
use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};
use std::fmt::{self, Display, Write};

const BYTES: u8 = 2;
const TEXT: u8 = 3;
const LIST: u8 = 4;
const MAP: u8 = 5;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
/// Bytes of a text that is written from its parts without memory of its own: an amount has 39.
const SHORT: usize = 64;

/// Where the bytes go.
pub(super) trait Sink {
    /// Takes them, or says that they are not wanted.
    fn put(&mut self, bytes: &[u8]) -> Result<(), Shape>;
    /// One of them.
    fn put_one(&mut self, byte: u8) -> Result<(), Shape>;
}

impl Sink for Vec<u8> {
    #[inline]
    fn put_one(&mut self, byte: u8) -> Result<(), Shape> {
        self.push(byte);
        Ok(())
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Shape> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

impl serde::ser::Error for Shape {
    fn custom<T: Display>(_message: T) -> Self {
        Self
    }
}

/// Writes one value.
pub(super) fn write<T: Serialize + ?Sized>(value: &T, out: &mut impl Sink) -> Result<(), Shape> {
    value.serialize(&mut Writer(out))
}

struct Writer<'a, S>(&'a mut S);

impl<S: Sink> Writer<'_, S> {
    /// RFC 8949 §3, in the shortest form (§4.2.1). Most are one byte.
    #[inline]
    fn head(&mut self, major: u8, argument: u64) -> Result<(), Shape> {
        match u8::try_from(argument) {
            Ok(argument @ 0..=23) => self.0.put_one(major << 5 | argument),
            Ok(_) | Err(_) => self.long_head(major << 5, argument),
        }
    }

    fn long_head(&mut self, major: u8, argument: u64) -> Result<(), Shape> {
        let [a, b, c, d, e, f, g, h] = argument.to_be_bytes();
        match argument {
            0..=0xff => self.0.put(&[major | 24, h]),
            0x100..=0xffff => self.0.put(&[major | 25, g, h]),
            0x1_0000..=0xffff_ffff => self.0.put(&[major | 26, e, f, g, h]),
            _ => self.0.put(&[major | 27, a, b, c, d, e, f, g, h]),
        }
    }

    fn length(&mut self, major: u8, length: usize) -> Result<(), Shape> {
        self.head(major, u64::try_from(length).map_err(|_| Shape)?)
    }

    /// A string of bytes or of text: its length, and itself.
    fn string(&mut self, major: u8, bytes: &[u8]) -> Result<(), Shape> {
        self.length(major, bytes.len())?;
        self.0.put(bytes)
    }

    /// A map of one member, which is a variant's name.
    fn variant(&mut self, name: &str) -> Result<(), Shape> {
        self.head(MAP, 1)?;
        self.string(TEXT, name.as_bytes())
    }
}

impl<S: Sink> Serializer for &mut Writer<'_, S> {
    type Ok = ();
    type Error = Shape;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, value: bool) -> Result<(), Shape> {
        self.0.put_one(if value { TRUE } else { FALSE })
    }

    fn serialize_i8(self, value: i8) -> Result<(), Shape> {
        self.serialize_i64(value.into())
    }

    fn serialize_i16(self, value: i16) -> Result<(), Shape> {
        self.serialize_i64(value.into())
    }

    fn serialize_i32(self, value: i32) -> Result<(), Shape> {
        self.serialize_i64(value.into())
    }

    fn serialize_i64(self, value: i64) -> Result<(), Shape> {
        // Of a negative number n the argument is -1 - n, which is every bit of it turned.
        match u64::try_from(value) {
            Ok(value) => self.head(0, value),
            Err(_) => self.head(1, (!value).cast_unsigned()),
        }
    }

    fn serialize_i128(self, value: i128) -> Result<(), Shape> {
        match u64::try_from(value) {
            Ok(value) => self.head(0, value),
            Err(_) => self.head(1, u64::try_from(!value).map_err(|_| Shape)?),
        }
    }

    fn serialize_u8(self, value: u8) -> Result<(), Shape> {
        self.head(0, value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Shape> {
        self.head(0, value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Shape> {
        self.head(0, value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Shape> {
        self.head(0, value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), Shape> {
        self.head(0, u64::try_from(value).map_err(|_| Shape)?)
    }

    fn serialize_f32(self, _value: f32) -> Result<(), Shape> {
        Err(Shape)
    }

    fn serialize_f64(self, _value: f64) -> Result<(), Shape> {
        Err(Shape)
    }

    fn serialize_char(self, value: char) -> Result<(), Shape> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Shape> {
        self.string(TEXT, value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Shape> {
        self.string(BYTES, value)
    }

    fn serialize_none(self) -> Result<(), Shape> {
        self.0.put_one(NULL)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Shape> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Shape> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Shape> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Shape> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Shape> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Shape> {
        self.variant(variant)?;
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Shape> {
        self.length(LIST, length.ok_or(Shape)?)?;
        Ok(self)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, Shape> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _name: &'static str, length: usize) -> Result<Self, Shape> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Shape> {
        self.variant(variant)?;
        self.serialize_seq(Some(length))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Shape> {
        self.length(MAP, length.ok_or(Shape)?)?;
        Ok(self)
    }

    fn serialize_struct(self, _name: &'static str, length: usize) -> Result<Self, Shape> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self, Shape> {
        self.variant(variant)?;
        self.serialize_map(Some(length))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), Shape> {
        let mut text = Text::default();
        write!(text, "{value}").map_err(|_| Shape)?;
        self.string(TEXT, text.bytes())
    }
}

/// A text whose length is known only when all of it was shown.
struct Text {
    short: [u8; SHORT],
    length: usize,
    /// All of it, once it is longer.
    long: Vec<u8>,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            short: [0; SHORT],
            length: 0,
            long: Vec::new(),
        }
    }
}

impl Text {
    fn bytes(&self) -> &[u8] {
        if self.long.is_empty() {
            self.short.get(..self.length).unwrap_or_default()
        } else {
            &self.long
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let end = self.length.saturating_add(part.len());
        match self.short.get_mut(self.length..end) {
            Some(room) if self.long.is_empty() => {
                room.copy_from_slice(part.as_bytes());
                self.length = end;
            }
            Some(_) | None => {
                if self.long.is_empty() {
                    self.long
                        .extend(self.short.get(..self.length).unwrap_or_default());
                }
                self.long.extend_from_slice(part.as_bytes());
            }
        }
        Ok(())
    }
}

/// What has elements one after the other.
macro_rules! elements {
    ($($name:ident :: $put:ident),*) => { $(
        impl<S: Sink> $name for &mut Writer<'_, S> {
            type Ok = ();
            type Error = Shape;

            fn $put<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Shape> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Shape> {
                Ok(())
            }
        }
    )* };
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

/// What has members, each under the name that its type gives it.
macro_rules! members {
    ($($name:ident),*) => { $(
        impl<S: Sink> $name for &mut Writer<'_, S> {
            type Ok = ();
            type Error = Shape;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Shape> {
                self.string(TEXT, name.as_bytes())?;
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Shape> {
                Ok(())
            }
        }
    )* };
}

members!(SerializeStruct, SerializeStructVariant);

impl<S: Sink> SerializeMap for &mut Writer<'_, S> {
    type Ok = ();
    type Error = Shape;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Shape> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Shape> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Shape> {
        Ok(())
    }
}
