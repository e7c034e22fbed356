//! EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion: where a key is in its life.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Answer;
use super::describe::OfKey;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::{Call, Leave};
use crate::kms::key::State;
use crate::kms::secret::EncryptionContext;
use crate::kms::service::DAY_S;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ScheduleKeyDeletion {
    key_id: String,
    pending_window_in_days: Option<u64>,
}

pub(super) fn enable_key(call: &Call<'_>, request: OfKey) -> Answer {
    switch(call, &request.key_id, State::Enabled)
}

pub(super) fn disable_key(call: &Call<'_>, request: OfKey) -> Answer {
    switch(call, &request.key_id, State::Disabled)
}

fn switch(call: &Call<'_>, key_id: &str, to: State) -> Answer {
    let key = call.authorized_key(key_id)?;
    let arn = call.service.arn(&key);
    call.service.change(&key, |key| {
        key.check_kept(&arn)?;
        key.state = to;
        Ok(())
    })?;
    Ok(None)
}

/// The key is unusable at once and destroyed when the window is over; a primary waits for its replicas first.
pub(super) fn schedule_key_deletion(call: &Call<'_>, request: ScheduleKeyDeletion) -> Answer {
    let days = request.pending_window_in_days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(ServiceError::validation(
            "PendingWindowInDays must be 7 to 30.",
        ));
    }
    let key = call.find(&request.key_id)?;
    let mut context = call.context(Some(&key));
    context.set(
        "kms:ScheduleKeyDeletionPendingWindowInDays",
        days.to_string(),
    );
    call.authorize(&Leave {
        action: call.action,
        key: Some(&key),
        context,
        encryption_context: &EncryptionContext::new(),
    })?;
    let arn = call.service.arn(&key);
    let at_s = call
        .service
        .now_s()
        .saturating_add(days.saturating_mul(DAY_S));
    let waits = key.is_primary() && !call.service.replicas(&key).is_empty();
    let state = if waits {
        State::PendingReplicaDeletion { days }
    } else {
        State::PendingDeletion { at_s }
    };
    call.service.change(&key, |key| {
        key.check_kept(&arn)?;
        key.state = state;
        Ok(())
    })?;
    let mut answer = json!({ "KeyId": arn, "KeyState": state.name(), "PendingWindowInDays": days });
    if let (Value::Object(members), false) = (&mut answer, waits) {
        members.insert("DeletionDate".to_owned(), json!(at_s));
    }
    Ok(Some(answer))
}

/// The key is there again, disabled.
pub(super) fn cancel_key_deletion(call: &Call<'_>, request: OfKey) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    let arn = call.service.arn(&key);
    call.service.change(&key, |key| match key.state {
        State::PendingDeletion { .. } | State::PendingReplicaDeletion { .. } => {
            key.state = State::Disabled;
            Ok(())
        }
        State::Disabled | State::Enabled => Err(ServiceError::new(
            ErrorType::KmsInvalidState,
            format!("{arn} is not pending deletion."),
        )),
    })?;
    Ok(Some(json!({ "KeyId": arn })))
}
