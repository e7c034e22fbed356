//! The verbs that hold an agent key for another program: `sidecar`, `exec`, and `exec`'s other side.
//!
//! This process closes itself to others before it reads the key.

use super::{Named, agent};
use crate::{
    args::{
        agent::{KeyFile, SidecarArgs},
        exec::{ExecArgs, ExecChildArgs, LandlockArg},
    },
    output::{self, Outcome},
};
use claviger_cli::{
    Error,
    exec::{self, FAULT, Launch, User, child, plan},
    sidecar::{
        Sidecar, Token, keep_renewed, serve,
        ssh::{self, Socket},
    },
};
use claviger_client::{Agent, AgentKey, agent_key::MAX_LEN};
use serde_json::json;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use zeroize::Zeroizing;

/// Runs a sidecar until it is told to stop.
pub(super) async fn sidecar(
    named: impl Fn(Option<PathBuf>) -> Named,
    args: SidecarArgs,
    json: bool,
) -> Result<Outcome, Error> {
    let SidecarArgs {
        agent,
        listen,
        token_file,
        ready_file,
        no_renew,
        ssh,
    } = args;
    let key = agent::agent_key(&named(agent.at.profile), &agent.key)?;
    let mut stop = Stop::new()?;
    let (listener, sidecar) = open(key, listen).await?;
    let url = sidecar.url();
    let _token = Placed::put(&token_file, sidecar.token().expose())?;
    let socket = ssh
        .map(|path| Socket::open(&path, None, output::complain))
        .transpose()?;
    let mut ready = json!({ "url": url, "token_file": token_file, "pid": std::process::id() });
    if let (Some(socket), Some(members)) = (&socket, ready.as_object_mut()) {
        members.insert("ssh_auth_sock".to_owned(), json!(socket.path()));
    }
    let placed = ready_file.map(|path| Placed::put(&path, &ready.to_string()));
    let _ready = placed.transpose()?;
    output::print(&Outcome::from(ready), json);
    renew(&sidecar, no_renew);
    tokio::select! {
        () = serve(listener, Arc::clone(&sidecar)) => {}
        () = ssh::serve(socket, sidecar) => {}
        () = stop.asked() => {}
    }
    Ok(Outcome::silent())
}

/// A listener on loopback and the sidecar of an attested agent for it.
async fn open(
    key: AgentKey,
    address: SocketAddr,
) -> Result<(TcpListener, Arc<Sidecar<Agent>>), Error> {
    if !address.ip().is_loopback() {
        let why = "--listen: only a loopback address; who may reach another one is not known";
        return Err(Error::Usage(why.to_owned()));
    }
    let name = address.to_string();
    let listening = |error| Error::io("cannot listen at", Path::new(&name))(error);
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    let agent = Agent::connect(key).await?;
    let sidecar = Sidecar::new(agent, Token::random()?, address);
    Ok((listener, Arc::new(sidecar)))
}

/// Renews the grant beside what is served, unless that was forbidden; it ends with this process.
fn renew(sidecar: &Arc<Sidecar<Agent>>, not: bool) {
    if !not {
        tokio::spawn(keep_renewed(Arc::clone(sidecar)));
    }
}

/// The signals that end a sidecar.
struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self, Error> {
        let catch = |kind| signal(kind).map_err(Error::io("cannot catch", Path::new("signals")));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A file of mode 0600 that is there, whole, as long as this value.
struct Placed(PathBuf);

impl Placed {
    fn put(path: &Path, text: &str) -> Result<Self, Error> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}", std::process::id()));
        let beside = PathBuf::from(beside);
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside);
        let written = opened
            .and_then(|mut file| writeln!(file, "{text}"))
            .and_then(|()| fs::rename(&beside, path));
        written.map_err(Error::io("cannot write", path))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        // Whoever has taken it away did what this would do.
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a command beside a sidecar of its own. Faults of this side have the exit code 125.
pub(super) async fn exec(
    named: impl Fn(Option<PathBuf>) -> Named,
    args: ExecArgs,
    json: bool,
) -> Outcome {
    let exit = match run(named, args).await {
        Ok(exit) => exit,
        Err(error) => {
            tell(&error, json);
            FAULT
        }
    };
    Outcome {
        exit,
        ..Outcome::silent()
    }
}

fn tell(error: &Error, json: bool) {
    if json {
        output::print(&Outcome::from(error.to_json()), true);
    } else {
        output::complain(&error.to_string());
    }
}

async fn run(named: impl Fn(Option<PathBuf>) -> Named, args: ExecArgs) -> Result<u8, Error> {
    let user = args.as_user.as_deref().map(User::find).transpose()?;
    let confinement = plan::decide(plan::Situation {
        privileged: exec::is_privileged(),
        root: rustix::process::geteuid().is_root(),
        other_user: user.is_some(),
        weak: args.weak,
    })?;
    let source = Source::of(&named(args.agent.at.profile), args.key_fd, &args.agent.key)?;
    let hidden = hidden(&source, &args.hide, user.as_ref(), args.weak)?;
    let stdin_taken = source.number == Some(0);
    let key = source.take()?;
    let (listener, sidecar) = open(key, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let socket = if args.ssh {
        Some(Socket::private(user.as_ref(), output::complain)?)
    } else {
        None
    };
    let mut child = exec::launch(&Launch {
        command: &args.command,
        hidden: &hidden,
        confinement,
        user: user.as_ref(),
        stdin_taken,
        url: &sidecar.url(),
        token: sidecar.token().expose(),
        ssh: socket.as_ref().map(Socket::path),
    })?;
    renew(&sidecar, args.no_renew);
    tokio::select! {
        () = serve(listener, Arc::clone(&sidecar)) => Ok(FAULT),
        () = ssh::serve(socket, sidecar) => Ok(FAULT),
        exit = exec::wait(&mut child) => exit,
    }
}

/// The files a command must not read: those the key came from, and those that were named.
fn hidden(
    source: &Source,
    named: &[PathBuf],
    user: Option<&User>,
    weak: bool,
) -> Result<Vec<PathBuf>, Error> {
    let mut hidden = Vec::new();
    for file in source.file.iter().chain(named) {
        match exec::hideable(file, user) {
            Ok(path) => hidden.push(path),
            Err(_) if weak => hidden.extend(file.canonicalize().ok()),
            Err(error) => return Err(error),
        }
    }
    Ok(hidden)
}

/// Where the agent key comes from.
struct Source {
    /// A descriptor's number.
    number: Option<u16>,
    /// The file, if it is one.
    file: Option<PathBuf>,
}

impl Source {
    fn of(named: &Named, number: Option<u16>, file: &KeyFile) -> Result<Self, Error> {
        let dash = file.key_file.as_deref() == Some(Path::new("-"));
        if let Some(number) = number.or_else(|| dash.then_some(0)) {
            let file = fs::read_link(descriptor(number)).ok();
            let file = file.filter(|path| path.is_file());
            return Ok(Self {
                number: Some(number),
                file,
            });
        }
        let mut path = file.key_file.clone();
        let in_environment = named.argument.is_none() && agent::from_environment().is_some();
        if path.is_none() && !in_environment {
            path = named
                .optional()?
                .and_then(|profile| profile.agent_api_key_file);
        }
        Ok(Self {
            number: None,
            file: path,
        })
    }

    /// Reads the key; a descriptor is closed, so that no child has it.
    fn take(self) -> Result<AgentKey, Error> {
        if let Some(number) = self.number {
            return from_descriptor(number);
        }
        let file = KeyFile {
            key_file: self.file,
        };
        agent::agent_key(&Named { argument: None }, &file)
    }
}

fn descriptor(number: u16) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{number}"))
}

fn from_descriptor(number: u16) -> Result<AgentKey, Error> {
    let path = descriptor(number);
    let mut text = Zeroizing::new([0_u8; MAX_LEN * 2]);
    let read = File::open(&path).and_then(|file| fill(file, &mut text[..]));
    let count = read.map_err(Error::io("cannot read the agent key", &path))?;
    if number > 2 {
        let closed = nix::unistd::close(i32::from(number));
        closed.map_err(|error| Error::io("cannot close", &path)(error.into()))?;
    }
    let text = text.get(..count).unwrap_or_default();
    let key = std::str::from_utf8(text).map(AgentKey::parse);
    key.unwrap_or(Err(claviger_client::Error::AgentKey))
        .map_err(|error| Error::Usage(format!("descriptor {number}: {error}")))
}

/// Reads to the end, or until the buffer is full.
fn fill(mut file: File, mut buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    loop {
        match file.read(buffer)? {
            0 => return Ok(count),
            read => {
                count = count.saturating_add(read);
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
        }
    }
}

/// The other side: confined first, then the command. Returns only when that failed.
pub(super) fn exec_child(args: ExecChildArgs) -> Outcome {
    let ExecChildArgs {
        landlock,
        hide,
        command,
    } = args;
    let confinement = match landlock {
        LandlockArg::Required => plan::Confinement::Required,
        LandlockArg::Tried => plan::Confinement::Tried,
    };
    let (exit, error) = child::become_command(confinement, &hide, &command);
    output::complain(&error.to_string());
    Outcome {
        exit,
        ..Outcome::silent()
    }
}
