//! A ceremony's folder: what each step leaves for the next, so that a ceremony goes on where it was.
//!
//! ```text
//! plan.json         what was planned                recipients.json  the KMS keys, read from KMS
//! g0.json           to be signed by owners          chain.json       what the host was handed
//! nonce             of genesis, made before it      birth.json       what genesis gave, as it came
//! g1.json           to be signed by owners          policy.json      the key policy
//! profile.json      how to use the deployment
//! ```
//! Nothing in it is secret. What somebody signs or checks is written once and never again.

use super::{
    birth,
    manifest::{self, Birth, Recipient},
    plan::{self, Plan},
    policy::Pins,
};
use crate::{Error, operator::Born, owner::grant::write_new};
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::{Digest, from_hex, to_hex},
    owner::manifest::chain::Chain,
};
use claviger_verify::ring_verifier::RingVerifier;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A ceremony's folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at a path; made where it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(Error::io("cannot make the folder", path))?;
        let path = path
            .canonicalize()
            .map_err(Error::io("cannot open the folder", path))?;
        Ok(Self(path))
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Whether a file is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.file(name).exists()
    }

    /// Reads a file that a step before must have left.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] naming that step where it is not there; [`Error::Io`].
    pub fn read(&self, name: &str, step: &str) -> Result<Vec<u8>, Error> {
        let path = self.file(name);
        if !path.exists() {
            let path = path.display();
            return Err(Error::Usage(format!(
                "there is no `{path}`: first `claviger init {step}`"
            )));
        }
        std::fs::read(&path).map_err(Error::io("cannot read", &path))
    }

    /// Writes a file once.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], also where it is there already.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        write_new(&self.file(name), bytes)
    }

    /// Replaces a file that only grows, such as the chain.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (path, beside) = (self.file(name), self.file(&format!("{name}.new")));
        std::fs::write(&beside, bytes)
            .and_then(|()| std::fs::rename(&beside, &path))
            .map_err(Error::io("cannot write", &path))
    }

    /// The plan.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], [`Error::Io`].
    pub fn plan(&self) -> Result<Plan, Error> {
        let text = self.read("plan.json", "plan")?;
        serde_json::from_slice(&text).map_err(|error| Error::Usage(format!("plan.json: {error}")))
    }

    /// The recipients.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], [`Error::Io`].
    pub fn recipients(&self) -> Result<Vec<Recipient>, Error> {
        plan::recipients(&self.read("recipients.json", "key")?)
    }

    /// The chain as far as it was signed.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] for one that does not verify; [`Error::Usage`], [`Error::Io`].
    pub fn chain(&self) -> Result<Chain, Error> {
        let file = self.read("chain.json", "start")?;
        let verified =
            Chain::parse_file(&file).and_then(|links| Chain::verify(&links, &RingVerifier));
        verified.map_err(|error| Error::Distrust(format!("chain.json: {error}")))
    }

    /// The nonce of genesis: made once, before anybody is asked.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Unavailable`] without randomness.
    pub fn nonce(&self) -> Result<Vec<u8>, Error> {
        if !self.has("nonce") {
            let mut random = [0_u8; 32];
            let filled = SystemRandom::new().fill(&mut random);
            filled.map_err(|_| Error::Unavailable("no randomness".to_owned()))?;
            self.write("nonce", to_hex(&birth::nonce(&random)).as_bytes())?;
        }
        let text = self.read("nonce", "birth")?;
        let nonce = std::str::from_utf8(&text)
            .ok()
            .and_then(|text| from_hex::<32>(text).ok());
        nonce
            .map(|nonce| nonce.to_vec())
            .ok_or_else(|| Error::Usage("the file nonce is malformed".to_owned()))
    }

    /// Keeps what genesis gave, as it came, and when.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn keep_birth(&self, born: &Born, now_ms: u64) -> Result<(), Error> {
        let value = json!({
            "bundle": STANDARD.encode(&born.bundle), "origin": born.origin, "vkey": born.vkey, "first_root": born.first_root,
            "document": STANDARD.encode(&born.document), "received_ms": now_ms,
        });
        self.write("birth.json", format!("{value:#}\n").as_bytes())
    }

    /// What genesis gave, and when it came.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], [`Error::Io`].
    pub fn birth(&self) -> Result<(Born, u64), Error> {
        let text = self.read("birth.json", "birth")?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| Error::Usage(format!("birth.json: {error}")))?;
        read_birth(&value).ok_or_else(|| Error::Usage("birth.json is malformed".to_owned()))
    }

    /// The bytes of g1 for a birth that checks out.
    ///
    /// # Errors
    ///
    /// [`Error::Distrust`] with the check that failed.
    pub fn checked_g1(&self) -> Result<Vec<u8>, Error> {
        let (plan, chain) = (self.plan()?, self.chain()?);
        let g0 = chain.bytes(0).unwrap_or_default();
        let releases = plan.releases()?;
        let build = releases
            .first()
            .ok_or_else(|| Error::Usage("plan: no release".to_owned()))?;
        let (born, received) = self.birth()?;
        let checked = birth::check(&born, g0, build, &self.nonce()?, received)?;
        let facts = Birth {
            bundle: checked.bundle,
            vkey: checked.vkey,
            first_root: checked.first_root,
            releases: releases.clone(),
            durability: plan.durability()?,
        };
        manifest::g1(g0, &plan.people(), &self.recipients()?, &facts)
    }

    /// What registers must hold under g1, signed or not.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], [`Error::Io`], [`Error::Distrust`].
    pub fn pins(&self) -> Result<Pins, Error> {
        Pins::under(&self.chain()?, &self.read("g1.json", "birth")?)
    }

    /// The step that comes next.
    #[must_use]
    pub fn next(&self) -> &'static str {
        let steps = [
            ("plan.json", "plan"),
            ("recipients.json", "key"),
            ("g0.json", "g0"),
            ("chain.json", "start"),
            ("g1.json", "birth"),
            ("policy.json", "policy"),
            ("profile.json", "finish"),
        ];
        let missing = steps.iter().find(|(file, _)| !self.has(file));
        missing.map_or("done", |(_, step)| step)
    }
}

fn read_birth(value: &Value) -> Option<(Born, u64)> {
    let word = |name: &str| value.get(name)?.as_str();
    let bytes = |name: &str| STANDARD.decode(word(name)?).ok();
    let born = Born {
        bundle: bytes("bundle")?,
        origin: word("origin")?.to_owned(),
        vkey: word("vkey")?.to_owned(),
        first_root: Digest::parse(word("first_root")?).ok()?,
        document: bytes("document")?,
    };
    Some((born, value.get("received_ms")?.as_u64()?))
}
