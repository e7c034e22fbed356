//! What a refused command is told: its code, the place at fault, and what would be right.

use crate::{id::Digest, ledger::CommandDenied, owner, owner::command::Command};

fn malformed() -> owner::Error {
    Command::parse(b"{}").unwrap_err()
}

#[test]
fn each_refusal_has_its_code_its_place_and_a_sentence() {
    let (one, two) = (Digest([1; 32]), Digest([2; 32]));
    let error = malformed();
    let (pointer, right) = (error.pointer().to_owned(), error.expected().to_owned());
    let told = format!("expected {right}");
    let place = Some(pointer.as_str());
    let action = CommandDenied::Action {
        pointer: "/action/grant",
        detail: "a grant that exists".to_owned(),
    };
    let next = CommandDenied::NotNext { seq: 7, prev: one };
    let next_told = format!("expected seq 7 and prev {one}, the next of its chain");
    let lifts_told = format!("expected exactly [{one}, {two}]");
    for (denied, code, pointer, expected) in [
        (
            action,
            "not_applicable",
            Some("/action/grant"),
            "expected a grant that exists",
        ),
        (
            CommandDenied::Malformed(malformed()),
            "malformed",
            place,
            &told,
        ),
        (
            CommandDenied::Manifest(malformed()),
            "not_applicable",
            place,
            &told,
        ),
        (
            CommandDenied::Signatures(malformed()),
            "signatures",
            place,
            &told,
        ),
        (next, "not_next", Some("/seq"), &next_told),
        (
            CommandDenied::Lifts(vec![one, two]),
            "lifts",
            Some("/lifts"),
            &lifts_told,
        ),
        (
            CommandDenied::Time,
            "time",
            None,
            "expected issued_at at most 60 s ahead, and not_after to come",
        ),
        (
            CommandDenied::Unsupported,
            "unsupported",
            None,
            "expected an action that is built",
        ),
    ] {
        assert_eq!(denied.code(), code);
        assert_eq!(denied.pointer(), pointer, "{code}");
        assert_eq!(denied.expected(), expected, "{code}");
    }
}
