//! A federation as text that a shell takes: what is to be known as comments, files as they are pasted, commands as they are run.

use super::{Federation, Step, setup};
use std::fmt::Write;

/// A word that a shell reads as it is.
#[must_use]
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The whole, top to bottom.
#[must_use]
pub fn text(federation: &Federation) -> String {
    let facts = &federation.facts;
    let mut out = String::new();
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(out, "# {name}: {value}");
    };
    say("provider", federation.provider.as_str());
    say("issuer", &facts.issuer);
    say("audience", &facts.audience);
    let subject = facts.subject.as_str();
    match &facts.subject {
        super::Subject::Exact(_) => say("subject", subject),
        super::Subject::Prefix(_) => {
            say("subject", &format!("{subject}…, every grant of the agent"))
        }
    }
    for key in &facts.signing {
        say(
            "key",
            &format!("{} ({})", key.id, super::rules::word(key.alg)),
        );
    }
    say("assurance", "token");
    say("minted", federation.setup.minted);
    say("bounds", setup::BOUNDS);
    for caution in federation.cautions() {
        say("caution", &caution);
    }
    say("to fill in", &federation.setup.fill.join(", "));
    let head = |out: &mut String, title: &str| {
        let _ = writeln!(out, "\n# == {title}");
    };
    head(&mut out, "at the provider");
    steps(&mut out, &federation.setup.provider);
    head(
        &mut out,
        "behind the issuer's URL, as application/json (--out DIR writes these)",
    );
    for (name, value) in &facts.published {
        file(&mut out, name, &format!("{value:#}"));
    }
    head(&mut out, "by the agent, for each exchange");
    steps(&mut out, &federation.setup.exchange);
    out
}

fn steps(out: &mut String, steps: &[Step]) {
    for step in steps {
        let _ = writeln!(out, "# {}", step.what());
        match step {
            Step::File { name, value, .. } => file(out, name, &format!("{value:#}")),
            Step::Run { command, .. } => {
                let _ = writeln!(out, "{command}");
            }
        }
    }
}

/// No line of indented JSON is the word that ends it.
fn file(out: &mut String, name: &str, text: &str) {
    if let Some((dir, _)) = name.rsplit_once('/') {
        let _ = writeln!(out, "mkdir -p {dir}");
    }
    let _ = writeln!(out, "cat >{name} <<'EOF'\n{text}\nEOF");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_one_word_to_a_shell() {
        for text in ["", "a b", "it's", "$(id) `id` \"x\" \\", "''"] {
            let script = format!("printf %s {}", quote(text));
            let said = std::process::Command::new("sh")
                .args(["-c", &script])
                .output();
            assert_eq!(String::from_utf8(said.unwrap().stdout).unwrap(), text);
        }
    }
}
