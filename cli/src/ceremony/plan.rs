//! What a ceremony is told once and reads at each step: names, people, builds, whom the key policy names.
//!
//! Reading is strict, and everything that owners will sign is checked when it is written down.

use super::{
    manifest::{People, Person, Recipient, Root},
    policy::Parties,
};
use crate::Error;
use base64::{Engine, engine::general_purpose::STANDARD};
use claviger_shared::{
    id::Pcr,
    owner::{
        manifest::{Release, Version},
        sshsig::PublicKey,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The plan of a ceremony.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The deployment's name.
    pub origin: String,
    /// Base URL of the agents' face.
    pub api: String,
    /// Base URL of the operators' face.
    pub operator_api: String,
    /// File of the operators' bearer token.
    pub operator_token_file: Option<PathBuf>,
    /// `aws`, or a certificate in base64.
    pub attestation_root: String,
    /// Who may widen.
    pub owners: Vec<Named>,
    /// How many of them must sign.
    pub threshold: usize,
    /// Who may stop.
    pub operators: Vec<Named>,
    /// Builds that may run; the first is the one that is born.
    pub releases: Vec<Build>,
    /// `durable` or `volatile`.
    pub durability: String,
    /// Whom the key policy names.
    pub parties: Parties,
    /// The Region of a key that is made.
    pub region: String,
    /// Another KMS endpoint than AWS's.
    pub kms: Option<String>,
    /// The profile of the AWS configuration.
    pub aws_profile: Option<String>,
    /// Another shared credentials file than the user's.
    pub aws_credentials_file: Option<PathBuf>,
}

/// Somebody with public key lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Unique in the plan.
    pub name: String,
    /// Public key lines.
    pub keys: Vec<String>,
}

/// A build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// `major.minor.patch`.
    pub version: String,
    /// Image.
    pub pcr0: Pcr,
    /// Kernel and boot ramdisk.
    pub pcr1: Pcr,
    /// Application.
    pub pcr2: Pcr,
}

fn usage(text: String) -> Error {
    Error::Usage(text)
}

impl Plan {
    /// The people.
    #[must_use]
    pub fn people(&self) -> People {
        let person = |named: &Named| Person {
            name: named.name.clone(),
            keys: named.keys.clone(),
        };
        People {
            owners: self.owners.iter().map(person).collect(),
            threshold: self.threshold,
            operators: self.operators.iter().map(person).collect(),
        }
    }

    /// Where attestation documents must chain to.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a certificate that is no base64.
    pub fn root(&self) -> Result<Root, Error> {
        match self.attestation_root.as_str() {
            "aws" => Ok(Root::Aws),
            text => STANDARD
                .decode(text)
                .map(Root::Certificate)
                .map_err(|_| usage("plan: attestation_root is neither aws nor base64".to_owned())),
        }
    }

    /// The builds, the one that is born first.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a version that is none, or no build at all.
    pub fn releases(&self) -> Result<Vec<Release>, Error> {
        if self.releases.is_empty() {
            return Err(usage("plan: no release".to_owned()));
        }
        self.releases.iter().map(Build::release).collect()
    }

    /// The word of the durability.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for another word.
    pub fn durability(&self) -> Result<&'static str, Error> {
        match self.durability.as_str() {
            "durable" => Ok("durable"),
            "volatile" => Ok("volatile"),
            _ => Err(usage("plan: durability is durable or volatile".to_owned())),
        }
    }
}

impl Build {
    /// As manifests hold it.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a version that is none, or registers of zeros.
    pub fn release(&self) -> Result<Release, Error> {
        let Self {
            version,
            pcr0,
            pcr1,
            pcr2,
        } = self;
        if [pcr0, pcr1, pcr2].iter().any(|pcr| pcr.0 == [0; 48]) {
            return Err(usage(format!(
                "release {version}: a register is all zeros, as of an enclave in debug mode"
            )));
        }
        Ok(Release {
            version: Version::parse(version)
                .ok_or_else(|| usage(format!("`{version}` is not a version such as 0.1.0")))?,
            pcr0: *pcr0,
            pcr1: *pcr1,
            pcr2: *pcr2,
        })
    }

    /// Reads a build: `{version, pcr0, pcr1, pcr2}`, or what `nitro-cli` prints of an image with the version named beside it,
    /// `0.1.0=FILE`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Usage`].
    pub fn read(argument: &str) -> Result<Self, Error> {
        let (version, path) = match argument.split_once('=') {
            Some((version, path)) if Version::parse(version).is_some() => (Some(version), path),
            Some(_) | None => (None, argument),
        };
        let path = Path::new(path);
        let text = std::fs::read(path).map_err(Error::io("cannot read the release", path))?;
        let value: Value = serde_json::from_slice(&text)
            .map_err(|error| usage(format!("release `{}`: {error}", path.display())))?;
        let held = value.get("Measurements").unwrap_or(&value);
        let register = |name: &str| {
            let found = held.get(name).or_else(|| held.get(name.to_uppercase()));
            let pcr = found.and_then(Value::as_str).map(str::to_ascii_lowercase);
            pcr.and_then(|text| Pcr::parse(&text).ok()).ok_or_else(|| {
                let path = path.display();
                usage(format!(
                    "release `{path}`: expected {name}, 96 hexadecimal digits"
                ))
            })
        };
        let named = version.or_else(|| value.get("version").and_then(Value::as_str));
        let build = Self {
            version: named
                .ok_or_else(|| usage(format!("name the version: 0.1.0={}", path.display())))?
                .to_owned(),
            pcr0: register("pcr0")?,
            pcr1: register("pcr1")?,
            pcr2: register("pcr2")?,
        };
        build.release().map(|_| build)
    }
}

impl Named {
    /// Reads `NAME=FILE`: a person and a file of public key lines.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], [`Error::Usage`].
    pub fn read(argument: &str) -> Result<Self, Error> {
        let (name, path) = argument
            .split_once('=')
            .ok_or_else(|| usage(format!("`{argument}` is not NAME=FILE")))?;
        let path = Path::new(path);
        let text =
            std::fs::read_to_string(path).map_err(Error::io("cannot read the public key", path))?;
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let parse = |line: &str| {
            let key = PublicKey::parse_line(line);
            key.map(|key| key.to_string()).map_err(|error| {
                usage(format!(
                    "`{}`: expected {}",
                    path.display(),
                    error.expected()
                ))
            })
        };
        let keys = lines.map(parse).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            return Err(usage(format!("`{}` holds no public key", path.display())));
        }
        Ok(Self {
            name: name.to_owned(),
            keys,
        })
    }
}

/// Reads a root: `aws`, or a certificate's file in PEM or DER; as a plan holds it.
///
/// # Errors
///
/// [`Error::Io`], [`Error::Usage`].
pub fn read_root(argument: &str) -> Result<String, Error> {
    if argument == "aws" {
        return Ok(argument.to_owned());
    }
    let path = Path::new(argument);
    let bytes = std::fs::read(path).map_err(Error::io("cannot read the certificate", path))?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((_, rest)) = text.split_once("-----BEGIN CERTIFICATE-----") else {
        return Ok(STANDARD.encode(bytes));
    };
    let (body, _) = rest
        .split_once("-----END CERTIFICATE-----")
        .unwrap_or_default();
    let body: String = body.split_whitespace().collect();
    STANDARD
        .decode(&body)
        .map(|_| body)
        .map_err(|_| usage(format!("`{argument}` is no certificate")))
}

/// Recipients as a ceremony keeps them.
///
/// # Errors
///
/// [`Error::Usage`] for what this did not write.
pub fn recipients(text: &[u8]) -> Result<Vec<Recipient>, Error> {
    let fault = || usage("recipients.json is malformed".to_owned());
    let list: Vec<Value> = serde_json::from_slice(text).map_err(|_| fault())?;
    let one = |value: &Value| {
        let word = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Recipient {
            arn: word("arn")?.to_owned(),
            public_key: STANDARD.decode(word("public_key")?).ok()?,
        })
    };
    list.iter()
        .map(|value| one(value).ok_or_else(fault))
        .collect()
}

/// Recipients as a ceremony keeps them.
#[must_use]
pub fn recipients_text(list: &[Recipient]) -> String {
    let one = |to: &Recipient| serde_json::json!({ "arn": to.arn, "public_key": STANDARD.encode(&to.public_key) });
    format!("{:#}\n", list.iter().map(one).collect::<Value>())
}
