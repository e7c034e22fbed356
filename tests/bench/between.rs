//! A process between a caller and the host that copies bytes: what any process there adds to a call, whatever it does.
//!
//! It speaks TCP on both sides, as the sidecar does, and knows nothing of what it carries.

use crate::{asks, calls, child::Kept, deployment::Deployment, http::authority, load, run::Run};
use std::path::Path;

/// What a call without it is called, beside the mode.
pub const ALONE: &str = "GET beside the sidecar";
/// And through it.
pub const BEHIND: &str = "GET behind a copy of bytes";

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

/// The reference call of one caller, without it and through it.
pub fn measure(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let ready = dir.path().join("ready");
    let host = authority(&deployment.profile.api)?;
    let mut between = Kept::start(
        Kept::command(std::env::current_exe()?)?
            .arg("between")
            .arg(&ready)
            .arg(host),
    )?;
    between.wait_until("ready file", || ready.exists())?;
    let url = std::fs::read_to_string(&ready)?;
    let get = asks::sign(asks::get());
    let agent = &deployment.agents[0];
    for (what, api) in [(ALONE, &deployment.profile.api), (BEHIND, &url)] {
        let lane = load::stream::connect(api, &deployment.trusted, agent, get.clone())?;
        let mut plan = calls::plan(run, deployment, what, 1)?;
        plan.pids.push(("between", between.pid()));
        plan.keep(run, vec![lane])?;
    }
    Ok(())
}
