//! `attest` and `doctor`.

use crate::{
    output::{Outcome, say},
    run::Named,
};
use claviger_cli::{Error, attest::ask, doctor::Report, owner::grant::write_new};
use claviger_client::render;
use serde_json::json;
use std::path::Path;

pub(crate) async fn attest(named: &Named, document: Option<&Path>) -> Result<Outcome, Error> {
    let attested = ask(&named.required()?).await?;
    if let Some(path) = document {
        write_new(path, &attested.bytes)?;
    }
    let mut value = attested.told();
    render::mark(&mut value, attested.trusted.simulation);
    Ok(value.into())
}

pub(crate) async fn doctor(named: &Named, json: bool) -> Result<Outcome, Error> {
    let report = Report::of(&named.path()?).await;
    let exit = u8::from(!report.is_well());
    let value = if json {
        report.to_json()
    } else {
        report.lines().iter().for_each(|line| say(line));
        json!({ "ok": report.is_well() })
    };
    Ok(Outcome {
        value,
        exit,
        document: false,
    })
}
