//! Routes with templates: read, and refused where a byte that matters would go unsigned.
//!
//! What a scheme does not sign must be stated, and can only be what the route fixes to one value: the method of a route of
//! one method, a path without parameters, no query, no body.

use super::http;
use crate::{
    call::http::{is_header_name, is_refused_header, query_name},
    catalog::{
        HttpRoute, Media, Members, Segment, TemplateRoute,
        template::{
            Encoding, Hash, Insert, MAX_WINDOW_S, Part, Piece, Slot, Spelling, Text, Uncovered,
        },
    },
    codec::json::{Object, Place, Value},
    owner::{
        Error,
        command::{Alg, MAX_KEY_ID},
        read,
    },
};

/// Parts, inserts or additions of one route at most.
const MAX_PARTS: usize = 16;
const TEXT: &str = "1 to 512 printable characters with placeholders of the closed set";
/// Fields of the signature itself, which a caller may not bring and a template may write.
const WRITTEN: [&str; 3] = ["content-digest", "digest", "signature"];
/// What describes the body is the caller's.
const CONTENT: &str = "content-";

pub(super) fn route(object: &mut Object<'_>) -> Result<TemplateRoute, Error> {
    let http = http::route(object)?;
    let alg = alg(&object.required("alg")?)?;
    let key_id = match object.optional("key_id") {
        Some(place) => Some(key_id(&place)?),
        None => None,
    };
    let (insert_query, insert_body) = match object.optional("insert") {
        Some(place) => inserts(&place, &http)?,
        None => (Vec::new(), Vec::new()),
    };
    let sign = signed(&object.required("sign")?, &http)?;
    let signature = encoding(&object.required("signature")?)?;
    let protected = match object.optional("protected") {
        Some(place) => protected(&place, signature)?,
        None => Vec::new(),
    };
    let (add_headers, add_query) = additions(&object.required("add")?, &http, &insert_query)?;
    let window = object.required("window_s")?;
    let window_s = window.u64()?;
    if !(1..=MAX_WINDOW_S).contains(&window_s) {
        return Err(Error::invalid(&window, "1 to 300 seconds"));
    }
    let route = TemplateRoute {
        http,
        alg,
        key_id,
        insert_query,
        insert_body,
        sign,
        signature,
        protected,
        add_headers,
        add_query,
        window_s,
        single_use: read::flag(object, "single_use")?,
        undated: read::flag(object, "undated")?,
        uncovered: match object.optional("uncovered") {
            Some(place) => read::each_once(&place, MAX_PARTS, uncovered)?,
            None => Vec::new(),
        },
    };
    check_coverage(&route, object)?;
    check_made(&route, object)?;
    check_charges(&route, object)?;
    Ok(route)
}

fn alg(place: &Place<'_>) -> Result<Alg, Error> {
    match place.str()? {
        "hs256" => Ok(Alg::Hs256),
        "hs512" => Ok(Alg::Hs512),
        "ed25519" => Ok(Alg::Ed25519),
        "p256" => Ok(Alg::P256),
        "p521" => Ok(Alg::P521),
        "rs256" => Ok(Alg::Rs256),
        _ => Err(Error::unsupported(
            place,
            "\"hs256\", \"hs512\", \"ed25519\", \"p256\", \"p521\" or \"rs256\"",
        )),
    }
}

fn key_id(place: &Place<'_>) -> Result<String, Error> {
    read::text(
        place,
        "1 to 128 printable characters without spaces",
        |text| {
            let graphic = text.bytes().all(|b| b.is_ascii_graphic());
            graphic && (1..=MAX_KEY_ID).contains(&text.len())
        },
    )
}

fn text(place: &Place<'_>, rule: impl Fn(&Slot) -> bool) -> Result<Text, Error> {
    let text = Text::parse(place.str()?).ok_or_else(|| Error::invalid(place, TEXT))?;
    let refused = text.slots().find(|slot| !rule(slot)).cloned();
    match refused {
        None => Ok(text),
        Some(slot) => Err(Error::invalid(
            place,
            format!("no {slot}, which cannot stand here"),
        )),
    }
}

/// Members that the enclave writes into query and form; the caller's lists have none of these names.
fn inserts(place: &Place<'_>, http: &HttpRoute) -> Result<(Vec<Insert>, Vec<Insert>), Error> {
    let mut object = place.object()?;
    let form = http.body.as_ref();
    let form = form.filter(|body| body.media == Media::Form);
    let query = match object.optional("query") {
        Some(place) => members(&place, Some(&http.query))?,
        None => Vec::new(),
    };
    let body = match object.optional("body") {
        Some(place) => members(&place, form.map(|body| &body.members))?,
        None => Vec::new(),
    };
    object.finish()?;
    Ok((query, body))
}

fn members(place: &Place<'_>, listed: Option<&Members>) -> Result<Vec<Insert>, Error> {
    let Some(Members::Listed(listed)) = listed else {
        let expected = "a query or a form whose members are listed";
        return Err(Error::invalid(place, expected));
    };
    let mut seen = Vec::new();
    let list = read::each(place, MAX_PARTS, |place| {
        let mut object = place.object()?;
        let at = object.required("name")?;
        let name = own_name(&at, listed, &mut seen)?;
        let at = object.required("value")?;
        let value = text(&at, |slot| slot.is_made() && *slot != Slot::IdempotencyKey)?;
        let unreserved = |text: &str| text.bytes().all(is_unreserved);
        let fine = value.pieces().iter().all(|piece| match piece {
            Piece::Literal(text) => unreserved(text),
            Piece::Slot(slot) => *slot != Slot::Iso,
        });
        if !fine {
            return Err(Error::invalid(&at, "unreserved characters alone"));
        }
        let first = read::flag(&mut object, "first")?;
        object.finish()?;
        Ok(Insert { name, value, first })
    })?;
    read::some(place, list)
}

/// A name that is sent as written, once, and that no caller may bring.
fn own_name(place: &Place<'_>, listed: &[String], seen: &mut Vec<String>) -> Result<String, Error> {
    let name = read::text(place, "a name of unreserved characters", |text| {
        text.bytes().all(is_unreserved) && query_name(text).is_some() && text.len() <= 64
    })?;
    if listed.contains(&name) || seen.contains(&name) {
        return Err(Error::invalid(
            place,
            "a name that stands nowhere else, as only the enclave writes it",
        ));
    }
    seen.push(name.clone());
    Ok(name)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// One text, or a list of texts and hashes of texts.
fn signed(place: &Place<'_>, http: &HttpRoute) -> Result<Vec<Part>, Error> {
    let opaque = http
        .body
        .as_ref()
        .is_some_and(|body| body.media == Media::Opaque);
    let signed = |place: &Place<'_>| {
        let text = text(place, |slot| {
            let brought = |name| is_listed(http, name);
            slot.header().is_none_or(brought) && *slot != Slot::Signature
        })?;
        unambiguous(place, &text, opaque)?;
        Ok(text)
    };
    if matches!(place.value(), Value::String(_)) {
        return Ok(vec![Part::Text(signed(place)?)]);
    }
    let parts = read::each(place, MAX_PARTS, |place| {
        if matches!(place.value(), Value::String(_)) {
            return signed(place).map(Part::Text);
        }
        let mut object = place.object()?;
        let (hash, at) = match (object.optional("sha256"), object.optional("sha512")) {
            (Some(at), None) => (Hash::Sha256, at),
            (None, Some(at)) => (Hash::Sha512, at),
            (Some(_), Some(at)) => return Err(Error::invalid(&at, "one hash")),
            (None, None) => return Err(Error::invalid(place, "sha256 or sha512 of a text")),
        };
        let spelling = match object.optional("as") {
            Some(place) => spelling(&place)?,
            None => Spelling::Raw,
        };
        let text = signed(&at)?;
        object.finish()?;
        Ok(Part::Hash(hash, spelling, text))
    })?;
    let mut texts = parts.windows(2);
    let joined = texts.any(|pair| match pair {
        [Part::Text(a), Part::Text(b)] => is_joined(a.pieces().last(), b.pieces().first(), opaque),
        _ => false,
    });
    if joined {
        return Err(Error::invalid(place, SEPARATOR));
    }
    read::some(place, parts)
}

fn spelling(place: &Place<'_>) -> Result<Spelling, Error> {
    match place.str()? {
        "raw" => Ok(Spelling::Raw),
        "hex" => Ok(Spelling::Hex),
        "base64" => Ok(Spelling::Base64),
        _ => Err(Error::invalid(place, "\"raw\", \"hex\" or \"base64\"")),
    }
}

const SEPARATOR: &str = "something between two parts that the caller chooses: bytes of one could be read as the other's";

/// Whether no byte could pass from one part to the next.
fn unambiguous(place: &Place<'_>, text: &Text, opaque: bool) -> Result<(), Error> {
    let mut pairs = text.pieces().windows(2);
    let joined = pairs.any(|pair| is_joined(pair.first(), pair.last(), opaque));
    if joined {
        Err(Error::invalid(place, SEPARATOR))
    } else {
        Ok(())
    }
}

/// Two free parts side by side. A form or JSON after a path or query is let pass: the services that sign so are many, and
/// neither begins with a byte that ends a path (docs/spec/credential-template.md).
fn is_joined(a: Option<&Piece>, b: Option<&Piece>, opaque: bool) -> bool {
    match (a, b) {
        (Some(Piece::Slot(a)), Some(Piece::Slot(Slot::Body))) if a.is_free() => {
            opaque || matches!(a, Slot::Header(_))
        }
        (Some(Piece::Slot(a)), Some(Piece::Slot(b))) => a.is_free() && b.is_free(),
        _ => false,
    }
}

/// Whether a caller may bring a header field.
fn is_listed(http: &HttpRoute, name: &str) -> bool {
    let listed = match &http.headers {
        Members::Listed(list) => list.iter().any(|listed| listed == name),
        Members::Any => false,
    };
    listed || (name == "content-type" && http.body.is_some())
}

fn encoding(place: &Place<'_>) -> Result<Encoding, Error> {
    match place.str()? {
        "hex" => Ok(Encoding::Hex),
        "base64" => Ok(Encoding::Base64),
        "base64url" => Ok(Encoding::Base64url),
        "jws" => Ok(Encoding::Jws),
        _ => Err(Error::invalid(
            place,
            "\"hex\", \"base64\", \"base64url\" or \"jws\"",
        )),
    }
}

fn protected(place: &Place<'_>, signature: Encoding) -> Result<Vec<(String, Text)>, Error> {
    if signature != Encoding::Jws {
        return Err(Error::invalid(place, "no such member, except of a jws"));
    }
    let mut all = Vec::new();
    for (name, place) in place.object()?.entries() {
        // `crit` and `b64` change what is signed (RFC 7797).
        let fine = !matches!(name, "alg" | "crit" | "b64") && !name.is_empty();
        if !fine || name.len() > 64 || all.len() >= MAX_PARTS {
            let expected = "a few members other than alg, crit and b64";
            return Err(Error::invalid(&place, expected));
        }
        let value = text(&place, |slot| slot.is_made() || *slot == Slot::KeyId)?;
        all.push((name.to_owned(), value));
    }
    Ok(all)
}

type Additions = (Vec<(String, Text)>, Vec<(String, Text)>);

fn additions(place: &Place<'_>, http: &HttpRoute, inserted: &[Insert]) -> Result<Additions, Error> {
    let mut object = place.object()?;
    let may_stand = |slot: &Slot| {
        let said = matches!(slot, Slot::KeyId | Slot::Signature | Slot::BodyHash(..));
        slot.is_made() || said
    };
    let mut headers = Vec::new();
    if let Some(place) = object.optional("headers") {
        for (name, place) in place.object()?.entries() {
            let refused = is_refused_header(name) && !WRITTEN.contains(&name);
            let content = name.starts_with(CONTENT) && !WRITTEN.contains(&name);
            let own = is_header_name(name) && !refused && !content && !is_listed(http, name);
            if !own || headers.len() >= MAX_PARTS {
                let expected = "header fields in lower case that no caller brings";
                return Err(Error::invalid(&place, expected));
            }
            let value = text(&place, may_stand)?;
            let line = value.pieces().iter().all(|piece| match piece {
                Piece::Literal(text) => !text.contains('\n'),
                Piece::Slot(slot) => *slot != Slot::BodyHash(Hash::Sha256, Spelling::Raw),
            });
            if !line || value.to_string().trim() != value.to_string() {
                return Err(Error::invalid(&place, "one line, without spaces around it"));
            }
            headers.push((name.to_owned(), value));
        }
    }
    let mut query = Vec::new();
    if let Some(place) = object.optional("query") {
        let Members::Listed(listed) = &http.query else {
            return Err(Error::invalid(&place, "a query whose members are listed"));
        };
        for (name, place) in place.object()?.entries() {
            let fine = name.bytes().all(is_unreserved) && !name.is_empty() && name.len() <= 64;
            let taken = listed.iter().any(|own| own == name);
            let taken = taken || inserted.iter().any(|insert| insert.name == name);
            if !fine || taken || query.len() >= MAX_PARTS {
                return Err(Error::invalid(
                    &place,
                    "a name of unreserved characters that stands nowhere else, as only the enclave writes it",
                ));
            }
            query.push((name.to_owned(), text(&place, may_stand)?));
        }
    }
    let texts = headers.iter().chain(&query).map(|(_, text)| text);
    let signatures = texts.flat_map(Text::slots);
    if signatures.filter(|slot| **slot == Slot::Signature).count() != 1 {
        return Err(Error::invalid(place, "{signature} once"));
    }
    object.finish()?;
    Ok((headers, query))
}

fn uncovered(place: &Place<'_>) -> Result<Uncovered, Error> {
    let word = place.str()?;
    let mut all = Uncovered::ALL.into_iter();
    all.find(|(_, known)| *known == word)
        .map(|(part, _)| part)
        .ok_or_else(|| {
            let expected = "host, method, path, query, body or content-type";
            Error::invalid(place, expected)
        })
}

/// Whether everything that is sent is signed, or fixed by the route and said not to be.
fn check_coverage(route: &TemplateRoute, object: &mut Object<'_>) -> Result<(), Error> {
    let sign = object.required("sign")?;
    let http = &route.http;
    let slots: Vec<&Slot> = route
        .sign
        .iter()
        .flat_map(|part| part.text().slots())
        .collect();
    let has = |wanted: &[Slot]| slots.iter().any(|slot| wanted.contains(slot));
    let hashed = |slot: &&&Slot| matches!(slot, Slot::Body | Slot::BodyHash(..));
    let no_query = http.query == Members::Listed(Vec::new()) && route.insert_query.is_empty();
    let literal = |part: &Segment| matches!(part, Segment::Literal(_));
    let media = http.body.as_ref().map(|body| body.media);
    let parts = [
        (Uncovered::Host, has(&[Slot::Host]), true),
        (
            Uncovered::Method,
            has(&[Slot::Method]),
            http.methods.len() == 1,
        ),
        (
            Uncovered::Path,
            has(&[Slot::Path, Slot::Target]),
            http.path.iter().all(literal),
        ),
        (
            Uncovered::Query,
            has(&[Slot::Query, Slot::Target]),
            no_query,
        ),
        (
            Uncovered::Body,
            slots.iter().find(hashed).is_some(),
            media.is_none(),
        ),
        (
            Uncovered::ContentType,
            media.is_none() || has(&[Slot::Header("content-type".to_owned())]),
            media != Some(Media::Opaque),
        ),
    ];
    for (part, covered, fixed) in parts {
        let (word, stated) = (part.word(), route.uncovered.contains(&part));
        let expected = match (covered, stated, fixed) {
            (true, false, _) | (false, true, true) => continue,
            (true, true, _) => format!("{word} not in uncovered, as it is signed"),
            (false, _, false) => format!("{word} in it: this route does not fix it to one value"),
            (false, false, true) => format!("{word} in it, or in uncovered"),
        };
        return Err(Error::invalid(&sign, expected));
    }
    let Members::Listed(headers) = &http.headers else {
        return Err(Error::invalid(
            &sign,
            "headers listed, and each of them in it",
        ));
    };
    let unsigned = headers
        .iter()
        .find(|name| !has(&[Slot::Header((*name).clone())]));
    match unsigned {
        None => Ok(()),
        Some(name) => Err(Error::invalid(&sign, format!("{{header:{name}}} in it"))),
    }
}

/// Whether every time and nonce is both signed and sent, and there is a time.
fn check_made(route: &TemplateRoute, object: &mut Object<'_>) -> Result<(), Error> {
    let sign = object.required("sign")?;
    let signed: Vec<&Slot> = route.signed_slots().collect();
    let inserts = route.insert_query.iter().chain(&route.insert_body);
    let added = route.add_headers.iter().chain(&route.add_query);
    let sent = added.chain(&route.protected).map(|(_, text)| text);
    let sent: Vec<&Slot> = sent
        .chain(inserts.map(|insert| &insert.value))
        .flat_map(Text::slots)
        .collect();
    let made = |slot: &&&Slot| slot.is_made();
    if let Some(slot) = sent.iter().filter(made).find(|slot| !signed.contains(slot)) {
        return Err(Error::invalid(
            &sign,
            format!("{slot} in it, as it is sent"),
        ));
    }
    if let Some(slot) = signed.iter().filter(made).find(|slot| !sent.contains(slot)) {
        let place = object.required("add")?;
        return Err(Error::invalid(
            &place,
            format!("{slot} in it, as it is signed"),
        ));
    }
    let dated = signed.iter().any(|slot| slot.is_time());
    let once = signed
        .iter()
        .any(|slot| slot.is_nonce() || **slot == Slot::IdempotencyKey);
    if dated == route.undated {
        let expected = "a time, or \"undated\": true where there is none";
        return Err(Error::invalid(&sign, expected));
    }
    if route.undated && !once {
        let expected = "a nonce or {idempotency_key}: what has no time can be sent for ever";
        return Err(Error::invalid(&sign, expected));
    }
    Ok(())
}

/// Whether what is charged is single use, or said not to be.
fn check_charges(route: &TemplateRoute, object: &mut Object<'_>) -> Result<(), Error> {
    if route.single_use && !route.signed_slots().any(Slot::is_nonce) {
        let place = object.required("single_use")?;
        return Err(Error::invalid(&place, "a nonce that is signed"));
    }
    let once = route.single_use || route.is_bound();
    if once && route.http.replayable {
        let place = object.required("replayable")?;
        let expected = "false: what is signed is taken once only";
        return Err(Error::invalid(&place, expected));
    }
    if route.http.charge.is_empty() || once || route.http.replayable {
        return Ok(());
    }
    let place = object.required("charge")?;
    Err(Error::invalid(
        &place,
        "\"single_use\": true, {idempotency_key} signed and sent, or \"replayable\": true beside it",
    ))
}

#[cfg(test)]
mod tests;
