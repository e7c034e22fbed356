//! The platform of a test: a clock that stands still until it is moved, and entropy that remembers what it gave.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use claviger_enclave::{
    boot::Platform,
    platform::{Clock, Entropy, NoEntropy, Nsm},
};
use claviger_shared::time::UnixMs;
use claviger_sim::nsm::{Measurements, MockNsm, Pki};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// Wall and monotonic time of a test.
#[derive(Debug, Clone)]
pub struct TestClock {
    base_ms: u64,
    ahead_ms: Arc<AtomicU64>,
}

impl Default for TestClock {
    /// Now, at a whole second.
    fn default() -> Self {
        Self {
            base_ms: claviger_client::session::wall_clock_ms() / 1000 * 1000,
            ahead_ms: Arc::default(),
        }
    }
}

impl TestClock {
    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        UnixMs(self.base_ms + self.ahead_ms.load(Ordering::SeqCst))
    }

    /// Lets so much time pass.
    pub fn advance_ms(&self, ms: u64) {
        self.ahead_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn monotonic_us(&self) -> u64 {
        self.ahead_ms.load(Ordering::SeqCst) * 1000
    }
}

/// Entropy of this machine, and everything that was drawn from it.
#[derive(Debug, Default)]
pub struct Recording(Mutex<Vec<Vec<u8>>>);

impl Recording {
    /// What was drawn, in order.
    #[must_use]
    pub fn draws(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

impl Entropy for Recording {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        aws_lc_rs::rand::fill(out).map_err(|_| NoEntropy)?;
        self.0.lock().unwrap().push(out.to_vec());
        Ok(())
    }
}

/// A security module that was used before the enclave began: one register is extended.
#[derive(Debug)]
pub struct Touched(pub Arc<MockNsm>);

impl Touched {
    /// Extends a register of a fresh module.
    #[must_use]
    pub fn at(nsm: MockNsm, index: u16) -> Self {
        let data = vec![1];
        let done = nsm.process(Request::ExtendPCR { index, data });
        assert!(matches!(done, Response::ExtendPCR { .. }), "{done:?}");
        Self(Arc::new(nsm))
    }
}

impl Nsm for Touched {
    fn process(&self, request: Request) -> Response {
        self.0.process(request)
    }
}

/// A mock module under a PKI, with the test's clock.
#[must_use]
pub fn nsm(pki: &Arc<Pki>, measurements: &Measurements, clock: &TestClock) -> MockNsm {
    let id = MockNsm::random_module_id().unwrap();
    let clock = clock.clone();
    let wall = Arc::new(move || clock.now().0);
    MockNsm::new(Arc::clone(pki), measurements, &id, wall).unwrap()
}

/// A platform over a module.
#[must_use]
pub fn platform(nsm: Arc<dyn Nsm>, clock: &TestClock, entropy: &Arc<Recording>) -> Platform {
    Platform {
        nsm,
        clock: Arc::new(clock.clone()),
        entropy: Arc::<Recording>::clone(entropy),
        version: claviger_enclave::version(),
    }
}
