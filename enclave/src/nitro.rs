//! The platform of an AWS Nitro Enclave: the NSM device, the kernel's entropy with the NSM's mixed in, the kernel's clock.
//!
//! Each is checked before it is used: the kernel's entropy source must be the NSM's, its clock source the hypervisor's. It
//! does not know what the enclave does with them.

use crate::{
    boot::{Error, Platform},
    platform::{Clock, Entropy, NoEntropy, Nsm},
};
use aws_nitro_enclaves_nsm_api::{
    api::{Request, Response},
    driver::{nsm_exit, nsm_init, nsm_process_request},
};
use claviger_shared::owner::manifest::Version;
use std::{fs, sync::Arc, time::Instant};
use zeroize::Zeroizing;

/// Port the enclave listens on.
pub const PORT: u32 = 5000;
/// The parent instance's context id (AWS Nitro Enclaves user guide, "vsock").
pub const PARENT_CID: u32 = 3;
/// Where the kernel says which generator it is fed from.
const RNG_CURRENT: &str = "/sys/class/misc/hw_random/rng_current";
/// The only generator accepted.
const NSM_RNG: &str = "nsm-hwrng";
/// Where the kernel says which clock it counts by.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
/// The only clock accepted: the host cannot set it.
const KVM_CLOCK: &str = "kvm-clock";

/// Bytes mixed at a time: at most what one answer of the NSM holds.
const PART: usize = 64;

/// The NSM device.
#[derive(Debug)]
pub struct Device(i32);

impl Device {
    /// Opens the device.
    ///
    /// # Errors
    ///
    /// [`Error::Platform`] where there is none.
    pub fn open() -> Result<Self, Error> {
        let descriptor = nsm_init();
        if descriptor < 0 {
            return Err(Error::Platform("no NSM device"));
        }
        Ok(Self(descriptor))
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        nsm_exit(self.0);
    }
}

impl Nsm for Device {
    fn process(&self, request: Request) -> Response {
        nsm_process_request(self.0, request)
    }
}

/// The kernel's generator and the NSM's, one upon the other: as good as the better of both.
#[derive(Debug)]
struct Mixed(Arc<Device>);

impl Mixed {
    fn nsm(&self) -> Result<Vec<u8>, NoEntropy> {
        if let Response::GetRandom { random } = self.0.process(Request::GetRandom) {
            return Ok(random);
        }
        Err(NoEntropy)
    }
}

impl Entropy for Mixed {
    fn fill(&self, out: &mut [u8]) -> Result<(), NoEntropy> {
        for part in out.chunks_mut(PART) {
            aws_lc_rs::rand::fill(part).map_err(|_| NoEntropy)?;
            let random = Zeroizing::new(self.nsm()?);
            if random.len() < part.len() {
                return Err(NoEntropy);
            }
            for (byte, more) in part.iter_mut().zip(random.iter()) {
                *byte ^= more;
            }
        }
        Ok(())
    }
}

/// The kernel's monotonic clock.
#[derive(Debug)]
struct Monotonic(Instant);

impl Clock for Monotonic {
    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The platform, checked.
///
/// # Errors
///
/// [`Error::Platform`] when the entropy source or the clock source is another, or the device is missing.
pub fn platform(version: Version) -> Result<Platform, Error> {
    expect_line(RNG_CURRENT, NSM_RNG, "entropy source is not the NSM's")?;
    expect_line(CLOCK_SOURCE, KVM_CLOCK, "clock source is not kvm-clock")?;
    let device = Arc::new(Device::open()?);
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of the production binary"
    )]
    let start = Instant::now();
    let entropy = Mixed(Arc::clone(&device));
    entropy
        .nsm()
        .map_err(|_| Error::Platform("NSM gives no random bytes"))?;
    Ok(Platform {
        nsm: device,
        clock: Arc::new(Monotonic(start)),
        entropy: Arc::new(entropy),
        version,
    })
}

/// A file of the kernel must say exactly this, its newline aside.
fn expect_line(path: &str, wanted: &str, refusal: &'static str) -> Result<(), Error> {
    let found = fs::read_to_string(path).map_err(|_| Error::Platform(refusal))?;
    if found.trim_end_matches('\n') == wanted {
        Ok(())
    } else {
        Err(Error::Platform(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_file_must_say_exactly_what_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rng_current");
        let check = || expect_line(path.to_str().unwrap(), NSM_RNG, "refused");
        assert_eq!(check(), Err(Error::Platform("refused")), "missing");
        for (text, fine) in [
            ("nsm-hwrng\n", true),
            ("nsm-hwrng", true),
            ("virtio_rng.0\n", false),
            ("", false),
            ("nsm-hwrng x\n", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(check().is_ok(), fine, "{text:?}");
        }
    }

    #[test]
    fn there_is_no_device_here_and_that_is_an_error() {
        if !std::path::Path::new("/dev/nsm").exists() {
            assert_eq!(
                Device::open().map(drop),
                Err(Error::Platform("no NSM device"))
            );
        }
    }
}
