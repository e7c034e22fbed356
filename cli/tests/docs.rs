//! The pages for people, held to the programs: their shell blocks run, their links lead somewhere, their tables are whole.
//!
//! A block that begins with "```sh run" is run, all blocks of a page in one shell, against a simulation. A block "```text out"
//! below it is what it printed: `…` stands for anything in a line, and alone on a line for any number of lines.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where a page is wrong, and says what it skips"
)]

mod deployment;
mod pages;

use claviger_shared::denial::Code;
use deployment::Deployment;
use pages::{Block, blocks, command_lines, fits, line_fits, pages, root};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// In the order in which they run, against one deployment.
const PAGES: [&str; 9] = [
    "quickstart.md",
    "agents.md",
    "catalog.md",
    "templates.md",
    "grants.md",
    "owners.md",
    "deploy.md",
    "operators.md",
    "auditors.md",
];

fn claviger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
    for name in [
        "AGENT_API_KEY",
        "CLAVIGER_PROFILE",
        "CLAVIGER_URL",
        "CLAVIGER_TOKEN",
    ] {
        command.env_remove(name);
    }
    command
}

#[test]
fn what_stands_for_anything_stands_for_nothing_else() {
    assert!(line_fits("grant: gr_…", "grant: gr_1"));
    assert!(line_fits("a … b … c", "a 1 b 2 c"));
    assert!(!line_fits("state: active", "state: revoked"));
    assert!(!line_fits("a … b", "a 1 c"));
    assert!(fits(&["a", "…", "d"], &["a", "b", "c", "d"]));
    assert!(!fits(&["a", "…", "d"], &["a", "b"]));
    assert!(!fits(&[], &["a"]));
}

/// Runs a page's blocks; each one's output.
fn run(page: &str, blocks: &[Block], deployment: &Deployment, dir: &Path) -> Vec<String> {
    let mut script = "set -euo pipefail\n".to_owned();
    let run = blocks.iter().filter(|block| block.kind == "sh run");
    let number = run.clone().count();
    for (number, block) in run.enumerate() {
        script.push_str(&format!("{{\n{}}} >out.{number} 2>&1\n", block.text));
    }
    let programs = Path::new(env!("CARGO_BIN_EXE_claviger")).parent().unwrap();
    let before = std::env::var_os("PATH").unwrap();
    let path = [programs.to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&before));
    let path = std::env::join_paths(path).unwrap();
    let status = Command::new("bash")
        .args(["-c", &script])
        .current_dir(dir)
        .env("PATH", path)
        .env("CLAVIGER_PROFILE", deployment.file("ready.json"))
        .env("CLAVIGER_REPOSITORY", root())
        .env_remove("AGENT_API_KEY")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    let out = |number| fs::read_to_string(dir.join(format!("out.{number}"))).unwrap_or_default();
    let outputs: Vec<_> = (0..number).map(out).collect();
    if !status.success() {
        let last = (0..number)
            .rev()
            .find(|number| dir.join(format!("out.{number}")).exists());
        let said = last.map(|last| format!("block {last} printed:\n{}", outputs[last]));
        panic!("{page}: {status}; {}", said.unwrap_or_default());
    }
    outputs
}

#[test]
fn the_shell_blocks_of_the_pages_run_and_print_what_they_say() {
    let Some(deployment) = Deployment::start() else {
        return;
    };
    let missing = ["bash", "curl", "jq", "ssh-keygen"]
        .iter()
        .any(|program| !is_there(program));
    let python = root().join("tests/.venv/bin/python").exists();
    let ci = std::env::var_os("CI").is_some();
    assert!(
        !ci || (!missing && python),
        "what the pages need is not there"
    );
    if missing {
        return;
    }
    let mut wrong = String::new();
    for page in PAGES {
        if page == "auditors.md" && !python {
            println!("skipped: {page}: no tests/.venv, which `make test` makes");
            continue;
        }
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let blocks = blocks(&text);
        let dir = tempfile::tempdir().unwrap();
        let outputs = run(page, &blocks, &deployment, dir.path());
        assert!(!outputs.is_empty(), "{page} has no block that runs");
        let mut ran = None;
        for block in &blocks {
            match block.kind.as_str() {
                "sh run" => ran = Some(ran.map_or(0, |last: usize| last + 1)),
                "text out" => {
                    let output = &outputs[ran.unwrap()];
                    let wanted: Vec<_> = block.text.lines().collect();
                    let says = wanted.iter().any(|line| *line != "…");
                    if !says || !fits(&wanted, &output.lines().collect::<Vec<_>>()) {
                        wrong.push_str(&format!("{page} says:\n{}it is:\n{output}\n", block.text));
                    }
                }
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_verb_and_option_that_a_page_names_is_there() {
    let mut helps: BTreeMap<String, (bool, String)> = BTreeMap::new();
    let mut help = |verbs: &str| -> (bool, String) {
        let ask = || {
            let output = claviger()
                .args(verbs.split_whitespace())
                .arg("--help")
                .output()
                .unwrap();
            (
                output.status.success(),
                String::from_utf8(output.stdout).unwrap(),
            )
        };
        helps.entry(verbs.to_owned()).or_insert_with(ask).clone()
    };
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for line in blocks(&text)
            .iter()
            .flat_map(|block| command_lines(&block.text))
        {
            // What `exec` runs is not ours.
            let line = line.split(" -- ").next().unwrap_or_default();
            let words: Vec<_> = line
                .split_whitespace()
                .skip_while(|word| word.starts_with("--profile"))
                .collect();
            let mut verbs = String::new();
            for word in words.iter().take(2) {
                let longer = format!("{verbs} {word}");
                let plain = !word.starts_with('-')
                    && word.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
                    });
                let listed = help(&verbs)
                    .1
                    .lines()
                    .any(|line| line.trim().starts_with(&format!("{word} ")));
                if !plain || !listed {
                    break;
                }
                verbs = longer;
            }
            let (known, text) = help(&verbs);
            seen += 1;
            if !known || verbs.is_empty() {
                wrong.push(format!("{}: claviger {line}", page.display()));
            }
            for option in words
                .iter()
                .filter(|word| word.starts_with("--") && word.len() > 2)
            {
                let name = option.split('=').next().unwrap_or_default();
                let name = name.trim_end_matches(|last: char| !last.is_ascii_alphanumeric());
                if !text.contains(name) {
                    wrong.push(format!("{}: {name} in claviger {line}", page.display()));
                }
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for part in text.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let file = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || file.is_empty();
            if !elsewhere && !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_page_is_on_the_map() {
    let map = fs::read_to_string(root().join("docs/README.md")).unwrap();
    for dir in ["docs", "docs/spec", "docs/decisions"] {
        for file in fs::read_dir(root().join(dir)).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            let whole_folder = dir != "docs";
            let folder = dir.strip_prefix("docs/").unwrap_or_default();
            let listed = if whole_folder {
                map.contains(&format!("]({folder})"))
            } else {
                true
            };
            let named = map.contains(&format!("]({name})"));
            let page = name.ends_with(".md") && name != "README.md";
            assert!(
                !page || if whole_folder { listed } else { named },
                "{dir}/{name}"
            );
        }
    }
}

#[test]
fn the_page_of_errors_has_every_code_of_denials_and_of_commands() {
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let row = |code: &str| {
        let rows: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with(&format!("| `{code}` |")))
            .collect();
        assert_eq!(rows.len(), 1, "{code}");
        rows[0]
            .split('|')
            .map(str::trim)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for code in Code::ALL {
        let cells = row(code.as_str());
        // Code, exit, what it means, who can mend it, how.
        assert_eq!(cells.len(), 7, "{}", code.as_str());
        assert_eq!(cells[2], code.exit().to_string(), "{}", code.as_str());
        assert!(
            cells[3..6].iter().all(|cell| !cell.is_empty()),
            "{}",
            code.as_str()
        );
    }
    let commands = fs::read_to_string(root().join("docs/spec/commands.md")).unwrap();
    let refusals = commands.split("## Refusals").nth(1).unwrap();
    let codes: Vec<_> = refusals
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert!(codes.len() >= 7, "{codes:?}");
    for code in codes {
        if !Code::ALL.iter().any(|other| other.as_str() == code) {
            row(code);
        }
    }
}

fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        println!("skipped: no {program}");
    }
    found
}

#[test]
fn manual_pages_render_without_warnings() {
    let dir = tempfile::tempdir().unwrap();
    let made = claviger()
        .args(["man", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success());
    let files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() > 50, "{}", files.len());
    let has = |name: &str| files.iter().any(|file| file.ends_with(name));
    assert!(has("claviger.1") && has("claviger-grant-create.1"));
    assert!(!has("claviger-exec-child.1"));
    for (program, arguments) in [
        ("groff", &["-ww", "-man", "-Tascii", "-z"][..]),
        ("mandoc", &["-Tlint", "-Wwarning"]),
    ] {
        if !is_there(program) {
            continue;
        }
        for file in &files {
            let said = Command::new(program)
                .args(arguments)
                .arg(file)
                .output()
                .unwrap();
            let text = [said.stdout, said.stderr].concat();
            assert!(
                said.status.success() && text.is_empty(),
                "{}: {}",
                file.display(),
                String::from_utf8_lossy(&text)
            );
        }
    }
}

#[test]
fn completions_parse_in_their_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let made = claviger().args(["completions", shell]).output().unwrap();
        let text = String::from_utf8(made.stdout).unwrap();
        assert!(made.status.success() && text.contains("reissue"), "{shell}");
        assert!(!text.contains("exec-child"), "{shell}");
        if is_there(shell) {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &text).unwrap();
            let parsed = Command::new(shell)
                .arg("-n")
                .arg(file.path())
                .output()
                .unwrap();
            assert!(
                parsed.status.success(),
                "{shell}: {}",
                String::from_utf8_lossy(&parsed.stderr)
            );
        }
    }
}
