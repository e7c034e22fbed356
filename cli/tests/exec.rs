//! `claviger exec`: what its command can do, and what a hostile command cannot.
//!
//! The hostile command is `hostile.py`; beside every run against which it must fail stands one, with `--weak`, in which the
//! same attacks find the key.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test stops where its script breaks, and says what it skips"
)]

mod deployment;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use claviger_client::AgentKey;
use deployment::{Deployment, terminate, wait_for};
use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt, chown},
        process::{CommandExt, ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// The user that hostile commands run as.
const NOBODY: u32 = 65_534;
const PYTHON: &str = "/usr/bin/python3";

/// A deployment, its key in every form, and a directory that everybody may enter.
struct Stage {
    deployment: Deployment,
    open: tempfile::TempDir,
    text: String,
    secret: [u8; 32],
}

impl Stage {
    fn set() -> Option<Self> {
        let deployment = Deployment::start()?;
        let open = tempfile::tempdir().unwrap();
        fs::set_permissions(open.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let script = open.path().join("hostile.py");
        fs::write(script, include_bytes!("hostile.py")).unwrap();
        let text = fs::read_to_string(deployment.file("agent.key")).unwrap();
        let text = text.trim().to_owned();
        let secret = *AgentKey::parse(&text).unwrap().secret.expose();
        Some(Self {
            deployment,
            open,
            text,
            secret,
        })
    }

    /// A directory of a user's own, with the agent key and another sidecar's token in it.
    fn home(&self, owner: u32) -> PathBuf {
        let home = self.open.path().join(format!("home-{owner}"));
        let keys = home.join("keys");
        fs::create_dir_all(&keys).unwrap();
        for (name, content) in [("agent.key", self.text.as_str()), ("token", TOKEN)] {
            fs::write(keys.join(name), content).unwrap();
            fs::set_permissions(keys.join(name), fs::Permissions::from_mode(0o600)).unwrap();
            chown(keys.join(name), Some(owner), Some(owner)).unwrap();
        }
        for dir in [&home, &keys] {
            chown(dir, Some(owner), Some(owner)).unwrap();
        }
        home
    }

    /// Whether anything of the secret stands in what a command got.
    fn found(&self, output: &Output) -> bool {
        let hex: Vec<_> = self.secret.iter().map(|b| format!("{b:02x}")).collect();
        let standard = STANDARD_NO_PAD.encode(self.secret);
        let for_urls = URL_SAFE_NO_PAD.encode(self.secret);
        let parts = [
            self.secret[..16].to_vec(),
            self.secret[16..].to_vec(),
            hex[..16].concat().into_bytes(),
            standard.as_bytes()[..20].to_vec(),
            for_urls.as_bytes()[..20].to_vec(),
        ];
        let texts = self.text.as_bytes().chunks_exact(24).map(<[u8]>::to_vec);
        let parts: Vec<_> = parts.into_iter().chain(texts).collect();
        let got = [&output.stdout[..], &output.stderr].concat();
        parts.iter().any(|part| contains(&got, part))
    }

    fn attack(&self, command: &mut Command, home: &Path) -> Output {
        let script = self.open.path().join("hostile.py");
        command
            .args(["--", PYTHON])
            .arg(script)
            .args([home.join("keys/agent.key"), home.join("keys/token")])
            .current_dir(home);
        let output = command.output().unwrap();
        let tried = contains(&output.stdout, b"all tried");
        assert!(tried, "{}", String::from_utf8_lossy(&output.stderr));
        output
    }
}

/// Stands for what another sidecar wrote.
const TOKEN: &str = "another-sidecars-token-0123456789abcdefghij";

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn exec(program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("exec")
        .env_remove("AGENT_API_KEY")
        .env_remove("CLAVIGER_PROFILE")
        .stdin(Stdio::null());
    command
}

fn claviger() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_claviger"))
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: needs root");
    }
    root
}

/// The three ways a key comes, each from root's own directory.
fn by_every_way(stage: &Stage, home: &Path) -> Vec<(&'static str, Command)> {
    let key = home.join("keys/agent.key");
    let mut environment = exec(claviger());
    environment.env("AGENT_API_KEY", &stage.text);
    environment.env("A_COPY", format!("key={}", stage.text));
    let mut file = exec(claviger());
    file.arg("--key-file").arg(&key);
    let mut descriptor = exec(claviger());
    descriptor.args(["--key-fd", "0"]);
    descriptor.stdin(fs::File::open(&key).unwrap());
    vec![
        ("environment", environment),
        ("file", file),
        ("descriptor", descriptor),
    ]
}

#[test]
fn a_hostile_command_of_another_user_gets_nothing_of_the_agent_key() {
    if !is_root() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    let home = stage.home(0);
    for (way, mut command) in by_every_way(&stage, &home) {
        command.args(["--as-user", "65534"]);
        let output = stage.attack(&mut command, &home);
        assert!(!stage.found(&output), "{way}");
        assert!(!contains(&output.stdout, TOKEN.as_bytes()), "{way}");
        assert!(contains(&output.stdout, b"CLAVIGER_TOKEN"), "{way}");
        assert_eq!(output.status.code(), Some(0), "{way}: exec lives on");
    }
}

#[test]
fn the_same_attacks_find_the_key_where_exec_was_told_to_be_weak() {
    if !is_root() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    let home = stage.home(0);
    // Its child is confined all the same where the kernel has Landlock; as root it finds what Landlock does not cover.
    let output = stage.attack(
        exec(claviger())
            .args(["--weak", "--key-file"])
            .arg(home.join("keys/agent.key")),
        &home,
    );
    let landlocked = !contains(&output.stdout, b"key file: GOT");
    assert!(landlocked || stage.found(&output));
    // Without `exec` at all they find it in every case.
    let mut plain = Command::new("/bin/sh");
    plain.env("AGENT_API_KEY", &stage.text);
    let script = stage.open.path().join("hostile.py");
    let line = format!(
        "{PYTHON} {} {} {}; :",
        script.display(),
        home.join("keys/agent.key").display(),
        home.join("keys/token").display()
    );
    let output = plain
        .args(["-c", &line])
        .current_dir(&home)
        .output()
        .unwrap();
    for attack in ["key file", "memory", "tracing", "token of another sidecar"] {
        let got = format!("\n{attack}: GOT ");
        assert!(contains(&output.stdout, got.as_bytes()), "{attack}");
    }
    assert!(stage.found(&output));
}

#[test]
fn a_hostile_command_of_the_same_user_gets_nothing_where_the_kernel_has_landlock() {
    if !is_root() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    let program = stage.open.path().join("claviger");
    fs::copy(claviger(), &program).unwrap();
    let home = stage.home(NOBODY);
    let core = home.join("core");
    let as_nobody = |program: &Path| {
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY).current_dir(&home);
        command
            .env("AGENT_API_KEY", &stage.text)
            .stdin(Stdio::null());
        command.env_remove("CLAVIGER_PROFILE");
        command
    };
    let probe = as_nobody(&program)
        .args(["exec", "--", "true"])
        .output()
        .unwrap();
    if probe.status.code() == Some(125) {
        assert!(contains(&probe.stderr, b"no Landlock"));
        println!("no Landlock here: refused, as it has to be");
        return;
    }
    // The shell that starts `exec` holds the key in its own environment, as a person's does.
    for (options, redirection) in [
        ("--key-file keys/agent.key", ""),
        ("--key-fd 9", "9<keys/agent.key"),
        ("--hide keys/agent.key", ""),
    ] {
        let _ = fs::remove_file(home.join("keys/agent.key.link"));
        let program = program.display();
        let line =
            format!("{program} exec --hide keys/token {options} \"$@\" {redirection}; exit $?");
        let mut command = as_nobody(Path::new("/bin/sh"));
        let output = stage.attack(command.args(["-c", &line, "sh"]), &home);
        assert!(!stage.found(&output), "{options}");
        assert!(!contains(&output.stdout, TOKEN.as_bytes()), "{options}");
        assert!(contains(&output.stdout, b"CLAVIGER_TOKEN"), "{options}");
        assert!(!core.exists(), "{options}");
    }
}

#[test]
fn no_process_of_the_same_user_can_look_into_the_one_that_holds_the_key() {
    if !is_root() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    let program = stage.open.path().join("claviger");
    fs::copy(claviger(), &program).unwrap();
    let home = stage.home(NOBODY);
    let as_nobody = |program: &Path| {
        let mut command = Command::new(program);
        command.uid(NOBODY).gid(NOBODY).current_dir(&home);
        command
            .stdin(Stdio::null())
            .env("AGENT_API_KEY", &stage.text);
        command
    };
    let look = |child: &Child, what: &str| {
        let path = format!("/proc/{}/{what}", child.id());
        as_nobody(Path::new("cat"))
            .env_clear()
            .arg(path)
            .output()
            .unwrap()
    };
    let mut open = as_nobody(Path::new("sleep")).arg("60").spawn().unwrap();
    wait_for(|| stage.found(&look(&open, "environ")));
    let words = [
        "exec",
        "--weak",
        "--",
        "sh",
        "-c",
        "touch started; exec sleep 60",
    ];
    let mut closed = as_nobody(&program).args(words).spawn().unwrap();
    wait_for(|| home.join("started").exists());
    for what in ["environ", "maps", "mem", "fd/0"] {
        let output = look(&closed, what);
        assert!(
            !output.status.success() && output.stdout.is_empty(),
            "{what}"
        );
    }
    let limits = look(&closed, "limits").stdout;
    let line = limits
        .split(|byte| *byte == b'\n')
        .find(|line| line.starts_with(b"Max core"));
    let line = String::from_utf8_lossy(line.unwrap()).into_owned();
    assert!(
        line.split_whitespace().filter(|word| *word == "0").count() == 2,
        "{line}"
    );
    for child in [&mut open, &mut closed] {
        terminate(child);
        child.wait().unwrap();
    }
}

#[test]
fn root_does_not_start_a_command_as_root() {
    if !is_root() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["--", "touch", "ran"][..],
        &["--as-user", "root", "--", "touch", "ran"],
    ] {
        let output = exec(claviger())
            .args(arguments)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
    }
    assert!(!dir.path().join("ran").exists());
}

#[test]
fn a_key_that_the_commands_user_may_read_is_refused_and_so_is_one_in_an_argument() {
    if !is_root() {
        return;
    }
    let Some(stage) = Stage::set() else { return };
    let home = stage.home(NOBODY);
    let key = home.join("keys/agent.key");
    let run = |words: &[&str]| {
        let mut command = exec(claviger());
        command.args(["--as-user", "65534"]).args(words);
        command.args(["--", "echo", "ran"]).output().unwrap()
    };
    let output = run(&["--key-file", key.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(125));
    let mut command = exec(claviger());
    command.env("AGENT_API_KEY", &stage.text).args([
        "--as-user",
        "65534",
        "--",
        "echo",
        &stage.text,
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(!stage.found(&output));
}

#[test]
fn a_command_uses_the_grant_and_its_exit_code_and_signals_are_its_own() {
    let Some(stage) = Stage::set() else { return };
    let key = &stage.deployment.file("agent.key");
    // This test is of what works, whoever runs it.
    let command = |words: &[&str]| {
        let mut command = exec(claviger());
        command
            .args(["--weak", "--key-file"])
            .arg(key)
            .arg("--")
            .args(words);
        command
    };
    let ask = "curl -sf -H \"Authorization: Bearer $CLAVIGER_TOKEN\" $CLAVIGER_URL/v1/grants/self";
    let output = command(&["sh", "-c", ask]).output().unwrap();
    let own: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(own["state"], "active");
    for (words, exit) in [
        (&["sh", "-c", "exit 7"][..], 7),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
        (&["--", "true"], 127),
    ] {
        let status = command(words).status().unwrap();
        assert_eq!(status.code(), Some(exit), "{words:?}");
    }
    let started = stage.open.path().join("started");
    let script = format!(
        "trap 'exit 42' TERM; touch {}; while :; do sleep 0.05; done",
        started.display()
    );
    let mut running = command(&["sh", "-c", &script]).spawn().unwrap();
    wait_for(|| started.exists());
    terminate(&running);
    let status = running.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(42), None));
}
