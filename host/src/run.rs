//! Everything started, and everything ended: the enclave keeps serving when the courier goes.

use crate::{
    Config, Error,
    boot::Boot,
    deployment::Deployment,
    http::{self, App, Token},
    index::Index,
    kms::Kms,
    link::control::Control,
    relay::Relay,
    storage::Storage,
    store::{Store, local},
    tasks::tasks,
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Notify},
};

/// How often the index follows the log.
const INDEX: Duration = Duration::from_millis(500);
/// How often, and how many times, a stop looks whether the store is free.
const RELEASE: Duration = Duration::from_millis(5);
const RELEASE_TRIES: usize = 1000;

/// Runs a courier until `stop`; returns after a clean stop, with the store's lock free.
///
/// # Errors
///
/// An [`Error`] when it cannot start. What breaks later is tried again.
pub async fn run(config: Config, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
    let kms = Kms::new(&config.kms).await;
    run_with(config, kms, stop).await
}

/// As [`run`], with a KMS client of the caller's.
///
/// # Errors
///
/// As [`run`].
pub async fn run_with(
    config: Config,
    kms: Kms,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    config.check()?;
    let token = config.operator_token_file.as_deref().map(Token::read);
    let token = token.transpose()?;
    let deployment = Arc::new(Deployment::open(&config.dir)?);
    let log = config.dir.join("log");
    let store: Arc<dyn Store> = Arc::new(local::Local::open(&log, local::Options::default())?);
    let agents = listen(config.agents).await?;
    let operators = listen(config.operators).await?;
    let storage = Storage::start(config.enclave.clone(), Arc::clone(&store));
    let storage = storage.map_err(Error::Thread)?;
    let (tasks, stopper) = tasks();
    let control = Control::start(config.enclave.clone(), &tasks);
    let app = Arc::new(App {
        relay: Relay::start(&config.enclave, config.call_connections, &control, &tasks),
        index: Arc::new(Index::new(
            Arc::clone(&store),
            Arc::clone(&deployment),
            config.dir.join("tiles"),
        )),
        control,
        deployment,
        store,
        changed: Arc::new(Notify::new()),
        tasks: tasks.clone(),
        token,
        requests: AtomicU64::new(0),
        attestations: App::attestations(),
        followers: App::followers(),
        readers: App::readers(),
        genesis: Mutex::new(()),
    });
    start(&app, kms, agents, operators);
    stop.await;
    tracing::info!("stopping");
    app.index.end();
    let store = Arc::clone(&app.store);
    drop(app);
    stopper.stop(tasks).await;
    blocking_stop(storage).await;
    released(store).await;
    Ok(())
}

fn start(app: &Arc<App>, kms: Kms, agents: TcpListener, operators: TcpListener) {
    let boot = Boot {
        control: app.control.clone(),
        deployment: Arc::clone(&app.deployment),
        kms,
        changed: Arc::clone(&app.changed),
        document: None,
    };
    app.tasks.spawn(boot.run());
    app.tasks.spawn(keep_index(Arc::clone(&app.index)));
    let faces = [
        (
            agents,
            http::agent::router(Arc::clone(app)),
            http::MAX_AGENT_CONNECTIONS,
        ),
        (
            operators,
            http::operator::router(Arc::clone(app)),
            http::MAX_OPERATOR_CONNECTIONS,
        ),
    ];
    for (listener, router, max) in faces {
        let app = Arc::clone(app);
        let tasks = app.tasks.clone();
        tasks.spawn(http::serve(listener, router, app, max));
    }
}

/// Folds the log into the index, behind it.
async fn keep_index(index: Arc<Index>) {
    loop {
        tokio::time::sleep(INDEX).await;
        let own = Arc::clone(&index);
        // A fault of the index is the index's alone; it says so itself.
        let _ = tokio::task::spawn_blocking(move || {
            // For whoever asks the system what the host's threads cost; without a name they are the runtime's.
            let _ = rustix::thread::set_name(c"index");
            own.catch_up();
            own.hash_up()
        })
        .await;
    }
}

/// Waits until nothing that was still reading holds the store, whose lock goes with it.
async fn released(store: Arc<dyn Store>) {
    for _ in 0..RELEASE_TRIES {
        if Arc::strong_count(&store) == 1 {
            return;
        }
        tokio::time::sleep(RELEASE).await;
    }
    tracing::warn!("a reader still holds the store");
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen { address, source })
}

async fn blocking_stop(storage: Storage) {
    if tokio::task::spawn_blocking(|| storage.stop())
        .await
        .is_err()
    {
        tracing::error!("storage did not stop");
    }
}
