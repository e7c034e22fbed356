//! How Regions, accounts, services and actions are written, and which services hand credentials out.

use crate::effect::Verb;

/// Whether a text is a Region of the partitions whose host names are known: `aws`, `aws-cn`, `aws-us-gov`.
#[must_use]
pub fn is_region(text: &str) -> bool {
    let mut parts = text.split('-');
    let letters = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    let area = parts
        .next()
        .is_some_and(|part| part.len() == 2 && letters(part));
    let number = parts.next_back().is_some_and(|part| {
        (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    });
    let middle: Vec<&str> = parts.collect();
    let known = !middle.iter().any(|part| part.starts_with("iso"));
    area && number
        && known
        && !middle.is_empty()
        && middle.iter().all(|part| letters(part))
        && text.len() <= 32
}

/// Whether a text is an account's number.
#[must_use]
pub fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is a service's name as credential scopes have it.
#[must_use]
pub fn is_service(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    starts && text.len() <= 64 && text.bytes().all(fine)
}

/// Services whose answers are, or may be, credentials or secrets, whatever is called.
const MINTING: [&str; 14] = [
    "codeartifact",
    "cognito-identity",
    "cognito-idp",
    "ecr",
    "ecr-public",
    "eks-auth",
    "iam",
    "rds-data",
    "redshift",
    "rolesanywhere",
    "sso",
    "sso-oauth",
    "ssm",
    "sts",
];

/// Whether every route of a service mints, without a table of its actions.
#[must_use]
pub fn mints_by_itself(service: &str) -> bool {
    MINTING.contains(&service)
}

/// What an action does, by how its name begins; what is not known to look or remove, changes.
#[must_use]
pub fn verb_by_name(name: &str) -> Verb {
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if begins(&[
        "Get", "List", "Describe", "Head", "BatchGet", "Query", "Scan",
    ]) {
        Verb::Read
    } else if begins(&["Delete", "Remove", "Terminate", "Purge"]) {
        Verb::Delete
    } else {
        Verb::Write
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_accounts_and_services_have_one_spelling() {
        for good in [
            "eu-west-1",
            "us-gov-west-1",
            "cn-north-1",
            "ap-southeast-10",
        ] {
            assert!(is_region(good), "{good}");
        }
        for bad in [
            "",
            "eu",
            "eu-1",
            "eu-west",
            "EU-west-1",
            "eu-west-1.evil",
            "us-iso-east-1",
            "us-isob-east-1",
            "*",
            "eu--1",
            "eu-west-100",
            "eu-west-1a",
            "euu-west-1",
        ] {
            assert!(!is_region(bad), "{bad}");
        }
        assert!(
            is_account("123456789012") && !is_account("12345678901") && !is_account("12345678901a")
        );
        assert!(
            is_service("execute-api") && !is_service("") && !is_service("S3") && !is_service("a/b")
        );
        assert!(!is_service("-a") && !is_service("a.b"));
    }
}
