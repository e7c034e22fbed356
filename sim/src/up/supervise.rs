//! Keeping children alive: started, watched, started again, and stopped in order.
//!
//! A child that dies more than [`MOST`] times in [`SPAN`] is given up on. Children end when their standard input does, so
//! that a killed `up` leaves nothing behind that holds a lock.

use super::layout::Layout;
use std::{
    collections::VecDeque,
    ffi::{OsStr, OsString},
    fs::OpenOptions,
    io,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    process::Command,
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

/// Deaths in [`SPAN`] after which a child is given up on.
pub const MOST: usize = 5;
/// The time that deaths are counted over.
pub const SPAN: Duration = Duration::from_secs(60);
/// How long a child may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause before a child is started again.
const PAUSE: Duration = Duration::from_millis(50);

/// How one child is started: this very program with other arguments.
#[derive(Debug, Clone)]
pub struct Child {
    name: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Child {
    /// The mock KMS.
    pub const KMS: &'static str = "kms";
    /// The enclave.
    pub const ENCLAVE: &'static str = "enclave";
    /// The host.
    pub const HOST: &'static str = "host";

    /// A child.
    #[must_use]
    pub fn new<const N: usize>(name: &'static str, arguments: [&&OsStr; N]) -> Self {
        let mut arguments: Vec<_> = arguments
            .into_iter()
            .map(|argument| (*argument).to_owned())
            .collect();
        arguments.push("--with-parent".into());
        Self {
            name,
            arguments,
            environment: Vec::new(),
        }
    }

    /// The same, with a variable in its environment.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &OsStr) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn command(&self, logs: &Path) -> io::Result<Command> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(logs.join(format!("{}.log", self.name)))?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log);
        // Children of `up` carry nothing of the caller's environment but what is named here.
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.kill_on_drop(true);
        Ok(command)
    }
}

/// The children of one `up`.
#[derive(Debug)]
pub struct Supervisor {
    pids: Vec<(&'static str, AtomicU32)>,
    changed: Notify,
    gave_up: watch::Sender<Option<&'static str>>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Supervisor {
    /// Starts every child.
    ///
    /// # Errors
    ///
    /// Any failure to open a child's log.
    pub fn start(children: Vec<Child>, layout: &Layout) -> io::Result<Arc<Self>> {
        let supervisor = Arc::new(Self {
            pids: children
                .iter()
                .map(|child| (child.name, AtomicU32::new(0)))
                .collect(),
            changed: Notify::new(),
            gave_up: watch::Sender::new(None),
            stop: watch::Sender::new(false),
            tasks: Mutex::default(),
        });
        for child in children {
            let command = child.command(&layout.logs())?;
            let keeper = Arc::clone(&supervisor);
            let task = tokio::spawn(async move { keeper.keep(child.name, command).await });
            supervisor
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(task);
        }
        Ok(supervisor)
    }

    /// A child's process id; 0 between two lives.
    #[must_use]
    pub fn pid(&self, name: &str) -> u32 {
        let found = self.pids.iter().find(|(known, _)| *known == name);
        found.map_or(0, |(_, pid)| pid.load(Ordering::Acquire))
    }

    /// Resolves when a child has another process id than before.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Resolves when a child was given up on: which.
    pub async fn ended(&self) -> &'static str {
        let mut gave_up = self.gave_up.subscribe();
        let ended = gave_up
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|name| *name);
        ended.unwrap_or("a child")
    }

    /// Stops every child and waits for it.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            let _ = task.await;
        }
    }

    fn note(&self, name: &str, pid: u32) {
        if let Some((_, known)) = self.pids.iter().find(|(known, _)| *known == name) {
            known.store(pid, Ordering::Release);
        }
        if pid != 0 {
            self.changed.notify_one();
        }
    }

    async fn keep(&self, name: &'static str, mut command: Command) {
        let mut stop = self.stop.subscribe();
        let mut deaths: VecDeque<Instant> = VecDeque::new();
        loop {
            if let Ok(mut child) = command.spawn() {
                self.note(name, child.id().unwrap_or_default());
                // Held here: waiting for a child closes what it still has of its standard input.
                let stdin = child.stdin.take();
                let stopped = tokio::select! {
                    _ = child.wait() => false,
                    _ = stop.wait_for(|stop| *stop) => true,
                };
                drop(stdin);
                if stopped {
                    return end(child).await;
                }
                self.note(name, 0);
            }
            let now = Instant::now();
            deaths.push_back(now);
            while deaths
                .front()
                .is_some_and(|at| now.duration_since(*at) > SPAN)
            {
                deaths.pop_front();
            }
            if deaths.len() > MOST {
                self.gave_up.send_replace(Some(name));
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

/// Waits for a child whose standard input was closed, which it takes as the word to end, and kills it when it does not.
async fn end(mut child: tokio::process::Child) {
    if tokio::time::timeout(PATIENCE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
