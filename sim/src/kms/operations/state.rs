//! EnableKey, DisableKey, ScheduleKeyDeletion: where a key is in its life.

use serde::Deserialize;
use serde_json::json;

use super::Answer;
use super::describe::OfKey;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::key::{Key, State};
use crate::kms::service::Call;

const DAY_S: u64 = 24 * 3600;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<u64>,
}

pub(super) fn enable_key(call: &Call<'_>, request: &OfKey) -> Answer {
    switch(call, &request.key_id, State::Enabled)
}

pub(super) fn disable_key(call: &Call<'_>, request: &OfKey) -> Answer {
    switch(call, &request.key_id, State::Disabled)
}

/// The key is unusable at once and stays described: this simulation never destroys one.
pub(super) fn schedule_key_deletion(call: &Call<'_>, request: &ScheduleKeyDeletion) -> Answer {
    let days = request.pending_window_in_days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(ServiceError::validation(
            "PendingWindowInDays must be 7 to 30.",
        ));
    }
    let key = call.authorized_key(&request.key_id)?;
    refuse_pending(call, &key)?;
    let at_s = (call.service.clock.now_ms() / 1000).saturating_add(days.saturating_mul(DAY_S));
    let state = State::PendingDeletion { at_s };
    call.service.change(&key.id, |key| key.state = state)?;
    Ok(Some(json!({
        "DeletionDate": at_s,
        "KeyId": call.service.arn(&key),
        "KeyState": state.name(),
        "PendingWindowInDays": days,
    })))
}

fn switch(call: &Call<'_>, key_id: &str, to: State) -> Answer {
    let key = call.authorized_key(key_id)?;
    refuse_pending(call, &key)?;
    call.service.change(&key.id, |key| key.state = to)?;
    Ok(None)
}

fn refuse_pending(call: &Call<'_>, key: &Key) -> Result<(), ServiceError> {
    match key.state {
        State::Disabled | State::Enabled => Ok(()),
        State::PendingDeletion { .. } => {
            let message = format!("{} is pending deletion.", call.service.arn(key));
            Err(ServiceError::new(ErrorType::KmsInvalidState, message))
        }
    }
}
