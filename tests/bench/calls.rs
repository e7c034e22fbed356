//! Calls on a deployment through the host, past it, and on the floor server beside it.

use crate::{
    asks,
    cell::Plan,
    child::Kept,
    deployment::Deployment,
    load::{self, Caller, Socket},
    run::Run,
};
use claviger_shared::call::Ask;

type Lanes = Vec<(Socket, Box<dyn Caller>)>;

/// Connections and the depth of each.
pub const SHAPES: [(usize, usize); 4] = [(1, 1), (8, 1), (64, 1), (8, 16)];

/// The floor server, alone and behind a relay.
pub fn floor(run: &mut Run) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (socket, front) = (dir.path().join("floor"), dir.path().join("relay"));
    let text = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let server = Kept::own(&["floor", &text(&socket)], &socket)?;
    let relay = Kept::own(&["relay", &text(&front), &text(&socket)], &front)?;
    for (name, socket) in [("floor", &socket), ("floor behind a relay", &front)] {
        for (callers, depth) in SHAPES {
            let lanes = (0..callers).map(|agent| load::floor::connect(socket, agent));
            let plan = Plan {
                name: name.to_owned(),
                depth,
                length: run.length,
                pids: vec![("floor", server.pid()), ("relay", relay.pid())],
                log: None,
            };
            run.keep(plan.run(lanes.collect::<anyhow::Result<_>>()?)?);
        }
    }
    Ok(())
}

/// Streams of the first agents, each asking for the same.
pub fn streams(deployment: &Deployment, callers: usize, ask: &Ask) -> anyhow::Result<Lanes> {
    let each = (0..callers).map(|number| {
        let agent = &deployment.agents[number % deployment.agents.len()];
        load::stream::connect(
            &deployment.profile.api,
            &deployment.trusted,
            agent,
            ask.clone(),
        )
    });
    each.collect()
}

/// A cell of a deployment.
pub fn plan(run: &Run, deployment: &Deployment, what: &str, depth: usize) -> anyhow::Result<Plan> {
    Ok(Plan {
        name: format!("{} {what}", deployment.mode()),
        depth,
        length: run.length,
        pids: deployment.pids()?,
        log: Some(deployment.log()),
    })
}

/// What a load through the host costs.
pub fn through_host(
    run: &mut Run,
    deployment: &Deployment,
    what: &str,
    (callers, depth): (usize, usize),
    ask: &Ask,
) -> anyhow::Result<()> {
    let lanes = streams(deployment, callers, ask)?;
    plan(run, deployment, what, depth)?.keep(run, lanes)
}

/// The reference call in every shape, a POST, and a denial.
pub fn host(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let get = asks::sign(asks::get());
    for shape in SHAPES {
        through_host(run, deployment, "GET", shape, &get)?;
    }
    let post = asks::sign(asks::post(256));
    through_host(run, deployment, "POST 256 B", (8, 16), &post)?;
    let unlisted = asks::sign(asks::unlisted());
    for shape in [(8, 1), (8, 16)] {
        through_host(run, deployment, "denial", shape, &unlisted)?;
    }
    Ok(())
}

/// One cell of it alone, to try a change on.
pub fn one(run: &mut Run, deployment: &Deployment, shape: (usize, usize)) -> anyhow::Result<()> {
    through_host(run, deployment, "GET", shape, &asks::sign(asks::get()))
}

/// Past the host: two call connections, channels of eight agents.
pub fn direct(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    let get = asks::sign(asks::get());
    for depth in [4, 64] {
        let lanes = deployment.agents[..8].chunks(4).map(|agents| {
            load::direct::connect(
                &deployment.enclave_socket(),
                &deployment.trusted,
                agents,
                &get,
            )
        });
        let lanes = lanes.collect::<anyhow::Result<_>>()?;
        plan(run, deployment, "past the host", depth)?.keep(run, lanes)?;
    }
    Ok(())
}
