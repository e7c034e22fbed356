//! The command line: every verb; what each takes is in the file of whoever uses it.
//!
//! `--profile FILE` may stand before any verb or behind it; behind `sign jwt` the word means the token's profile.

pub(crate) mod agent;
pub(crate) mod audit;
pub(crate) mod docs;
pub(crate) mod exec;
pub(crate) mod init;
pub(crate) mod owner;
pub(crate) mod policy;
pub(crate) mod release;

use agent::{Agent, Call, CurlArgs, Keygen, Revoke, SidecarArgs, TestArgs};
use audit::AuditVerb;
use clap::{Args, Parser, Subcommand};
use docs::{Completions, Man};
use exec::{ExecArgs, ExecChildArgs};
use init::Init;
use owner::{Attest, CatalogVerb, Federate, GrantVerb, KeyVerb, ManifestVerb, Stop, Submit, Thaw};
use policy::PolicyVerb;
use release::ReleaseVerb;
use std::path::PathBuf;

/// What stands below the verbs, and in the manual.
const AFTER: &str = "\
Exit codes: 0 done, 1 denied or refused, 2 the command line or a file is wrong, 3 more owners must sign, 4 rate or budget, \
5 unavailable. `exec` returns its command's, own faults 125 to 127.

Environment: CLAVIGER_PROFILE, the profile's file. AGENT_API_KEY, an agent key. CLAVIGER_URL and CLAVIGER_TOKEN, a sidecar: \
beside one, agents' verbs need no key.

Agents begin with `claviger whoami`, owners with `claviger doctor`, operators with `claviger status`.";

/// Keys in an enclave, grants for agents: the command of owners, operators, agents and auditors.
#[derive(Debug, Parser)]
#[command(
    name = "claviger",
    version,
    about = "Keys in an enclave, grants for agents: the command of owners, operators, agents and auditors",
    after_help = AFTER,
    max_term_width = 100,
    propagate_version = true
)]
pub(crate) struct Cli {
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Begin a deployment: the ceremony, one step at a time (owners)
    Init(Init),
    /// Signing keys, made inside the enclave (owners)
    Key(Group<KeyVerb>),
    /// What grants' names mean (owners)
    Catalog(Group<CatalogVerb>),
    /// Grants for agents (owners; `suspend` and `revoke` operators too)
    Grant(Group<GrantVerb>),
    /// How a provider takes an agent's identity tokens instead of a static key (owners)
    Federate(Federate),
    /// Who may do what: the manifest chain (owners)
    Manifest(Group<ManifestVerb>),
    /// Who may unseal: the KMS key policies (owners)
    Policy(Group<PolicyVerb>),
    /// From one build to another, and back (owners)
    Release(Group<ReleaseVerb>),
    /// Ask the enclave for a fresh attestation document, check it, and say what it proves
    Attest(Attest),
    /// Check everything that can be checked from here; for each fault, what it means and what mends it
    Doctor(At),
    /// Stop everything at once (owners and operators)
    Freeze(Stop),
    /// Lift every freeze in force (owners)
    Thaw(Thaw),
    /// Send a command that was written with --out and signed elsewhere
    Submit(Submit),
    /// The log (owners, auditors)
    Audit(Group<AuditVerb>),
    /// What the host and the log say of the deployment
    Status(At),
    /// Get a credential for one call (agents)
    Sign(Call),
    /// What a credential would cost, and whether it would be refused (agents)
    Simulate(Call),
    /// Make an HTTP call with a credential of its own (agents)
    Curl(CurlArgs),
    /// Make every harmless call that the grant reaches (agents)
    Test(TestArgs),
    /// The own grant, what is left of it and what it reaches (agents)
    Whoami(Agent),
    /// Push the own grant's end forward (agents)
    Renew(Agent),
    /// End the own grant for ever (agents)
    Revoke(Revoke),
    /// Make an agent's secret, or an agent key of one
    Keygen(Keygen),
    /// Hold the agent key for other programs, on loopback (agents)
    Sidecar(SidecarArgs),
    /// Run a command that can use the grant and cannot read the agent key (agents)
    Exec(ExecArgs),
    /// Print completions for a shell
    Completions(Completions),
    /// Print the manual page, or write those of all verbs
    Man(Man),
    #[command(hide = true)]
    ExecChild(ExecChildArgs),
}

/// Where the deployment is.
#[derive(Debug, Args)]
pub(crate) struct At {
    /// The deployment's profile; also CLAVIGER_PROFILE
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Group<V: Subcommand> {
    #[command(flatten)]
    pub(crate) at: At,
    #[command(subcommand)]
    pub(crate) verb: V,
}
