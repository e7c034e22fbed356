//! The profile, the files it names, and who may read them.

use super::{Report, finding, is_simulation};
use crate::{profile::Profile, ssh::Signer};
use std::{os::unix::fs::PermissionsExt, path::Path};

const NAME: &str = "profile";

pub(super) fn check(report: &mut Report, path: &Path) -> Option<Profile> {
    let profile = match Profile::read(path) {
        Ok(profile) => profile,
        Err(error) => {
            report.fault(
                NAME,
                finding(
                    "profile",
                    path.display().to_string(),
                    error.to_string(),
                    "nothing else can be checked",
                    "correct the file, or name another with --profile FILE",
                ),
            );
            return None;
        }
    };
    report.well(NAME, path.display().to_string());
    let secrets = [
        ("owner_key", &profile.owner_key),
        ("operator_key", &profile.operator_key),
        ("operator_token_file", &profile.operator_token_file),
        ("agent_api_key_file", &profile.agent_api_key_file),
        ("aws_credentials_file", &profile.aws_credentials_file),
    ];
    for (member, file) in secrets {
        if let Some(file) = file {
            mode(report, member, file);
        }
    }
    for (member, file) in [
        ("owner_key", &profile.owner_key),
        ("operator_key", &profile.operator_key),
    ] {
        if let Some(file) = file.as_deref().filter(|file| file.exists())
            && let Err(error) = Signer::read(file)
        {
            report.fault(
                "files",
                finding(
                    "signing_key",
                    member,
                    error.to_string(),
                    "nothing can be signed here",
                    "name a key that owners sign with",
                ),
            );
        }
    }
    chain(report, &profile).then_some(profile)
}

fn mode(report: &mut Report, member: &'static str, file: &Path) {
    let shown = file.display().to_string();
    let metadata = match std::fs::metadata(file) {
        Ok(metadata) => metadata,
        Err(error) => {
            report.fault(
                "files",
                finding(
                    "file_missing",
                    member,
                    format!("`{shown}`: {error}"),
                    "verbs that need it fail",
                    format!("put it there, or correct `{member}` in the profile"),
                ),
            );
            return;
        }
    };
    let mode = metadata.permissions().mode() & 0o777;
    let public = file.extension().is_some_and(|extension| extension == "pub");
    if mode & 0o077 == 0 || public {
        report.well("files", format!("{member} `{shown}`"));
    } else {
        report.fault(
            "files",
            finding(
                "file_mode",
                member,
                format!("`{shown}` has mode {mode:03o}"),
                "others on this machine can read it",
                format!("chmod 600 {shown}"),
            ),
        );
    }
}

fn chain(report: &mut Report, profile: &Profile) -> bool {
    match profile.chain() {
        Ok(chain) => {
            let (generation, fingerprint) = (chain.newest().generation, chain.fingerprint());
            report.well(
                "manifests",
                format!("generation {generation} of {fingerprint}"),
            );
            if is_simulation(profile) {
                report.warning(
                    "manifests",
                    finding(
                        "simulation",
                        "attestation_root",
                        "g0 names a certificate as its root",
                        "whoever has its key can make any attestation",
                        "for anything real: a deployment whose g0 says aws",
                    ),
                );
            }
            true
        }
        Err(error) => {
            report.fault(
                "manifests",
                finding(
                    "chain",
                    profile.manifest.display().to_string(),
                    error.to_string(),
                    "without the chain nothing can be told from its forgery",
                    "take the chain from another owner, then `claviger manifest fetch`",
                ),
            );
            false
        }
    }
}
