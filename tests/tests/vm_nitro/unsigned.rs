//! What the emulated module says is unsigned: KMS and clients refuse it as it is, and the image never gets its key.

use crate::{command::run, courier::HostRole, guest::Guest};
use anyhow::{Context, ensure};
use claviger_tests::vm::{Part, nitro};
use std::time::Duration;

/// How long a boot is watched that must come to nothing: several times what one with a signature takes.
const WATCHED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU's nitro-enclave: make vm-nitro-test"]
async fn kms_and_clients_refuse_what_nobody_signed() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let nitro = nitro::start(dir.path(), nitro::MEMORY)?;
    let courier = nitro.courier;
    let mut guest = Guest::of(dir, nitro.vm, &nitro.address).await?;
    let role = HostRole::of(guest.dir.path(), &guest.stage.profile()?).await?;
    let document = courier.documents().pop().context("no document")?;
    let refused = role.derive(document).await;
    ensure!(refused.is_err(), "KMS took a document that nobody signed");
    println!("KMS refuses it: {}", refused.unwrap_err());
    ensure!(
        run(&guest.stage, &["attest"]).await?.exit == 0,
        "signed, it is taken"
    );

    courier.signs(false);
    let attest = run(&guest.stage, &["attest"]).await?;
    ensure!(attest.exit != 0, "a client took it: {}", attest.value);
    println!("a client refuses it: {}", attest.word());
    let made = courier.documents().len();
    guest.apart(|vm| vm.kill(Part::Guest)).await?;
    let served = tokio::time::timeout(WATCHED, guest.stage.serving()).await;
    ensure!(served.is_err(), "it was unsealed all the same");
    ensure!(
        courier.documents().len() > made,
        "the boot asked for no document"
    );

    courier.signs(true);
    guest.kill(Part::Guest).await?;
    guest.stop().await
}
