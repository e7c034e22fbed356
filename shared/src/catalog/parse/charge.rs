//! Extractors: where charged amounts stand, and that nothing charged can stand anywhere else; and what one of them costs.

use crate::{
    amount::Amount,
    catalog::{BodyRule, Extractor, Media, Member, Members, Prices, Segment, Source, Times},
    codec::json::{Object, Place},
    grant::parse::limits::{amount, unit},
    owner::{Error, read},
};
use std::collections::BTreeMap;

/// Extractors of one route at most.
pub(super) const MAX_EXTRACTORS: usize = 16;
/// Prices of one table at most.
pub(super) const MAX_PRICES: usize = 256;
/// Longest text that has a price, in bytes.
pub(super) const MAX_PRICED: usize = 256;
/// Longest version of a table in bytes.
pub(super) const MAX_VERSION: usize = 64;

/// What a route lets a call carry.
pub(super) struct Surface<'a> {
    /// Empty where the path says nothing that the route leaves open.
    pub(super) path: &'a [Segment],
    pub(super) query: &'a Members,
    pub(super) headers: &'a Members,
    pub(super) body: Option<&'a BodyRule>,
}

/// The media type that the extractors need, where one does.
pub(super) fn media(place: &Place<'_>) -> Result<Option<Media>, Error> {
    for place in place.array()? {
        let from = place.object()?.required("from")?;
        match from.str()? {
            "form" => return Ok(Some(Media::Form)),
            "json" => return Ok(Some(Media::Json)),
            _ => {}
        }
    }
    Ok(None)
}

pub(super) fn extractors(
    place: &Place<'_>,
    surface: &Surface<'_>,
) -> Result<Vec<Extractor>, Error> {
    let list = read::each_once(place, MAX_EXTRACTORS, |place| extractor(place, surface))?;
    read::some(place, list)
}

fn extractor(place: &Place<'_>, surface: &Surface<'_>) -> Result<Extractor, Error> {
    let mut object = place.object()?;
    let place = object.required("unit")?;
    let unit = unit(&place)?;
    if unit.is_call() {
        return Err(Error::invalid(
            &place,
            "another unit than call, which every call costs",
        ));
    }
    let from = source(&mut object, surface)?;
    let per = factor(&mut object, "per", &from)?;
    let times = times(&mut object, &from, surface)?;
    let require = match object.optional("require") {
        Some(place) => require(&place, &from, surface)?,
        None => BTreeMap::new(),
    };
    object.finish()?;
    Ok(Extractor {
        unit,
        from,
        require,
        per,
        times,
    })
}

/// A number beside an amount that is read; a price for each call is said as it is.
fn factor(object: &mut Object<'_>, name: &str, from: &Source) -> Result<Option<Amount>, Error> {
    let Some(place) = object.optional(name) else {
        return Ok(None);
    };
    if matches!(from, Source::Const(_)) {
        return Err(Error::invalid(
            &place,
            "none beside const, whose amount is the price",
        ));
    }
    amount(&place).map(Some)
}

fn times(
    object: &mut Object<'_>,
    from: &Source,
    surface: &Surface<'_>,
) -> Result<Option<Times>, Error> {
    let times = factor(object, "times", from)?;
    match (times, object.optional("prices")) {
        (Some(_), Some(place)) => Err(Error::invalid(&place, "times or prices, not both")),
        (Some(times), None) => Ok(Some(Times::Const(times))),
        (None, Some(place)) => prices(&place, from, surface).map(|all| Some(Times::Prices(all))),
        (None, None) => Ok(None),
    }
}

fn prices(place: &Place<'_>, from: &Source, surface: &Surface<'_>) -> Result<Prices, Error> {
    let mut object = place.object()?;
    let at = object.required("field")?;
    let field = member(at.str()?, from, surface);
    if !is_listed(&field, surface) {
        let expected = "a field that the route lists exactly, in the place the amount is read from, or path.NAME of its path";
        return Err(Error::invalid(&at, expected));
    }
    let table = table(&object.required("table")?)?;
    let at = object.required("version")?;
    let expected = "1 to 64 printable characters without spaces, as 2026-11-01";
    let version = read::text(&at, expected, |text| {
        let graphic = text.bytes().all(|b| b.is_ascii_graphic());
        graphic && (1..=MAX_VERSION).contains(&text.len())
    })?;
    object.finish()?;
    Ok(Prices {
        field,
        table,
        version,
    })
}

/// Texts are in plain ASCII: people compare them with a list of prices, letter by letter.
fn table(place: &Place<'_>) -> Result<BTreeMap<String, Amount>, Error> {
    let entries = place.object()?.entries();
    if entries.is_empty() || entries.len() > MAX_PRICES {
        let expected = format!("1 to {MAX_PRICES} prices");
        return Err(Error::invalid(place, expected));
    }
    let mut table = BTreeMap::new();
    for (text, place) in entries {
        let fine = text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
        if !fine || !(1..=MAX_PRICED).contains(&text.len()) {
            let expected = "a text of 1 to 256 printable ASCII characters";
            return Err(Error::invalid(&place, expected));
        }
        table.insert(text.to_owned(), amount(&place)?);
    }
    Ok(table)
}

/// What names the price: a parameter of the path, or what stands where the amount does. A length is the body's, and a price
/// stands nowhere: beside them it is in the body where that is read, else in the query.
fn member(name: &str, from: &Source, surface: &Surface<'_>) -> Member {
    if let Some(parameter) = name.strip_prefix(Member::PATH) {
        return Member::Path(parameter.to_owned());
    }
    let name = name.to_owned();
    match (from, surface.body.map(|body| body.media)) {
        (Source::Form(_), _) => Member::Form(name),
        (Source::Header(_), _) => Member::Header(name),
        (Source::Json(_), _) => Member::Json(name),
        (Source::Query(_), _) => Member::Query(name),
        (Source::Const(_) | Source::Len, Some(Media::Form)) => Member::Form(name),
        (Source::Const(_) | Source::Len, Some(Media::Json)) => Member::Json(name),
        (Source::Const(_) | Source::Len, Some(Media::Opaque) | None) => Member::Query(name),
    }
}

fn source(object: &mut Object<'_>, surface: &Surface<'_>) -> Result<Source, Error> {
    let from = object.required("from")?;
    let word = from.str()?;
    let source = match word {
        "const" => return Ok(Source::Const(amount(&object.required("amount")?)?)),
        "len" if surface.body.is_some() => return Ok(Source::Len),
        "form" => Source::Form,
        "header" => Source::Header,
        "json" => Source::Json,
        "query" => Source::Query,
        "len" => return Err(Error::invalid(&from, "a route with a body")),
        _ => {
            return Err(Error::invalid(
                &from,
                "json, form, query, header, const or len",
            ));
        }
    };
    let place = object.required("field")?;
    let source = source(place.str()?.to_owned());
    if read_from(&source, place.str()?).is_some_and(|member| is_listed(&member, surface)) {
        Ok(source)
    } else {
        let expected = "a field that the route lists exactly, in the place it is read from";
        Err(Error::invalid(&place, expected))
    }
}

fn require(
    place: &Place<'_>,
    from: &Source,
    surface: &Surface<'_>,
) -> Result<BTreeMap<String, String>, Error> {
    let mut all = BTreeMap::new();
    for (name, place) in place.object()?.entries() {
        if !read_from(from, name).is_some_and(|member| is_listed(&member, surface)) {
            let expected = "a field that the route lists exactly, in the same place";
            return Err(Error::invalid(&place, expected));
        }
        all.insert(name.to_owned(), place.str()?.to_owned());
    }
    Ok(all)
}

/// A name in the place that a source reads; constants and lengths are read from no list.
fn read_from(source: &Source, name: &str) -> Option<Member> {
    let name = name.to_owned();
    match source {
        Source::Const(_) | Source::Len => None,
        Source::Form(_) => Some(Member::Form(name)),
        Source::Header(_) => Some(Member::Header(name)),
        Source::Json(_) => Some(Member::Json(name)),
        Source::Query(_) => Some(Member::Query(name)),
    }
}

/// Whether a route lists a member exactly.
fn is_listed(member: &Member, surface: &Surface<'_>) -> bool {
    let (members, name) = match member {
        Member::Form(name) => (members_of(surface.body, Media::Form), name),
        Member::Header(name) => (Some(surface.headers), name),
        Member::Json(name) => (members_of(surface.body, Media::Json), name),
        Member::Path(name) => {
            let parameter = Segment::Parameter(name.clone());
            return surface.path.contains(&parameter);
        }
        Member::Query(name) => (Some(surface.query), name),
    };
    match members {
        Some(Members::Listed(list)) => list.iter().any(|listed| listed == name),
        Some(Members::Any) | None => false,
    }
}

fn members_of(body: Option<&BodyRule>, media: Media) -> Option<&Members> {
    body.filter(|body| body.media == media)
        .map(|body| &body.members)
}

#[cfg(test)]
mod tests;
