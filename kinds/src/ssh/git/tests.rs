//! Objects as git writes them are read; every other way to write one is not.

use super::*;

pub(in crate::ssh) const COMMIT: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904
parent 0123456789abcdef0123456789abcdef01234567
author Bot <bot@example.com> 1795424400 +0100
committer A B <a@b> 1795424401 -0930

message

body
";
pub(in crate::ssh) const TAG: &str = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904
type commit
tag v1.2
tagger Bot <bot@example.com> 0 +0000

notes
";

fn fine(text: &str) -> bool {
    read(text.as_bytes()).is_ok()
}

#[test]
fn what_git_writes_is_read() {
    let commit = read(COMMIT.as_bytes()).unwrap();
    assert_eq!(commit.of, ObjectType::Commit);
    let people = [
        ("author", "Bot <bot@example.com>"),
        ("committer", "A B <a@b>"),
    ];
    assert_eq!((commit.people.as_slice(), commit.tag), (&people[..], None));
    let tag = read(TAG.as_bytes()).unwrap();
    let people = [("tagger", "Bot <bot@example.com>")];
    assert_eq!(
        (tag.of, tag.people.as_slice()),
        (ObjectType::Tag, &people[..])
    );
    assert_eq!(tag.tag, Some("v1.2"));
    let (head, _) = COMMIT.split_once("\n\n").unwrap();
    for good in [
        // An empty message, a first commit, a merge, SHA-256, an encoding, anything in a message.
        format!("{head}\n\n"),
        COMMIT.replace("parent 0123456789abcdef0123456789abcdef01234567\n", ""),
        COMMIT.replace("author", &format!("parent {}\nauthor", "f".repeat(40))),
        COMMIT
            .replace("4b825dc642cb6eb9a060e54bf8d69288fbee4904", &"a".repeat(64))
            .replace("0123456789abcdef0123456789abcdef01234567", &"b".repeat(64)),
        format!("{head}\nencoding ISO-8859-1\n\nx"),
        format!("{COMMIT}\n-----BEGIN SSH SIGNATURE-----\ntree x\nauthor y\r\n"),
    ] {
        assert!(fine(&good), "{good}");
    }
    let latin = format!("{head}\nencoding ISO-8859-1\n\n").into_bytes();
    read(&[&latin[..], &[0xe9]].concat()).unwrap();
    read(&[COMMIT.as_bytes(), &[0xe9]].concat()).unwrap_err();
    for good in ["release/2026.1", "a@b", "x-1"] {
        assert!(fine(&TAG.replace("v1.2", good)), "{good}");
    }
}

#[test]
fn nothing_else_is() {
    let commit = |from: &str, to: &str| {
        assert!(COMMIT.contains(from), "{from}");
        COMMIT.replacen(from, to, 1)
    };
    let (head, _) = COMMIT.split_once("\n\n").unwrap();
    let signed = format!("{head}\ngpgsig -----BEGIN SSH SIGNATURE-----\n\nm");
    let folded = format!("{head}\n continued\n\nm");
    for bad in [
        "",
        "\n\n",
        "tree ",
        head,
        &signed,
        &folded,
        &format!("{head}\nmergetag object x\n\nm"),
        &format!("{head}\nencoding UTF-7\n\nm"),
        &format!("{head}\nencoding utf-8 x\n\nm"),
        &format!("{head}\nencoding utf-8\nencoding utf-8\n\nm"),
        &format!("x {COMMIT}"),
        &format!("\n{COMMIT}"),
        &format!("{COMMIT}\0"),
        &COMMIT.replace('\n', "\r\n"),
        &commit("tree ", "tree  "),
        &commit("tree 4b", "tree 4B"),
        &commit("tree 4b", "tree b"),
        &commit("tree 4b", "tree 4b\r"),
        &commit("parent 01", &format!("parent {}01", "0".repeat(24))),
        &commit("parent 01", "parent 01\t"),
        &commit("author", "committer"),
        &commit("author Bot", "author"),
        &commit("author Bot <bot@example.com> 1795424400 +0100\n", ""),
        &commit("<bot@example.com>", "<>"),
        &commit("<bot@example.com>", "<bot@example.com> <x@y>"),
        &commit("<bot@example.com>", "bot@example.com"),
        &commit("Bot <bot", "Bot  <bot"),
        &commit("Bot <bot", "B\u{7}t <bot"),
        &commit("1795424400", "01795424400"),
        &commit("1795424400", "-1"),
        &commit("1795424400", "99999999999999999999"),
        &commit("+0100", "0100"),
        &commit("+0100", "+100"),
        &commit("+0100", "+01000"),
        &commit("+0100", "+0100 "),
        &commit(
            "\nparent",
            "\ntree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nparent",
        ),
        "certificate version 0.1\npusher Bot\n\nx",
    ] {
        assert!(!fine(bad), "{bad:?}");
    }
    let tag = |from: &str, to: &str| {
        assert!(TAG.contains(from), "{from}");
        TAG.replacen(from, to, 1)
    };
    for bad in [
        tag("type commit", "type file"),
        tag("tagger Bot <bot@example.com> 0 +0000\n", ""),
        tag("\ntagger", "\nencoding utf-8\ntagger"),
        tag("0 +0000", "0 +0000\ngpgsig x"),
        format!("{TAG}-----BEGIN SSH SIGNATURE-----\n"),
        format!("{TAG}-----BEGIN PGP SIGNATURE-----\n"),
        format!("{TAG}-----BEGIN PGP MESSAGE-----\n"),
        format!("{TAG}-----BEGIN SIGNED MESSAGE-----\n"),
    ] {
        assert!(!fine(&bad), "{bad:?}");
    }
    for name in [
        "",
        "-x",
        "a..b",
        "a b",
        "a~1",
        "a^",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a\\b",
        "a.lock",
        "a/",
        "/a",
        "a//b",
        ".a",
        "a/.b",
        "@",
        "a@{1}",
        "é",
        "a.",
        &"a".repeat(MAX_TAG + 1),
    ] {
        assert!(!fine(&tag("tag v1.2", &format!("tag {name}"))), "{name:?}");
    }
    assert!(fine(&tag("v1.2", &"a".repeat(MAX_TAG))));
}

#[test]
fn parents_have_a_limit() {
    let parents = |count: usize| {
        let parents = "parent 0123456789abcdef0123456789abcdef01234567\n".repeat(count);
        COMMIT.replacen("author", &format!("{parents}author"), 1)
    };
    assert!(fine(&parents(MAX_PARENTS - 1)));
    assert!(!fine(&parents(MAX_PARENTS)));
}
