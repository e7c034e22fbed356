//! A process between a caller and the host that copies bytes: what any process there adds to a call, whatever it does.
//!
//! It speaks TCP on both sides, as the sidecar does, and knows nothing of what it carries.

use crate::{
    asks,
    cell::{Waits, waits},
    child::Kept,
    deployment::Deployment,
    http::authority,
    load::{self, Caller, Load, Socket},
    run::Run,
};
use serde::Serialize;
use std::path::Path;

/// Turns that each takes.
const ROUNDS: u32 = 20;

/// Copies bytes both ways between clients and a server, one connection for each; the file says where, once it listens.
pub fn serve(ready: &Path, server: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let partial = ready.with_extension("partial");
        std::fs::write(&partial, format!("http://{}", listener.local_addr()?))?;
        std::fs::rename(&partial, ready)?;
        loop {
            let (mut client, _) = listener.accept().await?;
            let server = server.to_owned();
            tokio::spawn(async move {
                client.set_nodelay(true)?;
                let mut server = tokio::net::TcpStream::connect(server).await?;
                server.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    })
}

/// How long one caller waits for the reference call, asked in turns, because such waits drift by more than what is looked for.
#[derive(Debug, Clone, Serialize)]
pub struct Added {
    /// On the host's stream face.
    pub alone: Waits,
    /// Through a process that copies bytes.
    pub copied: Waits,
    /// From the sidecar, by HTTP.
    pub sidecar: Waits,
}

/// Asks in turns until each has taken its time; `sidecar` is a connection to one.
pub fn measure(
    run: &mut Run,
    deployment: &Deployment,
    sidecar: (Socket, Box<dyn Caller>),
) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let ready = dir.path().join("ready");
    let host = authority(&deployment.profile.api)?;
    let mut command = Kept::command(std::env::current_exe()?)?;
    let mut between = Kept::start(command.arg("between").arg(&ready).arg(host))?;
    between.wait_until("ready file", || ready.exists())?;
    let copied = std::fs::read_to_string(&ready)?;
    let agent = &deployment.agents[0];
    let stream =
        |api: &str| load::stream::connect(api, &deployment.trusted, agent, asks::sign(asks::get()));
    let lanes = [stream(&deployment.profile.api)?, stream(&copied)?, sidecar];
    let mut loads = lanes
        .into_iter()
        .map(|lane| Load::new(vec![lane], 1))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        for (load, all) in loads.iter_mut().zip(&mut all) {
            let tally = load.run(run.length / ROUNDS)?;
            load.drain()?;
            // The first round is for warming up.
            if round > 0 {
                all.extend(tally.issued);
            }
        }
    }
    let [alone, copied, sidecar] = all.map(waits);
    println!(
        "one caller, in turns: p50 {:.0} µs, through a copy of bytes {:.0} µs, from the sidecar {:.0} µs",
        alone.p50_us, copied.p50_us, sidecar.p50_us
    );
    run.added = Some(Added {
        alone,
        copied,
        sidecar,
    });
    Ok(())
}
