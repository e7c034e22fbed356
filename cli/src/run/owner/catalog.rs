//! The catalog's verbs: shown, compared, linted, set.

use super::{ask, open, told, written};
use crate::{
    args::owner::{CatalogVerb, Out},
    output::{Outcome, say},
    run::{Named, name, read},
};
use claviger_cli::{Error, finding, owner::lint};
use claviger_shared::{catalog::Catalog, id::GrantId};
use serde_json::json;
use std::path::Path;

pub(crate) async fn catalog(
    named: &Named,
    verb: CatalogVerb,
    json: bool,
) -> Result<Outcome, Error> {
    match verb {
        CatalogVerb::Set { file, touches, out } => set(named, &file, &touches, &out, json).await,
        CatalogVerb::Show => {
            let desk = open(named).await?;
            let none =
                || Error::Usage("no catalog is set; use `claviger catalog set FILE`".to_owned());
            let catalog = desk.view().catalog().cloned().ok_or_else(none)?;
            Ok(told(&desk, json!({ "catalog": catalog })))
        }
        CatalogVerb::Diff { file } => diff(named, &file, json).await,
        CatalogVerb::Lint { file } => {
            let catalog = Catalog::parse(&read("cannot read the catalog", &file)?)?;
            Ok(ask::linted(
                &lint::catalog::check(&catalog),
                json!({ "resources": catalog.resources.len() }),
                json,
            ))
        }
    }
}

async fn diff(named: &Named, file: &Path, json: bool) -> Result<Outcome, Error> {
    let catalog = Catalog::parse(&read("cannot read the catalog", file)?)?;
    let desk = open(named).await?;
    let diff = desk.catalog_diff(&catalog);
    if json {
        return Ok(told(&desk, diff.to_json()));
    }
    diff.words().iter().for_each(|line| say(line));
    if !diff.is_empty() {
        let (file, touches) = (file.display(), diff.touches());
        say(format!("set it with: claviger catalog set {file} {touches}").trim_end());
    }
    Ok(Outcome::silent())
}

async fn set(
    named: &Named,
    file: &Path,
    touches: &[String],
    out: &Out,
    json: bool,
) -> Result<Outcome, Error> {
    let text = read("cannot read the catalog", file)?;
    let touches = touches
        .iter()
        .map(|id| name(id, "a grant's name, gr_…", GrantId::parse))
        .collect::<Result<Vec<_>, _>>()?;
    let mut desk = open(named).await?;
    let catalog = Catalog::parse(&text)?;
    let diff = desk.catalog_diff(&catalog);
    if !json {
        diff.words().iter().for_each(|line| say(line));
    }
    let action = desk.checked_catalog_action(&text, &touches)?;
    if out.out.is_none() {
        ask::agreed("set this catalog?", json)?;
    }
    let found = lint::catalog::check(&catalog);
    ask::warn(&found, json);
    let mut outcome = match &out.out {
        Some(out) => {
            let body = desk.widen(&action, &[])?;
            written(&desk, out, &body)?
        }
        None => {
            let value = desk.set_catalog(&text, &touches).await?;
            told(&desk, value)
        }
    };
    if json {
        ask::also(
            &mut outcome,
            json!({ "changes": diff.to_json(), "warnings": finding::list(&found) }),
        );
    }
    Ok(outcome)
}
