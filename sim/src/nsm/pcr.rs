//! The 32 platform configuration registers: extend, lock, describe.
//!
//! A locked register never changes again. Registers 0 to 15 are the platform's and locked at boot.

use aws_lc_rs::digest::{Context, SHA384};
use aws_nitro_enclaves_nsm_api::api::ErrorCode;

use super::Measurements;

pub(super) const COUNT: u16 = 32;
pub(super) const PCR_LEN: usize = 48;
/// Registers below this are locked at boot.
const PLATFORM: u16 = 16;

pub(super) type Value = [u8; PCR_LEN];

#[derive(Clone, Copy)]
struct Register {
    value: Value,
    locked: bool,
}

/// The registers of one boot.
pub(super) struct Bank([Register; 32]);

impl Bank {
    pub(super) fn boot(measurements: &Measurements) -> Self {
        let Measurements {
            pcr0,
            pcr1,
            pcr2,
            role_arn,
            instance_id,
        } = measurements;
        let mut bank = Self(
            [Register {
                value: [0; PCR_LEN],
                locked: false,
            }; 32],
        );
        let values = [
            *pcr0,
            *pcr1,
            *pcr2,
            extended(&[0; PCR_LEN], role_arn.as_bytes()),
            extended(&[0; PCR_LEN], instance_id.as_bytes()),
        ];
        for (register, value) in bank.0.iter_mut().zip(values) {
            register.value = value;
        }
        for register in bank.0.iter_mut().take(PLATFORM.into()) {
            register.locked = true;
        }
        bank
    }

    pub(super) fn describe(&self, index: u16) -> Result<(bool, Value), ErrorCode> {
        let register = self
            .0
            .get(usize::from(index))
            .ok_or(ErrorCode::InvalidIndex)?;
        Ok((register.locked, register.value))
    }

    /// `new = SHA-384(old ‖ data)`.
    pub(super) fn extend(&mut self, index: u16, data: &[u8]) -> Result<Value, ErrorCode> {
        let register = self.unlocked(index)?;
        register.value = extended(&register.value, data);
        Ok(register.value)
    }

    pub(super) fn lock(&mut self, index: u16) -> Result<(), ErrorCode> {
        self.unlocked(index)?.locked = true;
        Ok(())
    }

    /// Locks `[0, range)`; those already locked stay so.
    pub(super) fn lock_below(&mut self, range: u16) -> Result<(), ErrorCode> {
        if range > COUNT {
            return Err(ErrorCode::InvalidIndex);
        }
        for register in self.0.iter_mut().take(range.into()) {
            register.locked = true;
        }
        Ok(())
    }

    /// Index and value of every locked register, ascending.
    pub(super) fn locked(&self) -> impl Iterator<Item = (u16, Value)> + '_ {
        (0..COUNT)
            .zip(&self.0)
            .filter(|(_, register)| register.locked)
            .map(|(index, register)| (index, register.value))
    }

    fn unlocked(&mut self, index: u16) -> Result<&mut Register, ErrorCode> {
        let register = self
            .0
            .get_mut(usize::from(index))
            .ok_or(ErrorCode::InvalidIndex)?;
        if register.locked {
            Err(ErrorCode::ReadOnlyIndex)
        } else {
            Ok(register)
        }
    }
}

fn extended(old: &Value, data: &[u8]) -> Value {
    let mut context = Context::new(&SHA384);
    context.update(old);
    context.update(data);
    let mut value = [0; PCR_LEN];
    value.copy_from_slice(context.finish().as_ref());
    value
}
