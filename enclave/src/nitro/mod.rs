//! The platform of an AWS Nitro Enclave: the NSM device, the kernel's entropy with the NSM's mixed in, the kernel's clock; and the
//! life of process 1 up to serving.
//!
//! Each is checked before it is used: the kernel's entropy source must be the NSM's, its clock source the hypervisor's. It
//! does not know what the enclave does with them.

mod confine;
mod heartbeat;
mod init;
mod seccomp;

use self::{
    init::{Alone, Mounted},
    seccomp::Closed,
};
use crate::{
    boot::{Error, Platform},
    platform::{Clock, Entropy, NoEntropy, Nsm},
    serve::{link::FromParent, run},
};
use aws_nitro_enclaves_nsm_api::{
    api::{Request, Response},
    driver::{nsm_exit, nsm_init, nsm_process_request},
};
use claviger_shared::{owner::manifest::Version, wire::Phase};
use nix::sys::utsname::uname;
use std::{fs, sync::Arc, time::Instant};
use vsock::{VMADDR_CID_ANY, VsockListener};
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

/// How the release of the image's own kernel ends (image/kernel/config, `CONFIG_LOCALVERSION`).
const KERNEL: &str = "-claviger";
/// Registers that the hypervisor fills and locks (AWS Nitro Enclaves user guide, "measurements").
const OF_THE_IMAGE: [u16; 3] = [0, 1, 2];

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
    fn monotonic_us(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The whole life of process 1: the platform checked, the parent told, privileges dropped, connections served; why it ended.
///
/// Each step gives what the next one asks for, and connections are taken only by who has been through all: a step that is left
/// out does not compile.
///
/// # Errors
///
/// [`Error::Platform`] when anything about this machine is not as an enclave's must be. Nothing was served then.
pub fn live(version: Version) -> Result<(Phase, String), Error> {
    let mounted = Alone::check()?.mount()?;
    let platform = platform(&mounted, version)?;
    let listener = Deaf::bind()?;
    let closed = mounted.unmount()?.confine()?.beat(PARENT_CID)?.close()?;
    run::run(platform, Box::new(listener.listen(closed)))
}

/// A port that nobody's connections are taken from yet.
struct Deaf(VsockListener);

impl Deaf {
    fn bind() -> Result<Self, Error> {
        let listener = VsockListener::bind_with_cid_port(VMADDR_CID_ANY, PORT);
        listener.map(Self).map_err(|_| Error::Platform("vsock"))
    }

    /// The parent's connections are taken from here on, and nothing else can be done any more.
    fn listen(self, _: Closed) -> FromParent {
        FromParent {
            listener: self.0,
            parent: PARENT_CID,
        }
    }
}

/// The platform, checked while there is something to check it by.
fn platform(_: &Mounted, version: Version) -> Result<Platform, Error> {
    expect_kernel(
        &uname()
            .map_err(|_| Error::Platform("uname"))?
            .release()
            .to_string_lossy(),
    )?;
    expect_line(RNG_CURRENT, NSM_RNG, "entropy source is not the NSM's")?;
    expect_line(CLOCK_SOURCE, KVM_CLOCK, "clock source is not kvm-clock")?;
    let device = Arc::new(Device::open()?);
    expect_locked(device.as_ref())?;
    #[expect(
        clippy::disallowed_methods,
        reason = "the one clock of the production binary"
    )]
    let start = Instant::now();
    let entropy = Mixed(Arc::clone(&device));
    // Also begins the crypto library's generator, which looks at devices when it is first asked.
    let mut first = Zeroizing::new([0; PART]);
    entropy
        .fill(first.as_mut())
        .map_err(|_| Error::Platform("no random bytes"))?;
    Ok(Platform {
        nsm: device,
        clock: Arc::new(Monotonic(start)),
        entropy: Arc::new(entropy),
        version,
    })
}

/// The kernel must be the image's own.
fn expect_kernel(release: &str) -> Result<(), Error> {
    let own = release
        .strip_suffix(KERNEL)
        .is_some_and(|number| !number.is_empty());
    own.then_some(())
        .ok_or(Error::Platform("kernel is not this image's"))
}

/// Nobody else may extend what the image measures.
fn expect_locked(nsm: &dyn Nsm) -> Result<(), Error> {
    for index in OF_THE_IMAGE {
        let Response::DescribePCR { lock: true, .. } = nsm.process(Request::DescribePCR { index })
        else {
            return Err(Error::Platform("PCR0, PCR1 and PCR2 are not locked"));
        };
    }
    Ok(())
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
    use aws_nitro_enclaves_nsm_api::api::ErrorCode;

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
    fn the_kernel_must_be_the_images_own() {
        assert_eq!(expect_kernel("6.12.95-claviger"), Ok(()));
        for other in [
            "6.12.95",
            "6.12.95-claviger+",
            "-claviger",
            "",
            "4.14.256-claviger-x",
        ] {
            expect_kernel(other).unwrap_err();
        }
    }

    /// An NSM whose register `.0` is open.
    struct Open(u16);

    impl Nsm for Open {
        fn process(&self, request: Request) -> Response {
            let Request::DescribePCR { index } = request else {
                return Response::Error(ErrorCode::InvalidOperation);
            };
            Response::DescribePCR {
                lock: index != self.0,
                data: vec![1; 48],
            }
        }
    }

    #[test]
    fn the_images_registers_must_be_locked() {
        assert_eq!(expect_locked(&Open(16)), Ok(()));
        for index in OF_THE_IMAGE {
            expect_locked(&Open(index)).unwrap_err();
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
