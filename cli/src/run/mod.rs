//! Each verb, from its arguments to its outcome.

mod agent;
mod audit;
mod curl;
mod docs;
mod owner;
mod sidecar;

use crate::{
    args::{Cli, Verb},
    output::Outcome,
};
use claviger_cli::{Error, profile::Profile};
use std::path::{Path, PathBuf};

/// The profile that was named: by the argument nearest to the verb, else by the environment.
#[derive(Debug)]
pub(crate) struct Named {
    argument: Option<PathBuf>,
}

impl Named {
    /// The profile.
    fn required(&self) -> Result<Profile, Error> {
        let path = self.path()?;
        Profile::read(&path)
    }

    /// Where the profile is.
    fn path(&self) -> Result<PathBuf, Error> {
        let path = self.argument.clone().or_else(from_environment);
        path.ok_or_else(|| {
            Error::Usage(
                "no profile: give --profile FILE or set CLAVIGER_PROFILE to its path (of a simulation: DIR/ready.json)".to_owned(),
            )
        })
    }

    /// The profile, where one was named.
    fn optional(&self) -> Result<Option<Profile>, Error> {
        let path = self.argument.clone().or_else(from_environment);
        path.map(|path| Profile::read(&path)).transpose()
    }
}

fn from_environment() -> Option<PathBuf> {
    let path = std::env::var_os("CLAVIGER_PROFILE").filter(|path| !path.is_empty());
    path.map(PathBuf::from)
}

/// Runs a verb.
pub(crate) async fn run(cli: Cli) -> Result<Outcome, Error> {
    let Cli {
        json,
        profile: before,
        verb,
    } = cli;
    let named = |behind: Option<PathBuf>| Named {
        argument: behind.or_else(|| before.clone()),
    };
    match verb {
        Verb::Key(group) => owner::key(&named(group.at.profile), group.verb, json).await,
        Verb::Catalog(group) => owner::catalog(&named(group.at.profile), group.verb, json).await,
        Verb::Grant(group) => owner::grant(&named(group.at.profile), group.verb, json).await,
        Verb::Federate(args) => owner::federate(&named(args.at.profile.clone()), args, json).await,
        Verb::Manifest(group) => owner::manifest(&named(group.at.profile), group.verb).await,
        Verb::Init(init) => owner::init(init).await,
        Verb::Attest(attest) => {
            owner::attest(&named(attest.at.profile), attest.document.as_deref()).await
        }
        Verb::Doctor(at) => owner::doctor(&named(at.profile), json).await,
        Verb::Policy(group) => owner::policy(&named(group.at.profile), group.verb, json).await,
        Verb::Release(group) => owner::release(&named(group.at.profile), group.verb, json),
        Verb::Freeze(stop) => owner::freeze(&named(stop.at.profile), &stop.out).await,
        Verb::Thaw(thaw) => owner::thaw(&named(thaw.at.profile), &thaw.out).await,
        Verb::Submit(submit) => {
            owner::submit(&named(submit.at.profile), &submit.file, &submit.signatures).await
        }
        Verb::Audit(group) => audit::run(&named(group.at.profile), group.verb).await,
        Verb::Status(at) => owner::status(&named(at.profile)).await,
        Verb::Keygen(keygen) => agent::keygen(keygen, named).await,
        Verb::Sign(call) => agent::call(call, named, false).await,
        Verb::Simulate(call) => agent::call(call, named, true).await,
        Verb::Curl(curl) => curl::curl(named, curl, json).await,
        Verb::Test(test) => curl::test(named, test).await,
        Verb::Whoami(who) => agent::whoami(&named(who.at.profile), &who.key).await,
        Verb::Renew(who) => agent::renew(&named(who.at.profile), &who.key).await,
        Verb::Revoke(revoke) => {
            let who = revoke.agent;
            agent::revoke(&named(who.at.profile), &who.key, revoke.leaked).await
        }
        Verb::Sidecar(sidecar) => sidecar::sidecar(named, sidecar, json).await,
        Verb::Exec(exec) => Ok(sidecar::exec(named, exec, json).await),
        Verb::Completions(args) => Ok(docs::completions(&args, json)),
        Verb::Man(args) => docs::man(&args, json),
        Verb::ExecChild(child) => Ok(sidecar::exec_child(child)),
    }
}

/// Reads a file.
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(Error::io(what, path))
}

/// Reads a text file.
fn read_text(what: &'static str, path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::io(what, path))
}

/// Reads a name of a form.
fn name<T, E>(text: &str, what: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Error> {
    parse(text).map_err(|_| Error::Usage(format!("`{text}` is not {what}")))
}
