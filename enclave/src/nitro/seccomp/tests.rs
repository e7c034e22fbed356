//! The list at work: each try in a process of its own, which ends by `SIGSYS` where the list refuses.

use super::*;
use std::{
    fs::File,
    io::Write as _,
    net::TcpListener,
    os::unix::{net::UnixStream, process::ExitStatusExt as _},
    process::{Command, ExitStatus},
    thread,
    time::Duration,
};

/// Names the try for a child; nothing in the enclave reads it.
const TRY: &str = "CLAVIGER_SECCOMP_TRY";
/// The try of [`try_absent`].
const ABSENT_TRY: &str = "absent";
/// What a child that went on ends with.
const WENT_ON: i32 = 42;

/// Tries that the list must end.
const REFUSED: &[(&str, fn())] = &[
    ("execute", || drop(Command::new("/bin/true").status())),
    ("listen on a network", || {
        drop(TcpListener::bind("127.0.0.1:0"))
    }),
    ("make a socket pair", || drop(UnixStream::pair())),
    ("send a signal", || {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(1), None);
    }),
    ("become somebody else", || {
        let _ = nix::unistd::setuid(nix::unistd::Uid::from_raw(0));
    }),
    ("be dumpable again", || {
        let _ = nix::sys::prctl::set_dumpable(true);
    }),
    ("remove a file", || {
        drop(std::fs::remove_file("/tmp/claviger-seccomp-test"))
    }),
    ("any other descriptor call", || {
        let _ = nix::fcntl::fcntl(std::io::stderr(), nix::fcntl::FcntlArg::F_GETFL);
    }),
    ("mount", || {
        let none: Option<&str> = None;
        let _ = nix::mount::mount(none, "/", none, nix::mount::MsFlags::MS_RDONLY, none);
    }),
    ("raise a limit", || {
        let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0);
    }),
];

/// Tries that the kernel answers as if it could not do them.
fn try_absent() {
    let unsupported = |error: std::io::Error| assert_eq!(error.raw_os_error(), Some(libc::ENOSYS));
    unsupported(File::open("/").unwrap_err());
    unsupported(File::create("/tmp/claviger-seccomp-test").unwrap_err());
    unsupported(std::fs::read_dir("/").unwrap_err());
}

/// What serving does, in one child.
fn serve(mut near: UnixStream, mut far: UnixStream) {
    far.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut copy = near.try_clone().unwrap();
    let thread = thread::Builder::new()
        .name("a".to_owned())
        .stack_size(1 << 20);
    let thread = thread.spawn(move || {
        let mut heard = [0; 4];
        std::io::Read::read_exact(&mut far, &mut heard).unwrap();
        heard
    });
    copy.write_all(b"ping").unwrap();
    assert_eq!(thread.unwrap().join().unwrap(), *b"ping");
    near.flush().unwrap();
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).unwrap();
    let much: Vec<u8> = vec![7; 1 << 24];
    assert_eq!(much.iter().filter(|byte| **byte == 7).count(), 1 << 24);
    thread::sleep(Duration::from_millis(2));
    near.shutdown(std::net::Shutdown::Both).unwrap();
}

/// Not a test by itself: what a child does.
#[test]
#[ignore = "run by the others in a process of its own"]
fn child() {
    #[expect(clippy::disallowed_methods, reason = "how a child learns its one task")]
    let wanted = std::env::var(TRY).unwrap();
    let pair = UnixStream::pair().unwrap();
    // As `platform` does: the crypto library looks at devices once.
    aws_lc_rs::rand::fill(&mut [0; 1]).unwrap();
    nix::sys::prctl::set_no_new_privs().unwrap();
    // Only this thread: the harness's own is not part of the enclave.
    for program in [absent().unwrap(), list().unwrap()] {
        seccompiler::apply_filter(&program).unwrap();
    }
    match REFUSED.iter().find(|(name, _)| *name == wanted) {
        Some((_, attempt)) => attempt(),
        None if wanted == ABSENT_TRY => try_absent(),
        None => serve(pair.0, pair.1),
    }
    nix::unistd::write(std::io::stderr(), b"went on\n").unwrap();
    exit();
}

#[expect(
    clippy::exit,
    reason = "a child's last word, which no harness may change"
)]
fn exit() -> ! {
    std::process::exit(WENT_ON)
}

fn end_of(wanted: &str) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "nitro::seccomp::tests::child",
            "--nocapture",
        ])
        .env(TRY, wanted)
        .output()
        .map(|output| output.status)
        .unwrap()
}

#[test]
fn what_serving_does_is_allowed() {
    assert_eq!(end_of("serve").code(), Some(WENT_ON));
}

#[test]
fn no_file_is_opened_and_asking_is_no_end() {
    assert_eq!(end_of(ABSENT_TRY).code(), Some(WENT_ON));
}

#[test]
fn everything_else_ends_the_process() {
    for (name, _) in REFUSED {
        let end = end_of(name);
        assert_eq!(end.signal(), Some(libc::SIGSYS), "{name}: {end}");
    }
}

#[test]
fn memory_is_not_made_executable_and_a_process_is_not_forked() {
    let allowed = |call: i64| ALLOWED.iter().find(|(one, _)| *one == call).unwrap().1;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        assert!(
            allowed(call)
                .iter()
                .any(|argument| argument.mask == EXECUTABLE && argument.value == 0)
        );
    }
    assert_eq!(allowed(libc::SYS_clone).len(), 1);
    // A call that stands without conditions stands once: beside another line it would lift that line's.
    for (call, _) in ALLOWED.iter().filter(|(_, arguments)| arguments.is_empty()) {
        assert_eq!(ALLOWED.iter().filter(|(one, _)| one == call).count(), 1);
    }
    for never in [
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
    ] {
        assert!(ALLOWED.iter().all(|(call, _)| *call != never), "{never}");
    }
}
