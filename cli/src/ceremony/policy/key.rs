//! Judging the key that a policy stands on: its sort, its state, and grants beside its policy.

use super::judge::{Wanted, finding};
use crate::{
    Error,
    ceremony::kms::{Facts, GrantFacts, Kms},
    finding::Finding,
};

const NEW_KEY: &str =
    "recipients are decided at genesis: a deployment that needs another key begins anew";

/// Everything that is wrong with a key as a recipient.
#[must_use]
pub fn check(facts: &Facts, pinned: Option<&[u8]>) -> Vec<Finding> {
    let Facts {
        arn,
        usage,
        spec,
        origin,
        multi_region,
        state,
        public_key,
        replicas,
        grants,
    } = facts;
    let mut found = Vec::new();
    for (code, is, wanted, why) in [
        (
            "key_usage",
            usage,
            "KEY_AGREEMENT",
            "only an agreement key can be asked with attestation and sealed to by anybody",
        ),
        (
            "key_spec",
            spec,
            "ECC_NIST_P256",
            "the bundle is sealed on P-256",
        ),
        (
            "key_origin",
            origin,
            "AWS_KMS",
            "material that was made elsewhere exists elsewhere",
        ),
    ] {
        if is != wanted {
            let what = format!("it is {is}, not {wanted}");
            found.push(finding(code, arn.clone(), what, why, NEW_KEY));
        }
    }
    if *multi_region {
        found.push(finding(
            "multi_region",
            arn.clone(),
            "it is a multi-Region key",
            "each replica is the same key under a policy of its own",
            NEW_KEY,
        ));
    }
    found.extend(of_state(arn, state));
    let read = public_key.as_ref();
    if pinned.is_some_and(|pinned| read.is_some_and(|read| read.as_slice() != pinned)) {
        found.push(finding(
            "other_public_key",
            arn.clone(),
            "its public key is not the one that the manifest pins",
            "the bundle is not sealed to it",
            NEW_KEY,
        ));
    }
    found.extend(replicas.iter().map(|replica| {
        finding(
            "replica_exists",
            arn.clone(),
            format!("{replica} is the same key"),
            "what its own policy allows, it does with this deployment's secret",
            NEW_KEY,
        )
    }));
    found.extend(grants.iter().map(|grant| of_grant(arn, grant)));
    found
}

fn of_state(arn: &str, state: &str) -> Option<Finding> {
    let mend = match state {
        "Enabled" => return None,
        "PendingDeletion" => "aws kms cancel-key-deletion, then enable-key, before its date",
        _ => "aws kms enable-key",
    };
    Some(finding(
        "key_state",
        arn,
        format!("its state is {state}"),
        "the next boot gets no key",
        mend,
    ))
}

/// Reads a key from KMS and says everything that is wrong with it and its policy.
///
/// # Errors
///
/// [`Error::Kms`].
pub async fn live(
    kms: &Kms,
    arn: &str,
    public_key: &[u8],
    wanted: &Wanted<'_>,
) -> Result<Vec<Finding>, Error> {
    let facts = kms.facts(arn).await?;
    let text = kms.policy(arn).await?;
    let mut found = check(&facts, Some(public_key));
    found.extend(of_policy(arn, &text, wanted));
    for replica in &facts.replicas {
        found.extend(of_replica(kms, replica, wanted).await);
    }
    Ok(found)
}

/// What is wrong with a key's policy; each place with the key's name, since a deployment has several.
fn of_policy(arn: &str, text: &str, wanted: &Wanted<'_>) -> Vec<Finding> {
    let mut found = super::judge::policy(text.as_bytes(), wanted);
    found
        .iter_mut()
        .for_each(|one| one.at = format!("{} of {arn}", one.at));
    found
}

/// What is wrong with a replica: it is the same key under another policy, in another Region, with grants of its own.
async fn of_replica(kms: &Kms, replica: &str, wanted: &Wanted<'_>) -> Vec<Finding> {
    let read = async {
        let kms = kms.beside(replica)?;
        Ok::<_, Error>((kms.facts(replica).await?, kms.policy(replica).await?))
    };
    let (facts, text) = match read.await {
        Ok(read) => read,
        Err(error) => {
            let what = format!("its policy cannot be read: {error}");
            let why = "a policy that nobody read is not known to hold";
            return vec![finding("replica_unread", replica, what, why, NEW_KEY)];
        }
    };
    let wanted = Wanted {
        key: Some(replica),
        ..*wanted
    };
    let mut found = of_policy(replica, &text, &wanted);
    found.extend(of_state(replica, &facts.state));
    found.extend(facts.grants.iter().map(|grant| of_grant(replica, grant)));
    found
}

fn of_grant(arn: &str, grant: &GrantFacts) -> Finding {
    let GrantFacts {
        id,
        grantee,
        operations,
    } = grant;
    finding(
        "grant_exists",
        arn,
        format!("grant {id} lets {grantee} {}", operations.join(", ")),
        "grants allow beside the policy and outlive its change",
        format!("aws kms revoke-grant --key-id {arn} --grant-id {id}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            arn: "arn:aws:kms:eu-west-1:111122223333:key/1".to_owned(),
            usage: "KEY_AGREEMENT".to_owned(),
            spec: "ECC_NIST_P256".to_owned(),
            origin: "AWS_KMS".to_owned(),
            multi_region: false,
            state: "Enabled".to_owned(),
            public_key: Some(vec![1]),
            replicas: Vec::new(),
            grants: Vec::new(),
        }
    }

    #[test]
    fn each_wrong_fact_is_found() {
        assert!(check(&facts(), Some(&[1])).is_empty());
        type Change = fn(&mut Facts);
        let table: [(&str, Change); 9] = [
            ("key_usage", |f| f.usage = "ENCRYPT_DECRYPT".to_owned()),
            ("key_spec", |f| f.spec = "ECC_NIST_P384".to_owned()),
            ("key_origin", |f| f.origin = "EXTERNAL".to_owned()),
            ("multi_region", |f| f.multi_region = true),
            ("replica_exists", |f| {
                f.replicas
                    .push("arn:aws:kms:eu-west-2:111122223333:key/1".to_owned());
            }),
            ("key_state", |f| f.state = "Disabled".to_owned()),
            ("key_state", |f| f.state = "PendingDeletion".to_owned()),
            ("other_public_key", |f| f.public_key = Some(vec![2])),
            ("grant_exists", |f| {
                f.grants.push(GrantFacts {
                    id: "g".to_owned(),
                    grantee: "arn:aws:iam::111122223333:role/x".to_owned(),
                    operations: vec!["DeriveSharedSecret".to_owned()],
                });
            }),
        ];
        for (code, change) in table {
            let mut facts = facts();
            change(&mut facts);
            let found: Vec<_> = check(&facts, Some(&[1])).iter().map(|f| f.code).collect();
            assert_eq!(found, [code]);
        }
    }
}
