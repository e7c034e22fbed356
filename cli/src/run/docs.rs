//! Manual pages and completions, made from the very definitions that parse the command line.
//!
//! Hidden verbs are in neither. Nothing here knows a verb by name.

use crate::{
    args::{
        Cli,
        docs::{Completions, Man, ShellArg},
    },
    output::{Outcome, stdout},
};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use claviger_cli::Error;
use serde_json::json;
use std::{fs, path::Path};

/// The name of the program.
const NAME: &str = "claviger";

/// Prints a shell's completions.
pub(crate) fn completions(args: &Completions, json: bool) -> Outcome {
    let (word, shell) = match args.shell {
        ShellArg::Bash => ("bash", Shell::Bash),
        ShellArg::Zsh => ("zsh", Shell::Zsh),
        ShellArg::Fish => ("fish", Shell::Fish),
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(Cli::command()), NAME, &mut script);
    let script = String::from_utf8_lossy(&script);
    if json {
        return json!({ "shell": word, "script": script }).into();
    }
    stdout(&script);
    Outcome::silent()
}

/// Prints the first manual page, or writes every verb's.
pub(crate) fn man(args: &Man, json: bool) -> Result<Outcome, Error> {
    let mut command = shown(Cli::command());
    command.build();
    let Some(dir) = &args.dir else {
        let page = page(&command, NAME)?;
        if json {
            return Ok(json!({ "page": format!("{NAME}.1"), "text": page }).into());
        }
        stdout(&page);
        return Ok(Outcome::silent());
    };
    fs::create_dir_all(dir).map_err(Error::io("cannot make", dir))?;
    let mut written = Vec::new();
    write(&command, NAME, dir, &mut written)?;
    Ok(json!({ "dir": dir, "pages": written }).into())
}

/// The same command without hidden verbs and without `help`, at every level.
fn shown(command: Command) -> Command {
    let kept: Vec<_> = command
        .get_subcommands()
        .filter(|verb| !verb.is_hide_set())
        .map(|verb| shown(verb.clone()))
        .collect();
    if kept.is_empty() {
        return command;
    }
    let mut bare = Command::new(command.get_name().to_owned())
        .disable_help_subcommand(true)
        .subcommand_required(command.is_subcommand_required_set())
        .args(command.get_arguments().cloned())
        .subcommands(kept);
    if let Some(about) = command.get_about() {
        bare = bare.about(about.clone());
    }
    if let Some(after) = command.get_after_help() {
        bare = bare.after_help(after.clone());
    }
    match command.get_version() {
        Some(version) => bare.version(version.to_owned()).propagate_version(true),
        None => bare,
    }
}

fn write(
    command: &Command,
    name: &str,
    dir: &Path,
    written: &mut Vec<String>,
) -> Result<(), Error> {
    let file = format!("{name}.1");
    let path = dir.join(&file);
    fs::write(&path, page(command, name)?).map_err(Error::io("cannot write", &path))?;
    written.push(file);
    for verb in command.get_subcommands() {
        write(verb, &format!("{name}-{}", verb.get_name()), dir, written)?;
    }
    Ok(())
}

/// A page in roff. `name` is the page's, with hyphens; the synopsis has the words.
fn page(command: &Command, name: &str) -> Result<String, Error> {
    let command = command
        .clone()
        .disable_help_subcommand(true)
        .display_name(name.to_owned())
        .bin_name(name.replace('-', " "));
    let man = clap_mangen::Man::new(command).manual("Claviger");
    let mut text = Vec::new();
    let rendered = man.render(&mut text);
    rendered.map_err(Error::io("cannot render", Path::new(name)))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(command: &Command, path: &str, check: &mut impl FnMut(&Command, &str)) {
        check(command, path);
        for verb in command.get_subcommands() {
            each(verb, &format!("{path} {}", verb.get_name()), check);
        }
    }

    #[test]
    fn every_verb_and_argument_has_help() {
        let mut bare = Vec::new();
        let mut verbs = 0;
        each(&shown(Cli::command()), NAME, &mut |command, path| {
            verbs += 1;
            if command
                .get_about()
                .is_none_or(|about| about.to_string().is_empty())
            {
                bare.push(path.to_owned());
            }
            for argument in command.get_arguments() {
                let help = argument.get_help().map(ToString::to_string);
                if help.is_none_or(|help| help.is_empty()) {
                    bare.push(format!("{path} {}", argument.get_id()));
                }
            }
        });
        assert!(verbs > 40, "{verbs}");
        assert_eq!(bare, Vec::<String>::new());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        shown(Cli::command()).debug_assert();
    }

    #[test]
    fn hidden_verbs_are_left_out() {
        let all = Cli::command();
        let hidden: Vec<_> = all
            .get_subcommands()
            .filter(|verb| verb.is_hide_set())
            .collect();
        assert!(!hidden.is_empty());
        let shown = shown(all.clone());
        for verb in hidden {
            assert!(shown.find_subcommand(verb.get_name()).is_none());
        }
    }
}
