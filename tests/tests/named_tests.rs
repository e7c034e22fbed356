//! The pages that answer a rule or a threat with the name of a test name tests that are there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The pages, and how many tests each names at least, so that a page that lost its form does not pass by naming none.
const PAGES: [(&str, usize); 3] = [
    ("docs/limits.md", 40),
    ("docs/pitfalls.md", 80),
    ("docs/spec/attestation.md", 40),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// The functions of a source that stand under a test attribute.
fn tests_of(source: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        let name = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "));
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(name) = name {
            if std::mem::take(&mut marked) {
                tests.extend(name.split('(').next().map(str::to_owned));
            }
        } else if line.is_empty() {
            marked = false;
        }
    }
    tests
}

fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(&root(), &mut files);
    let read = |path: &PathBuf| tests_of(&fs::read_to_string(path).unwrap());
    files.iter().flat_map(read).collect()
}

/// What a page names: words in backticks with at least two underscores, which nothing but a test has there.
fn named(page: &str) -> BTreeSet<&str> {
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    page.split('`').skip(1).step_by(2).filter(is_name).collect()
}

#[test]
fn every_test_that_a_page_names_is_there() {
    let tests = tests();
    for (page, least) in PAGES {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let named = named(&text);
        let missing: Vec<_> = named
            .iter()
            .filter(|name| !tests.contains(**name))
            .collect();
        assert!(missing.is_empty(), "{page} names no test: {missing:?}");
        assert!(named.len() >= least, "{page} names {}", named.len());
    }
}

#[test]
fn only_what_is_marked_as_a_test_counts() {
    let source = "#[test]\nfn one() {}\n\nfn two() {}\n#[tokio::test]\n#[ignore = \"x\"]\nasync fn three() {}\n";
    let found: Vec<_> = tests_of(source).into_iter().collect();
    assert_eq!(found, ["one", "three"]);
    let named: Vec<_> = named("`a_b_c` is, `a_b` is not, nor `A_B_C`, a_b_d")
        .into_iter()
        .collect();
    assert_eq!(named, ["a_b_c"]);
}
