//! What stands in the pages for people: blocks, and whether an output is what a block says.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every page of ours.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut found: Vec<_> = [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
    ]
    .map(|name| root().join(name))
    .into();
    for dir in ["docs", "docs/spec", "docs/decisions"] {
        let files = fs::read_dir(root().join(dir)).unwrap();
        found.extend(files.map(|file| file.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    assert!(found.len() > 40, "{}", found.len());
    found
}

/// A fenced block.
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// The fenced blocks of a page.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(kind), None) => {
                open = Some(Block {
                    kind: kind.trim().to_owned(),
                    text: String::new(),
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block does not end");
    found
}

/// Whether a line is what is wanted; `…` stands for anything.
pub(crate) fn line_fits(wanted: &str, line: &str) -> bool {
    let parts: Vec<_> = wanted.split('…').collect();
    let [first, middle @ .., last] = &parts[..] else {
        return wanted == line;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else {
            return false;
        };
        rest = after;
    }
    rest.ends_with(last)
}

/// Whether lines are; `…` alone stands for any number of them.
pub(crate) fn fits(wanted: &[&str], lines: &[&str]) -> bool {
    match (wanted, lines) {
        ([], lines) => lines.is_empty(),
        (["…", after @ ..], lines) => (0..=lines.len()).any(|skip| fits(after, &lines[skip..])),
        ([_, ..], []) => false,
        ([first, after @ ..], [line, rest @ ..]) => line_fits(first, line) && fits(after, rest),
    }
}

/// The command lines of a block: joined, without comments.
pub(crate) fn command_lines(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("claviger ").map(str::to_owned))
        .map(|line| line.split(" #").next().unwrap_or_default().to_owned())
        .map(|line| {
            line.split(['|', ';', '>', ')'])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}
