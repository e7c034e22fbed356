//! Git's commits and annotated tags as they are signed: the whole object without its signature (gitformat-signature).
//!
//! Having an [`Object`] means the bytes were headers that are known, in their one order, each person and name in one form, and a
//! message. A commit that holds a signature or another tag's text, and a tag's message that a reader could take for the
//! beginning of one, are refused. It knows no repository: whether the objects that are named exist nobody here can say.

use claviger_shared::call::ssh::{ObjectType, is_identity};
use std::str::Split;

/// Longest name of a tag.
pub const MAX_TAG: usize = 250;
/// Parents of one commit at most.
pub const MAX_PARENTS: usize = 256;
/// Lengths of object names: SHA-1 and SHA-256, in hexadecimal.
const IDS: [usize; 2] = [40, 64];
/// Encodings of which every ASCII byte means itself, by the beginnings of their names.
const ENCODINGS: [&str; 4] = ["utf-8", "iso-8859-", "windows-125", "koi8-"];
/// What begins a signature behind a tag's message, in any format that git knows.
const MARKERS: [&str; 4] = [
    "-----BEGIN SSH SIGNATURE-----",
    "-----BEGIN PGP SIGNATURE-----",
    "-----BEGIN PGP MESSAGE-----",
    "-----BEGIN SIGNED MESSAGE-----",
];

/// An object that may be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// Which.
    pub of: ObjectType,
    /// Whom it names: `author` and `committer`, or `tagger`, as `Name <mail>`.
    pub people: Vec<(&'static str, &'a str)>,
    /// The tag's own name.
    pub tag: Option<&'a str>,
}

/// Bytes that are no such object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// Reads an object's whole bytes.
///
/// # Errors
///
/// [`Unreadable`].
pub fn read(bytes: &[u8]) -> Result<Object<'_>, Unreadable> {
    let at = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, rest) = bytes
        .split_at_checked(at.ok_or(Unreadable)?)
        .ok_or(Unreadable)?;
    let message = rest.get(2..).ok_or(Unreadable)?;
    if message.contains(&0) {
        return Err(Unreadable);
    }
    let head = std::str::from_utf8(head).map_err(|_| Unreadable)?;
    if head.chars().any(|c| c.is_control() && c != '\n') {
        return Err(Unreadable);
    }
    let lines = Lines::of(head);
    if lines.next_is("tree ") {
        commit(lines, message)
    } else {
        tag(lines, message)
    }
}

/// tree, parents, author, committer, encoding.
fn commit<'a>(mut lines: Lines<'a>, message: &[u8]) -> Result<Object<'a>, Unreadable> {
    let tree = lines.required("tree ")?;
    let mut fine = is_id(tree);
    let mut parents = 0_usize;
    while let Some(parent) = lines.optional("parent ") {
        parents = parents.saturating_add(1);
        fine &= is_id(parent) && parent.len() == tree.len() && parents <= MAX_PARENTS;
    }
    let author = person(lines.required("author ")?)?;
    let committer = person(lines.required("committer ")?)?;
    let encoding = lines.optional("encoding ");
    let readable = match encoding {
        // Git takes a message without this header for UTF-8.
        None => std::str::from_utf8(message).is_ok(),
        Some(name) => is_encoding(name) && author.is_ascii() && committer.is_ascii(),
    };
    if fine && readable && lines.is_done() {
        Ok(Object {
            of: ObjectType::Commit,
            people: vec![("author", author), ("committer", committer)],
            tag: None,
        })
    } else {
        Err(Unreadable)
    }
}

/// object, type, tag, tagger.
fn tag<'a>(mut lines: Lines<'a>, message: &[u8]) -> Result<Object<'a>, Unreadable> {
    let id = lines.required("object ")?;
    let of = lines.required("type ")?;
    let name = lines.required("tag ")?;
    let tagger = person(lines.required("tagger ")?)?;
    let message = std::str::from_utf8(message).map_err(|_| Unreadable)?;
    let marked = |line: &str| MARKERS.iter().any(|marker| line.starts_with(marker));
    let fine = is_id(id)
        && matches!(of, "commit" | "tree" | "blob" | "tag")
        && is_tag(name)
        && !message.split('\n').any(marked);
    if fine && lines.is_done() {
        Ok(Object {
            of: ObjectType::Tag,
            people: vec![("tagger", tagger)],
            tag: Some(name),
        })
    } else {
        Err(Unreadable)
    }
}

/// `Name <mail> seconds +hhmm`, without the time.
fn person(text: &str) -> Result<&str, Unreadable> {
    let mut parts = text.rsplitn(3, ' ');
    let (zone, time, who) = (parts.next(), parts.next(), parts.next());
    let (Some(zone), Some(time), Some(who)) = (zone, time, who) else {
        return Err(Unreadable);
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let hours = zone.strip_prefix(['+', '-']).unwrap_or_default();
    // Written by git without leading zeros, and within 64 bits.
    let plain = time
        .parse::<u64>()
        .is_ok_and(|read| read.to_string() == time);
    if hours.len() == 4 && digits(hours) && plain && is_identity(who) {
        Ok(who)
    } else {
        Err(Unreadable)
    }
}

fn is_id(text: &str) -> bool {
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    IDS.contains(&text.len()) && text.bytes().all(hex)
}

fn is_encoding(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let known = ENCODINGS.iter().any(|start| lower.starts_with(start));
    known && text.len() <= 32 && text.bytes().all(fine)
}

/// As `git check-ref-format` has it, one branch of names narrower: ASCII alone.
fn is_tag(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_graphic() && !b"~^:?*[\\\"'".contains(&b);
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.ends_with(".lock")
            && !part.ends_with('.')
    };
    let twins = ["..", "@{"].iter().any(|twin| text.contains(twin));
    text.len() <= MAX_TAG
        && !text.starts_with('-')
        && text != "@"
        && !twins
        && text.bytes().all(fine)
        && text.split('/').all(part)
}

/// Header lines, taken one after the other.
struct Lines<'a> {
    next: Option<&'a str>,
    rest: Split<'a, char>,
}

impl<'a> Lines<'a> {
    fn of(head: &'a str) -> Self {
        let mut rest = head.split('\n');
        Self {
            next: rest.next(),
            rest,
        }
    }

    fn next_is(&self, name: &str) -> bool {
        self.next.is_some_and(|line| line.starts_with(name))
    }

    /// The value of the next line, if it has this name; else the line stays.
    fn optional(&mut self, name: &str) -> Option<&'a str> {
        let value = self.next?.strip_prefix(name)?;
        self.next = self.rest.next();
        Some(value)
    }

    fn required(&mut self, name: &str) -> Result<&'a str, Unreadable> {
        self.optional(name).ok_or(Unreadable)
    }

    const fn is_done(&self) -> bool {
        self.next.is_none()
    }
}

#[cfg(test)]
pub(super) mod tests;
