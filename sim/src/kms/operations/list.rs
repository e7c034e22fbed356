//! Lists, a page at a time; ListKeys.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Answer;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::Call;

/// Most members of a page.
// botocore kms/2014-11-01: LimitType, 1 to 1000.
const MAX_LIMIT: usize = 1000;

/// Which page is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Page {
    limit: Option<usize>,
    marker: Option<String>,
}

impl Page {
    /// One page of what is listed, each by a name that orders them. A marker is the name of the last one shown.
    pub(super) fn of(
        &self,
        member: &str,
        default: usize,
        mut listed: Vec<(String, Value)>,
    ) -> Result<Map<String, Value>, ServiceError> {
        let limit = self.limit.unwrap_or(default);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ServiceError::validation("Limit must be 1 to 1000."));
        }
        listed.sort_by(|(one, _), (other, _)| one.cmp(other));
        if let Some(marker) = &self.marker {
            if !listed.iter().any(|(name, _)| name == marker) {
                return Err(ServiceError::new(
                    ErrorType::InvalidMarker,
                    "The marker is not one of this list.",
                ));
            }
            listed.retain(|(name, _)| name > marker);
        }
        let truncated = listed.len() > limit;
        listed.truncate(limit);
        let mut page = Map::new();
        if let (true, Some((last, _))) = (truncated, listed.last()) {
            page.insert("NextMarker".to_owned(), json!(last));
        }
        page.insert("Truncated".to_owned(), json!(truncated));
        let values: Vec<_> = listed.into_iter().map(|(_, value)| value).collect();
        page.insert(member.to_owned(), Value::Array(values));
        Ok(page)
    }
}

pub(super) fn list_keys(call: &Call<'_>, request: Page) -> Answer {
    call.authorize_on(None)?;
    let keys = call.service.keys_of(call.region);
    let one = |key: crate::kms::key::Key| {
        let shown = json!({ "KeyArn": call.service.arn(&key), "KeyId": key.id });
        (key.id, shown)
    };
    let page = request.of("Keys", 100, keys.into_iter().map(one).collect())?;
    Ok(Some(Value::Object(page)))
}
