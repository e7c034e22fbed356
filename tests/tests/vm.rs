#[path = "../demo/stage.rs"]
#[allow(dead_code, reason = "shared with the demonstration")]
mod stage;
use claviger_tests::vm::{simulation, Part};
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs QEMU: make vm-test"]
async fn quick() -> anyhow::Result<()> {
    let t = std::time::Instant::now();
    let dir = tempfile::tempdir()?;
    let vm = simulation::start(dir.path(), &stage::program("claviger-guest")?)?;
    vm.wait_up(1)?;
    println!("up 1 {:?}", t.elapsed());
    let stage = stage::Stage::start_at(dir.path(), Some(&vm.places().address())).await?;
    println!("serving {:?} boots {} ups {}", t.elapsed(), vm.boots(), vm.ups());
    println!("{}", vm.console());
    for _ in 0..3 {
    let t = std::time::Instant::now();
    vm.kill(Part::Guest)?;
    println!("up {:?}", t.elapsed());
    }
    let t = std::time::Instant::now();
    vm.kill(Part::Device)?;
    println!("up {:?}", t.elapsed());
    println!("lost {:?}", vm.lost_boots());
    stage.stop().await?;
    Ok(())
}
