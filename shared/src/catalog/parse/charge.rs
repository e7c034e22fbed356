//! Extractors: where charged amounts stand, and that nothing charged can stand anywhere else.

use crate::{
    catalog::{BodyRule, Extractor, Media, Members, Source},
    codec::json::{Object, Place},
    grant::parse::limits::{amount, unit},
    owner::{Error, read},
};
use std::collections::BTreeMap;

/// Extractors of one route at most.
pub(super) const MAX_EXTRACTORS: usize = 16;

/// What a route lets a call carry.
pub(super) struct Surface<'a> {
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
    let require = match object.optional("require") {
        Some(place) => require(&place, &from, surface)?,
        None => BTreeMap::new(),
    };
    object.finish()?;
    Ok(Extractor {
        unit,
        from,
        require,
    })
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
    if is_listed(&source, place.str()?, surface) {
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
        if !is_listed(from, name, surface) {
            let expected = "a field that the route lists exactly, in the same place";
            return Err(Error::invalid(&place, expected));
        }
        all.insert(name.to_owned(), place.str()?.to_owned());
    }
    Ok(all)
}

/// Whether a name is listed where a source reads; constants and lengths are read from no list.
fn is_listed(source: &Source, name: &str, surface: &Surface<'_>) -> bool {
    let members = match source {
        Source::Const(_) | Source::Len => None,
        Source::Form(_) => members_of(surface.body, Media::Form),
        Source::Header(_) => Some(surface.headers),
        Source::Json(_) => members_of(surface.body, Media::Json),
        Source::Query(_) => Some(surface.query),
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
