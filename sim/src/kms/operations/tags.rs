//! TagResource, UntagResource, ListResourceTags.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Answer;
use super::list::Page;
use crate::aws::{ErrorType, ServiceError};
use crate::kms::call::Call;

/// Most tags of a key.
// AWS KMS Developer Guide, tagging: 50 tags a key.
const MAX_TAGS: usize = 50;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    tag_key: String,
    tag_value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagResource {
    key_id: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UntagResource {
    key_id: String,
    tag_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListResourceTags {
    key_id: String,
    #[serde(flatten)]
    page: Page,
}

/// Tags of a request, each name once and within its length.
pub(super) fn checked(tags: Option<Vec<Tag>>) -> Result<BTreeMap<String, String>, ServiceError> {
    let fault = |why| Err(ServiceError::new(ErrorType::Tag, why));
    let mut checked = BTreeMap::new();
    for Tag { tag_key, tag_value } in tags.unwrap_or_default() {
        if tag_key.is_empty() || tag_key.len() > 128 || tag_value.len() > 256 {
            return fault("A tag key has 1 to 128 characters, a tag value at most 256.");
        }
        if tag_key.starts_with("aws:") {
            return fault("Tag keys that begin with aws: are AWS's own.");
        }
        if checked.insert(tag_key, tag_value).is_some() {
            return fault("A tag key is there twice.");
        }
    }
    check_count(&checked)?;
    Ok(checked)
}

fn check_count(tags: &BTreeMap<String, String>) -> Result<(), ServiceError> {
    if tags.len() > MAX_TAGS {
        return Err(ServiceError::new(
            ErrorType::LimitExceeded,
            "A key has at most 50 tags.",
        ));
    }
    Ok(())
}

pub(super) fn shown(tags: &BTreeMap<String, String>) -> Vec<(String, Value)> {
    tags.iter()
        .map(|(key, value)| (key.clone(), json!({ "TagKey": key, "TagValue": value })))
        .collect()
}

pub(super) fn tag_resource(call: &Call<'_>, request: TagResource) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    let tags = checked(Some(request.tags))?;
    let arn = call.service.arn(&key);
    call.service.change(&key, |key| {
        key.check_kept(&arn)?;
        key.tags.extend(tags);
        check_count(&key.tags)
    })?;
    Ok(None)
}

pub(super) fn untag_resource(call: &Call<'_>, request: UntagResource) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    let arn = call.service.arn(&key);
    call.service.change(&key, |key| {
        key.check_kept(&arn)?;
        key.tags.retain(|name, _| !request.tag_keys.contains(name));
        Ok(())
    })?;
    Ok(None)
}

pub(super) fn list_resource_tags(call: &Call<'_>, request: ListResourceTags) -> Answer {
    let key = call.authorized_key(&request.key_id)?;
    let page = request.page.of("Tags", 50, shown(&key.tags))?;
    Ok(Some(Value::Object(page)))
}
