//! How figures move as something grows: callers, and the size of what is signed. For the long run alone.

use crate::{asks, calls::through_host, deployment::Deployment, run::Run};

/// Callers that each wait for their answer.
const CALLERS: [usize; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
/// Bytes of a POST's body.
const BYTES: [usize; 7] = [
    256,
    1024,
    4096,
    16 * 1024,
    64 * 1024,
    256 * 1024,
    512 * 1024,
];
/// Channels that one agent key may have: enough agents for as many callers.
const CHANNELS: usize = 4;

/// From one caller to a thousand.
pub fn callers(run: &mut Run, deployment: &mut Deployment) -> anyhow::Result<()> {
    deployment.agents(CALLERS[CALLERS.len() - 1] / CHANNELS)?;
    for callers in CALLERS {
        through_host(
            run,
            deployment,
            "by callers",
            (callers, 1),
            &asks::sign(asks::get()),
        )?;
    }
    Ok(())
}

/// From a small body to the largest.
pub fn bodies(run: &mut Run, deployment: &Deployment) -> anyhow::Result<()> {
    for bytes in BYTES {
        let what = format!("POST of {bytes} B");
        through_host(
            run,
            deployment,
            &what,
            (8, 1),
            &asks::sign(asks::post(bytes)),
        )?;
    }
    Ok(())
}
