//! Wildcards: `*` stands for any run of characters, `?` for exactly one.

/// Whether a text matches a pattern, letter case included.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0usize, 0usize);
    // Where the last star was and how much of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), text.get(read)) {
            (None, None) => return true,
            (Some('*'), _) => {
                star = Some((at, read));
                at = at.saturating_add(1);
            }
            (Some(wanted), Some(found)) if *wanted == '?' || wanted == found => {
                at = at.saturating_add(1);
                read = read.saturating_add(1);
            }
            (_, None) => return false,
            (_, Some(_)) => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                let taken = taken.saturating_add(1);
                star = Some((star_at, taken));
                at = star_at.saturating_add(1);
                read = taken;
            }
        }
    }
}

/// Whether an ARN matches a pattern, each of its six parts on its own.
pub(super) fn matches_arn(pattern: &str, arn: &str) -> bool {
    let (pattern, arn): (Vec<&str>, Vec<&str>) = (
        pattern.splitn(6, ':').collect(),
        arn.splitn(6, ':').collect(),
    );
    pattern.len() == 6
        && arn.len() == 6
        && pattern
            .iter()
            .zip(&arn)
            .all(|(pattern, part)| matches(pattern, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_any_run_and_for_one() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "", true),
            ("*", "anything", true),
            ("?", "", false),
            ("?", "a", true),
            ("?", "ab", false),
            ("kms:*", "kms:DeriveSharedSecret", true),
            ("kms:De*Secret", "kms:DeriveSharedSecret", true),
            ("kms:De*Secre", "kms:DeriveSharedSecret", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "x", true),
            ("a", "A", false),
            ("*aab", "aaaaaaaab", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_star_does_not_cross_the_parts_of_an_arn() {
        let role = "arn:aws:iam::000000000000:role/host";
        assert!(matches_arn("arn:aws:iam::*:role/*", role) && matches_arn(role, role));
        assert!(!matches_arn("arn:*:role/host", role) && !matches_arn("*", role));
        assert!(!matches_arn("arn:aws:iam::000000000000:user/*", role));
    }
}
