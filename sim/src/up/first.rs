//! First use: the ceremony, then an owner's first keys, catalog and grant.
//!
//! Each step looks at what is there before it does anything, so that a set-up that was killed goes on where it was. Only a
//! ceremony killed between birth and g1 begins anew: its document is gone, and nothing can be believed without it.

use super::{
    Error,
    layout::{ADMIN_PRINCIPAL, HOST_PRINCIPAL, Layout, Ports, REGION},
};
use crate::{files, nsm::Measurements};
use claviger_cli::{
    Error as CliError,
    ceremony::{
        birth,
        kms::{Kms, Place},
        manifest::{self, Birth, People, Person, Recipient, Root},
        policy::{self, Parties, Pins},
    },
    operator::Operator,
    owner::{Desk, key::NewKey},
    profile::Profile,
    ssh::{self, Signer},
};
use claviger_client::{session::wall_clock_ms, trust::extended_once};
use claviger_shared::{
    effect::{Env, Kind},
    id::{AgentId, KeyId, Pcr},
    label,
    owner::{
        command::Alg,
        manifest::{Release, chain::Chain},
    },
    wire::control::Signed,
};
use serde_json::Value;
use std::{fs, io, time::Duration};

/// The catalog of first use.
const CATALOG: &str = include_str!("catalog.json");
/// The grant of first use, without its times.
const GRANT: &str = include_str!("grant.json");
/// How long the first grant is.
const GRANT_LIFE_MS: u64 = 8 * 3_600_000;
/// Pause between two looks at whether something is there yet.
const PAUSE: Duration = Duration::from_millis(50);
/// The administrator in the AWS configuration.
pub(super) const ADMIN_PROFILE: &str = "kms-admin";
/// The simulated deployment's name.
const ORIGIN: &str = "simulation/claviger";

/// Everything first use needs to know.
#[derive(Debug)]
pub struct Setup<'a> {
    /// Where things are kept.
    pub layout: &'a Layout,
    /// Where the three listen.
    pub ports: Ports,
    /// The mock NSM's root certificate, DER.
    pub root_der: &'a [u8],
    /// What the mock image measures.
    pub measurements: &'a Measurements,
    /// Whether answers are not to wait for storage.
    pub volatile: bool,
}

/// The two keys of a simulated deployment.
struct Keys {
    owner: Signer,
    people: People,
}

impl Setup<'_> {
    /// Brings the deployment to serve; the first grant's id.
    ///
    /// # Errors
    ///
    /// [`Error`].
    pub async fn run(&self) -> Result<String, Error> {
        let keys = self.keys()?;
        let operator = Operator::new(&self.ports.operator_url(), None)?;
        self.wait_for(&operator, |_| true).await;
        if !self.layout.is_born()? {
            self.ceremony(&operator, &keys).await?;
        }
        self.wait_for(&operator, |status| {
            status.get("phase").and_then(Value::as_str) == Some("serving")
        })
        .await;
        self.first_grant().await
    }

    /// Waits until the host's status is as wanted; the caller limits the time.
    async fn wait_for(&self, operator: &Operator, wanted: impl Fn(&Value) -> bool) {
        loop {
            if operator.status().await.is_ok_and(|status| wanted(&status)) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn keys(&self) -> Result<Keys, Error> {
        let owner = make_key(&self.layout.owner_key(), "owner")?;
        let operator = make_key(&self.layout.operator_key(), "operator")?;
        let person = |name: &str, key: &Signer| Person {
            name: name.to_owned(),
            keys: vec![ssh::line(key.public())],
        };
        let people = People {
            owners: vec![person("owner", &owner)],
            threshold: 1,
            operators: vec![person("operator", &operator)],
        };
        Ok(Keys { owner, people })
    }

    async fn ceremony(&self, operator: &Operator, keys: &Keys) -> Result<(), Error> {
        let kms = self.kms().await;
        let parties = parties();
        let recipient = kms.create_key(&policy::unborn(&parties)).await?;
        let root = Root::Certificate(self.root_der.to_vec());
        let to = std::slice::from_ref(&recipient);
        let g0 = manifest::g0(ORIGIN, &root, &keys.people, to)?;
        let first = manifest::sign(g0.clone(), &[&keys.owner])?;
        operator
            .put_manifests(&Chain::to_file(std::slice::from_ref(&first)))
            .await?;
        self.wait_for(operator, |status| {
            status.get("phase").and_then(Value::as_str) == Some("measured")
        })
        .await;
        let second = self.birth(operator, keys, to, &g0).await?;
        let anchor = extended_once(label::PCR_ANCHOR, &second.body);
        let pins = Pins {
            releases: vec![self.release()],
            deployment: extended_once(label::PCR_DEPLOYMENT, &g0),
            anchor,
        };
        kms.put_policy(&recipient.arn, &policy::render(&parties, &pins))
            .await?;
        operator
            .put_manifests(&Chain::to_file(&[first, second]))
            .await?;
        Ok(())
    }

    /// Genesis, checked; g1, signed.
    async fn birth(
        &self,
        operator: &Operator,
        keys: &Keys,
        to: &[Recipient],
        g0: &[u8],
    ) -> Result<Signed, Error> {
        let mut random = [0; 32];
        aws_lc_rs::rand::fill(&mut random).map_err(|_| io::Error::other("no randomness"))?;
        let nonce = birth::nonce(&random);
        let born = operator.genesis(&nonce).await?;
        let release = self.release();
        let checked = birth::check(&born, g0, &release, &nonce, wall_clock_ms())?;
        let facts = Birth {
            bundle: checked.bundle,
            vkey: checked.vkey,
            first_root: checked.first_root,
            releases: vec![release],
            durability: if self.volatile { "volatile" } else { "durable" },
        };
        Ok(manifest::sign(
            manifest::g1(g0, &keys.people, to, &facts)?,
            &[&keys.owner],
        )?)
    }

    fn release(&self) -> Release {
        let Measurements {
            pcr0,
            pcr1,
            pcr2,
            role_arn: _,
            instance_id: _,
        } = self.measurements;
        Release {
            version: claviger_enclave::version(),
            pcr0: Pcr(*pcr0),
            pcr1: Pcr(*pcr1),
            pcr2: Pcr(*pcr2),
        }
    }

    async fn kms(&self) -> Kms {
        let place = Place {
            region: REGION.to_owned(),
            endpoint: Some(self.ports.kms_url()),
            profile: Some(ADMIN_PROFILE.to_owned()),
            credentials_file: Some(self.layout.shared_credentials()),
        };
        Kms::connect(&place).await
    }

    /// The first keys, catalog and grant, where they are not there yet.
    async fn first_grant(&self) -> Result<String, Error> {
        let path = self.layout.document("grant.json");
        let agent_key = self.layout.agent_key();
        let mut desk = Desk::open(self.profile()).await?;
        if let Ok(text) = fs::read(&path)
            && let Some(id) = grant_id(&text)
            && agent_key.try_exists()?
            && desk
                .list_grants()
                .iter()
                .any(|grant| grant.get("grant").and_then(Value::as_str) == Some(&id))
        {
            return Ok(id);
        }
        self.first_keys(&mut desk).await?;
        self.first_catalog(&mut desk).await?;
        let text = self.grant_text()?;
        match fs::remove_file(&agent_key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let created = desk.create_grant(text.as_bytes(), Some(&agent_key)).await?;
        let id = created
            .get("grant")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        files::write_atomically(
            &path,
            text.replacen('{', &format!("{{\n  \"id\": \"{id}\","), 1)
                .as_bytes(),
        )?;
        Ok(id)
    }

    async fn first_keys(&self, desk: &mut Desk) -> Result<(), Error> {
        let env = self.env();
        for (name, kind, alg) in [
            ("k_http_first", Kind::Http, Alg::Ed25519),
            ("k_jwt_first", Kind::Jwt, Alg::P256),
        ] {
            let name = KeyId::parse(name).map_err(|_| CliError::Usage("bad name".to_owned()))?;
            let agent = AgentId::parse("first-agent").ok();
            if desk.show_key(&name).is_err() {
                let key = NewKey {
                    name: Some(name),
                    kind,
                    alg,
                    env,
                    agent,
                };
                desk.create_key(&key).await?;
            }
        }
        Ok(())
    }

    async fn first_catalog(&self, desk: &mut Desk) -> Result<(), Error> {
        let text = CATALOG.replace("\"live\"", &format!("\"{}\"", self.env_word()));
        let path = self.layout.document("catalog.json");
        if !path.try_exists()? {
            files::write_atomically(&path, text.as_bytes())?;
        }
        if desk.view().state().catalog().resources.is_empty() {
            desk.set_catalog(text.as_bytes(), &[]).await?;
        }
        Ok(())
    }

    fn env(&self) -> Env {
        if self.volatile {
            Env::Sandbox
        } else {
            Env::Live
        }
    }

    fn env_word(&self) -> &'static str {
        if self.volatile { "sandbox" } else { "live" }
    }

    fn grant_text(&self) -> Result<String, Error> {
        let now = claviger_shared::time::UnixMs(wall_clock_ms());
        let end = now.plus(claviger_shared::time::Millis(GRANT_LIFE_MS));
        let text = GRANT.replace("\"live\"", &format!("\"{}\"", self.env_word()));
        Ok(text
            .replace("NOT_BEFORE", &now.to_string())
            .replace("EXPIRES_AT", &end.to_string()))
    }

    fn profile(&self) -> Profile {
        Profile {
            api: self.ports.api_url(),
            operator_api: self.ports.operator_url(),
            manifest: self.layout.manifests(),
            owner_key: Some(self.layout.owner_key()),
            operator_key: Some(self.layout.operator_key()),
            operator_token_file: None,
            agent_api_key_file: Some(self.layout.agent_key()),
            kms: Some(self.ports.kms_url()),
            grant: None,
            log: Some(self.layout.log_store()),
            parties: Some(parties()),
            aws_profile: Some(ADMIN_PROFILE.to_owned()),
            aws_credentials_file: Some(self.layout.shared_credentials()),
            pids: None,
        }
    }
}

fn grant_id(text: &[u8]) -> Option<String> {
    let value: Value = serde_json::from_slice(text).ok()?;
    value.get("id").and_then(Value::as_str).map(str::to_owned)
}

/// Whom the key policy names.
pub(super) fn parties() -> Parties {
    Parties {
        host: HOST_PRINCIPAL.to_owned(),
        administrator: ADMIN_PRINCIPAL.to_owned(),
        break_glass: ADMIN_PRINCIPAL.to_owned(),
    }
}

/// An SSH key, made where it is not there.
fn make_key(path: &std::path::Path, comment: &str) -> Result<Signer, Error> {
    if !path.try_exists()? {
        let (private, public) = ssh::generate(comment)?;
        files::write_atomically(
            &path.with_extension("pub"),
            format!("{public}\n").as_bytes(),
        )?;
        files::write_atomically(path, private.as_bytes())?;
    }
    Ok(Signer::read(path)?)
}
