//! What is done at each provider, and how a token is exchanged there: a file each.
//!
//! Words in capitals are the owner's to fill in. Nothing but facts of the audited log enters a file or a command, and each goes
//! through one quoting.

mod anthropic;
mod aws;
mod azure;
mod gcp;
mod openai;
mod vault;

use super::{Facts, Provider, Subject, text::quote};
use serde_json::{Value, json};

/// What of a federation Claviger still bounds, whoever the provider is.
pub(super) const BOUNDS: &str = "each identity token is a call of its grant, at most 5 minutes long, in its budgets, rate and log; what is done with what the \
                          provider gives for it is in none of them, and a freeze or a revocation ends no token that was given before";
/// The name of what is made at a provider.
const NAME: &str = "claviger";

/// What is to be done.
#[derive(Debug)]
pub struct Setup {
    /// At the provider, in order.
    pub provider: Vec<Step>,
    /// By the agent, for each exchange.
    pub exchange: Vec<Step>,
    /// What the token that the provider gives can still do.
    pub minted: &'static str,
    /// Words in capitals and what each stands for.
    pub fill: Vec<&'static str>,
}

/// One step.
#[derive(Debug)]
pub enum Step {
    /// A file, which a later step names.
    File {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: &'static str,
        /// What is in it.
        value: Value,
    },
    /// A command of a shell.
    Run {
        /// What it does.
        what: &'static str,
        /// The command.
        command: String,
    },
}

impl Step {
    const fn file(what: &'static str, name: &'static str, value: Value) -> Self {
        Self::File { what, name, value }
    }

    fn run(what: &'static str, words: &[&str]) -> Self {
        let command = words.join(" ");
        Self::Run { what, command }
    }

    /// What it is for.
    #[must_use]
    pub const fn what(&self) -> &'static str {
        match self {
            Self::File { what, .. } | Self::Run { what, .. } => what,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::File { what, name, value } => {
                json!({ "what": what, "file": name, "json": value })
            }
            Self::Run { what, command } => json!({ "what": what, "run": command }),
        }
    }
}

/// What is done for one provider.
pub(super) fn setup(provider: Provider, facts: &Facts) -> Setup {
    match provider {
        Provider::Anthropic => anthropic::setup(facts),
        Provider::Aws => aws::setup(facts),
        Provider::Azure => azure::setup(facts),
        Provider::Gcp => gcp::setup(facts),
        Provider::Openai => openai::setup(facts),
        Provider::Vault => vault::setup(facts),
    }
}

/// The identity token into a file, which libraries read again at each exchange.
fn token(facts: &Facts) -> Step {
    let audience = quote(&facts.audience);
    Step::run(
        "the identity token, into a file; again before each exchange, it lives 5 minutes at most",
        &[
            "claviger sign jwt --profile oidc --audience",
            &audience,
            "--json | jq -j .credential.jwt >TOKEN_FILE",
        ],
    )
}

/// What a rule is named by: the grant, or the agent.
fn named(facts: &Facts) -> String {
    match (&facts.subject, facts.grants.as_slice()) {
        (Subject::Exact(_), [grant, ..]) => grant.to_string(),
        (Subject::Exact(_) | Subject::Prefix(_), _) => facts.agent.to_string(),
    }
}

/// The same in the letters of a slug: small ones, digits and hyphens.
fn slug(facts: &Facts) -> String {
    let fine = |c: char| {
        let small = c.to_ascii_lowercase();
        if small.is_ascii_alphanumeric() {
            small
        } else {
            '-'
        }
    };
    format!(
        "{NAME}-{}",
        named(facts).chars().map(fine).collect::<String>()
    )
}

/// A text as a string of CEL: subjects and audiences are printable ASCII.
fn cel(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A POST of a file with a bearer token from the environment, which stands in no argument.
fn post(what: &'static str, url: &str, token: &str, file: &str, more: &str) -> Step {
    let command = format!(
        "printf 'header = \"Authorization: Bearer %s\"\\n' \"${token}\" | curl --config - --fail-with-body {url} \
         {more}-H 'Content-Type: application/json' -d @{file}"
    );
    Step::Run { what, command }
}
