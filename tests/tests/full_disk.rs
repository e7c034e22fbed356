//! P4, P6: a disk that is really full. The host's store lies on a small tmpfs of this test's own; while it is full nothing is signed,
//! nothing that was acknowledged is lost, and once there is room again it goes on by itself.
//!
//! A mount needs a namespace of its own: as root, or as a user where the kernel lets users have one. Where neither works the test
//! says so and does nothing; under `CI` it fails.

#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

use anyhow::{Context, ensure};
use claviger_client::{Agent, Error};
use claviger_host::store::{
    Entry, Store,
    local::{Local, Options, Reader},
};
use claviger_shared::{
    call::{Ask, Reply},
    denial::Code,
    log::{
        receipt::Receipt,
        record::{Body, Outcome},
    },
    wire::{
        RefusedCode,
        storage::{Appended, Done, SnapshotPut, StoreFailure, StoredEntry},
    },
};
use claviger_verify::{audit::Auditor, ring_verifier::RingVerifier};
use rustix::{
    fs::{FallocateFlags, fallocate},
    process::Signal,
};
use stage::{Stage, get, grant, program, signal};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const CHILD: &str = "CLAVIGER_FULL_DISK";
/// A segment of the store, and a little.
const SIZE: &str = "size=80m,mode=0700";
/// Room that is left behind the last entry: more than is written while a segment is looked at.
const SLACK: u64 = 128 * 1024;
/// Budget of the calling agent.
const CALLS: u64 = 100_000;

/// Runs the named test in a namespace where it may mount; whether this is that run.
fn in_namespace(name: &str) -> bool {
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let works = |flag: &str| {
        let tried = Command::new("unshare")
            .args([flag, "sh", "-c", "mount -t tmpfs none /mnt"])
            .output();
        tried.is_ok_and(|output| output.status.success())
    };
    let Some(flag) = ["-m", "-Urm"].into_iter().find(|flag| works(flag)) else {
        let why = "SKIPPED: no namespace to mount a tmpfs in, neither as root nor as a user: the full disk is NOT tested here";
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("{why}");
        return false;
    };
    let status = Command::new("unshare")
        .arg(flag)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name} failed in its namespace");
    false
}

fn mount(at: &Path) {
    let done = Command::new("mount")
        .args(["-t", "tmpfs", "-o", SIZE, "none"])
        .arg(at)
        .status()
        .unwrap();
    assert!(done.success(), "no tmpfs");
}

/// A file that takes all the room there is.
struct Filler(PathBuf);

impl Filler {
    fn fill(dir: &Path) -> Self {
        let path = dir.join("filler");
        let mut file = File::create(&path).unwrap();
        for len in [64 * 1024, 4096] {
            while file.write_all(&vec![1; len]).is_ok() {}
        }
        Self(path)
    }

    fn free(self) {
        fs::remove_file(self.0).unwrap();
    }
}

/// Gives back the room of a segment's unwritten end, as a file system does that does not keep what was preallocated.
fn punch(dir: &Path) {
    let mut punched = 0;
    for item in fs::read_dir(dir.join("segments")).unwrap() {
        let path = item.unwrap().path();
        let len = fs::metadata(&path).unwrap().len();
        if len < 1024 * 1024 {
            continue;
        }
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        // The callers go on meanwhile: whole pages are compared, which takes no time.
        let (mut page, zeros, mut end) = (vec![0; 4096], vec![0; 4096], 0);
        for at in (0..len).step_by(4096) {
            let read = file.read_at(&mut page, at).unwrap();
            if page[..read] == zeros[..read] {
                break;
            }
            end = at + 4096;
        }
        // What is written meanwhile is not to be touched.
        let end = end + SLACK;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, flags, end, len - end).unwrap();
        punched += 1;
    }
    assert!(punched > 0, "no segment");
}

#[derive(Default)]
struct Told {
    receipts: Mutex<Vec<Vec<u8>>>,
    unavailable: Mutex<usize>,
    stop: AtomicBool,
}

fn caller(agent: Arc<Agent>, told: Arc<Told>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while !told.stop.load(Ordering::Relaxed) {
            match agent
                .ask(Ask::Sign(get("https://api.example.com/v1/orders/ord_1")))
                .await
            {
                Ok(Reply::Issued(issued)) => told.receipts.lock().unwrap().push(issued.receipt),
                Ok(Reply::Denied(denial)) => {
                    // Withdrawn: it waited too long, and stays charged.
                    assert!(
                        matches!(denial.code, Code::Unavailable | Code::Withdrawn),
                        "{denial:?}"
                    );
                    *told.unavailable.lock().unwrap() += 1;
                }
                Ok(other) => panic!("{other:?}"),
                Err(Error::Refused(code)) => {
                    let known = [
                        RefusedCode::Unavailable,
                        RefusedCode::Busy,
                        RefusedCode::NotServing,
                        RefusedCode::UnknownChannel,
                    ];
                    assert!(known.contains(&code), "{code:?}");
                    *told.unavailable.lock().unwrap() += 1;
                    let _ = agent.reconnect().await;
                }
                Err(_) => {
                    let _ = agent.reconnect().await;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
}

impl Told {
    fn issued(&self) -> usize {
        self.receipts.lock().unwrap().len()
    }

    async fn more(&self, than: usize) -> anyhow::Result<()> {
        for _ in 0..600 {
            if self.issued() > than {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("nothing is signed again; {} so far", self.issued())
    }

    /// Waits until nothing is signed any more and a new call is refused; how many were signed, and what the command says.
    async fn quiet(&self, stage: &Stage) -> anyhow::Result<(usize, String)> {
        let mut last = (None, String::new());
        for _ in 0..50 {
            let issued = self.issued();
            tokio::time::sleep(Duration::from_millis(300)).await;
            if self.issued() != issued {
                continue;
            }
            last = cli(stage).await?;
            if last.0 == Some(5) {
                return Ok((self.issued(), last.1));
            }
        }
        anyhow::bail!(
            "on a full disk, after {} credentials: {last:?}",
            self.issued()
        )
    }
}

/// The command line's word on a call.
async fn cli(stage: &Stage) -> anyhow::Result<(Option<i32>, String)> {
    let output = tokio::process::Command::new(program("claviger")?)
        .args(["sign", "--key-file"])
        .arg(stage.dir.join("caller.key"))
        .args(["http", "GET", "https://api.example.com/v1/orders/ord_1"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(20), output)
        .await
        .context("the command hangs")??;
    Ok((
        output.status.code(),
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    ))
}

fn audit(stage: &Stage, log: &Path, told: &Told) -> anyhow::Result<()> {
    // First what was told, then what is stored: the callers go on.
    let receipts = told.receipts.lock().unwrap().clone();
    let stored: Vec<StoredEntry> = Reader::open(log)?.entries().collect::<Result<_, _>>()?;
    let mut auditor = Auditor::new(stage.profile()?.chain()?)?;
    let mut issued = 0;
    for entry in &stored {
        let records = auditor.entry(entry)?.records;
        issued += records
            .iter()
            .filter(|one| matches!(&one.body, Body::Call(call) if call.outcome == Outcome::Issued))
            .count();
    }
    for bytes in &receipts {
        let receipt = Receipt::decode(bytes)?;
        let proved = receipt.verify(auditor.log_key(), &RingVerifier)?;
        let entry = stored
            .get(usize::try_from(proved.leaf.index)?)
            .context("acknowledged and gone")?;
        ensure!(
            entry.leaf == receipt.leaf,
            "acknowledged, and another is stored"
        );
    }
    println!(
        "{} acknowledged, {issued} recorded, {} entries",
        receipts.len(),
        stored.len()
    );
    ensure!(receipts.len() <= issued && issued as u64 <= CALLS);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_on_a_full_disk_nothing_is_signed_or_lost_and_it_recovers_by_itself()
-> anyhow::Result<()> {
    if !in_namespace("p6_on_a_full_disk_nothing_is_signed_or_lost_and_it_recovers_by_itself") {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    // The ceremony on this machine's disk; then the store moves onto the small one.
    ensure!(Stage::start(dir.path()).await?.stop().await?.success());
    let log = dir.path().join("host/log");
    let moved = dir.path().join("host/log-before");
    fs::rename(&log, &moved)?;
    fs::create_dir(&log)?;
    mount(&log);
    ensure!(
        Command::new("cp")
            .arg("-a")
            .arg(moved.join("."))
            .arg(&log)
            .status()?
            .success()
    );
    let mut stage = Stage::start(dir.path()).await?;
    let agent = Arc::new(stage.agent("caller", &grant(CALLS, 5000, 20_000)).await?);
    let told = Arc::new(Told::default());
    // The calls of the entry that finds no room wait for it; whoever comes after them is told.
    let calling: Vec<_> = (0..4)
        .map(|_| caller(Arc::clone(&agent), Arc::clone(&told)))
        .collect();
    told.more(5).await?;
    let pids = stage.pids()?;

    // Full while agents sign.
    punch(&log);
    let filler = Filler::fill(&log);
    let (before, text) = told.quiet(&stage).await?;
    println!(
        "full: {before} credentials so far, then refused; the command says: {}",
        text.trim()
    );
    filler.free();
    told.more(before).await?;
    ensure!(stage.pids()? == pids, "a process was started again");
    ensure!(cli(&stage).await?.0 == Some(0));
    audit(&stage, &log, &told)?;

    // Full when an enclave boots, and when the host does.
    for victim in ["enclave", "host"] {
        punch(&log);
        let filler = Filler::fill(&log);
        let (before, _) = told.quiet(&stage).await?;
        signal(stage.pid(victim)?, Signal::KILL)?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(
            told.issued() == before,
            "signed on a full disk after a boot of the {victim}"
        );
        filler.free();
        stage
            .serving()
            .await
            .with_context(|| format!("after a boot of the {victim}"))?;
        told.more(before).await?;
        println!("full at a boot of the {victim}: it serves again");
    }
    told.stop.store(true, Ordering::Relaxed);
    for one in calling {
        one.await?;
    }
    audit(&stage, &log, &told)?;
    ensure!(stage.stop().await?.success(), "`up` does not end cleanly");
    Ok(())
}

/// The store by itself: a new segment, a blob, a snapshot without room are refused as full, leave nothing behind, and are stored
/// byte for byte once there is room.
#[test]
fn p6_a_store_without_room_says_so_and_takes_the_same_bytes_later() {
    if !in_namespace("p6_a_store_without_room_says_so_and_takes_the_same_bytes_later") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    mount(dir.path());
    let log = dir.path().join("log");
    let options = Options {
        segment_bytes: 256 * 1024,
        ..Options::default()
    };
    let entry = |index: u64| {
        let record = vec![u8::try_from(index).unwrap(); 50_000].into();
        let value = StoredEntry {
            index,
            leaf: vec![1; 100],
            records: vec![record],
            checkpoint: "c\n".to_owned(),
        };
        Entry::new(value).unwrap()
    };
    let store = Local::open(&log, options).unwrap();
    assert_eq!(store.append(&entry(0)), Appended::Stored);
    let filler = Filler::fill(dir.path());
    let mut next = 1;
    let failed = loop {
        match store.append(&entry(next)) {
            Appended::Stored => next += 1,
            other => break other,
        }
        assert!(next < 100, "never full");
    };
    assert_eq!(failed, Appended::Failed(StoreFailure::Full));
    assert_eq!(store.tail().size, next);
    let bytes = vec![5; 300_000];
    let digest = claviger_shared::crypto::sha256(&[&bytes]);
    let part = SnapshotPut {
        size: next,
        digest,
        offset: 0,
        total: bytes.len() as u64,
        bytes,
    };
    assert_eq!(store.snapshot_put(&part), Done::Failed(StoreFailure::Full));
    assert_eq!(store.tail().snapshot, None, "half a snapshot is none");
    // A host that starts now reads what is there.
    drop(store);
    let store = Local::open(&log, options).unwrap();
    assert_eq!(store.tail().size, next);
    assert_eq!(
        store.append(&entry(next)),
        Appended::Failed(StoreFailure::Full)
    );
    filler.free();
    assert_eq!(store.append(&entry(next)), Appended::Stored);
    assert_eq!(store.snapshot_put(&part), Done::Ok);
    assert_eq!(store.tail().snapshot.map(|at| at.digest), Some(digest));
    let kept: Vec<_> = Reader::open(&log)
        .unwrap()
        .entries()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert_eq!(kept.len() as u64, next + 1);
    assert!(
        kept.iter()
            .enumerate()
            .all(|(at, one)| one == entry(at as u64).value())
    );
}
