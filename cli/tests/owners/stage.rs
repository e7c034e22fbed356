//! The simulation's processes one by one, and nothing of a deployment yet: where a ceremony begins.

use serde_json::{Value, json};
use std::{
    cell::RefCell,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

pub(crate) const ACCOUNT: &str = "arn:aws:iam::000000000000:role";

/// Three processes, one of them started again whenever it ends.
pub(crate) struct Stage {
    dir: tempfile::TempDir,
    program: PathBuf,
    children: RefCell<Vec<(&'static str, Child)>>,
    stop: Arc<AtomicBool>,
    enclave: Arc<Mutex<Option<Child>>>,
    keeper: Option<JoinHandle<()>>,
}

fn free_ports() -> [u16; 3] {
    let held: Vec<_> = (0..3)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let mut ports = held.iter().map(|one| one.local_addr().unwrap().port());
    std::array::from_fn(|_| ports.next().unwrap())
}

fn write(path: &Path, value: &Value) {
    fs::write(path, value.to_string()).unwrap();
}

impl Stage {
    /// Starts the processes, makes the people's keys and the plan. Nothing, said aloud, where the simulation or OpenSSH is
    /// not there; in continuous integration that is a failure.
    pub(crate) fn start(owners: &[&str], threshold: usize) -> Option<Self> {
        let program = Path::new(env!("CARGO_BIN_EXE_claviger")).with_file_name("claviger-sim");
        if !program.exists() || Command::new("ssh-keygen").arg("-?").output().is_err() {
            assert!(
                std::env::var_os("CI").is_none(),
                "no claviger-sim or no ssh-keygen"
            );
            println!("skipped: {} or ssh-keygen is not there", program.display());
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let stage = Self {
            dir,
            program,
            children: RefCell::default(),
            stop: Arc::default(),
            enclave: Arc::default(),
            keeper: None,
        };
        let [agents, operators, kms] = free_ports();
        stage.write_files(agents, operators, kms);
        let listen = format!("127.0.0.1:{kms}");
        let sim = stage.file("sim");
        stage.spawn("kms", &["kms", "--dir", &sim, "--listen", &listen]);
        // KMS makes the root certificate of the mock NSM.
        stage.wait_for(|| stage.path("sim/nsm/root.pem").exists());
        let stage = stage.keep_enclave();
        stage.start_host();
        for owner in owners {
            stage.person(owner);
        }
        stage.person("duty");
        stage.plan(owners, threshold, agents, operators, kms);
        Some(stage)
    }

    fn write_files(&self, agents: u16, operators: u16, kms: u16) {
        fs::create_dir_all(self.path("sim/host")).unwrap();
        let pcr = |digit: &str| digit.repeat(96);
        write(
            &self.path("sim/measurements.json"),
            &json!({
                "pcr0": pcr("1"), "pcr1": pcr("2"), "pcr2": pcr("3"),
                "role_arn": format!("{ACCOUNT}/claviger-host"), "instance_id": "i-0simulation0000000",
            }),
        );
        let may_create = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*" }] });
        let caller = |profile: &str, role: &str, policy: Option<String>| {
            json!({
                "profile": profile, "principal": format!("{ACCOUNT}/{role}"), "access_key_id": format!("AKIA{:0>16}", profile.len()),
                "secret_access_key": format!("secret-of-{profile}"), "identity_policy": policy,
            })
        };
        write(
            &self.path("sim/kms-callers.json"),
            &json!({ "callers": [
            caller("host", "claviger-host", None), caller("kms-admin", "kms-admin", None),
            caller("kms-break-glass", "kms-break-glass", Some(may_create.to_string())),
        ] }),
        );
        let profile = |name: &str| {
            let id = format!("AKIA{:0>16}", name.len());
            format!(
                "[{name}]\naws_access_key_id = {id}\naws_secret_access_key = secret-of-{name}\n\n"
            )
        };
        let profiles = ["host", "kms-admin", "kms-break-glass"].map(profile);
        fs::write(self.path("aws"), profiles.concat()).unwrap();
        write(
            &self.path("host.json"),
            &json!({
                "enclave": { "unix": self.file("sim/enclave.sock") }, "agents": format!("127.0.0.1:{agents}"),
                "operators": format!("127.0.0.1:{operators}"), "dir": self.file("sim/host"),
                "kms": { "region": "us-east-1", "endpoint": format!("http://127.0.0.1:{kms}") },
            }),
        );
        write(
            &self.path("release.json"),
            &json!({
                "Measurements": { "HashAlgorithm": "Sha384 { ... }", "PCR0": pcr("1"), "PCR1": pcr("2"), "PCR2": pcr("3") },
            }),
        );
    }

    /// A command of the simulation; it ends when its standard input does.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--with-parent")
            .env("RUST_LOG", "error")
            .env("AWS_SHARED_CREDENTIALS_FILE", self.path("aws"))
            .env("AWS_PROFILE", "host")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn spawn(&self, name: &'static str, arguments: &[&str]) {
        let child = self.command(arguments).spawn().unwrap();
        self.children.borrow_mut().push((name, child));
    }

    pub(crate) fn start_host(&self) {
        self.spawn("host", &["host", "--config", &self.file("host.json")]);
    }

    /// Ends a process.
    pub(crate) fn end(&self, name: &str) {
        let mut children = self.children.borrow_mut();
        let at = children
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap();
        let (_, mut child) = children.remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn keep_enclave(mut self) -> Self {
        let sim = self.file("sim");
        let mut command = self.command(&["enclave", "--dir", &sim]);
        let (stop, slot) = (Arc::clone(&self.stop), Arc::clone(&self.enclave));
        self.keeper = Some(std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                let mut held = slot.lock().unwrap();
                let over = held
                    .as_mut()
                    .is_none_or(|child| child.try_wait().unwrap().is_some());
                if over {
                    *held = Some(command.spawn().unwrap());
                }
                drop(held);
                std::thread::sleep(Duration::from_millis(30));
            }
        }));
        self
    }

    /// Restarts the enclave.
    pub(crate) fn restart_enclave(&self) {
        let mut held = self.enclave.lock().unwrap();
        let child = held.as_mut().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Makes a person's SSH key: `NAME` and `NAME.pub`.
    pub(crate) fn person(&self, name: &str) {
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-C", name, "-N", "", "-f", name])
            .current_dir(self.dir.path())
            .status()
            .unwrap();
        assert!(made.success());
    }

    fn plan(&self, owners: &[&str], threshold: usize, agents: u16, operators: u16, kms: u16) {
        let role = |name: &str| format!("{ACCOUNT}/{name}");
        let (threshold, owners) = (
            threshold.to_string(),
            owners.iter().map(|name| format!("{name}={name}.pub")),
        );
        let mut arguments: Vec<String> = [
            "plan",
            "--origin",
            "acme-test/claviger",
            "--threshold",
            &threshold,
            "--operator",
            "duty=duty.pub",
            "--release",
            "0.1.0=release.json",
            "--attestation-root",
            "sim/nsm/root.pem",
            "--region",
            "us-east-1",
            "--aws-profile",
            "kms-break-glass",
            "--aws-credentials",
            "aws",
            "--host-role",
            &role("claviger-host"),
            "--administrator",
            &role("kms-admin"),
            "--break-glass",
            &role("kms-break-glass"),
            "--api",
            &format!("http://127.0.0.1:{agents}"),
            "--operator-api",
            &format!("http://127.0.0.1:{operators}"),
            "--kms-endpoint",
            &format!("http://127.0.0.1:{kms}"),
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(owners.flat_map(|owner| ["--owner".to_owned(), owner]));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let value = self.init(&arguments);
        assert_eq!(value["step"], "key", "{value}");
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Runs the command; its exit code and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, Value) {
        let output = Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env_remove("AGENT_API_KEY")
            .env_remove("CLAVIGER_PROFILE")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            json!({ "text": text(&output.stdout), "errors": text(&output.stderr) })
        });
        (output.status.code().unwrap(), value)
    }

    /// A step of the ceremony that must succeed.
    pub(crate) fn init(&self, step: &[&str]) -> Value {
        let (exit, value) =
            self.run(&[&["init", "--dir", "ceremony"][..], step, &["--json"]].concat());
        assert_eq!(exit, 0, "{step:?}: {value}");
        value
    }

    /// The ceremony from the key to a serving deployment; steps that were done already find what is there.
    pub(crate) fn be_born(&self, owners: &[&str]) {
        let with = |step: &str, file: &str| {
            let signatures = self.sign("manifest@claviger", &self.file(file), owners);
            let mut arguments = vec![step.to_owned()];
            arguments.extend(signatures);
            arguments
        };
        let run = |arguments: &[String]| {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            self.init(&arguments)
        };
        self.init(&["key"]);
        self.init(&["g0"]);
        assert_eq!(run(&with("start", "ceremony/g0.json"))["phase"], "measured");
        assert_eq!(self.init(&["birth"])["step"], "policy");
        let put = self.init(&["policy"]);
        assert_eq!(put["state"], "put, read back and judged sound");
        let mut finish = with("finish", "ceremony/g1.json");
        finish.extend(["--owner-key".to_owned(), owners[0].to_owned()]);
        assert_eq!(run(&finish)["phase"], "serving");
    }

    /// Signs a file with people's keys, by stock OpenSSH; the signatures' files.
    pub(crate) fn sign(&self, namespace: &str, file: &str, people: &[&str]) -> Vec<String> {
        let one = |name: &&str| {
            let made = Command::new("ssh-keygen")
                .args(["-Y", "sign", "-n", namespace, "-f", name, file])
                .current_dir(self.dir.path())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(made.success());
            let kept = format!("{file}.{name}.sig");
            fs::rename(format!("{file}.sig"), &kept).unwrap();
            kept
        };
        people.iter().map(one).collect()
    }

    /// Waits until something holds.
    pub(crate) fn wait_for(&self, mut holds: impl FnMut() -> bool) {
        for _ in 0..3000 {
            if holds() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not in time");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
        let enclave = self.enclave.lock().unwrap().take();
        let children = self
            .children
            .borrow_mut()
            .drain(..)
            .map(|(_, child)| child)
            .collect::<Vec<_>>();
        for mut child in children.into_iter().chain(enclave) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
