//! A deployment whose enclave is the one program of a virtual machine, with vsock as its only link: it does its job, and keeps its
//! promises while machine, vsock device and host are killed and stalled.
//!
//! Host, KMS, owners and agents are outside, as on a parent instance. What is checked afterwards is the stored log and the
//! receipts, not what anybody said. docs/vm.md tells what such a machine is and what it is not.

#[path = "crash/acknowledged.rs"]
mod acknowledged;
#[path = "../demo/command.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod command;
#[path = "vm/crash.rs"]
mod crash;
#[path = "vm/guest.rs"]
mod guest;
#[path = "vm/job.rs"]
mod job;
#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU: make vm-test"]
async fn the_whole_job_is_done_behind_vsock() -> anyhow::Result<()> {
    job::whole(guest::Guest::start().await?).await
}
