//! S3: which action a method, a path and subresources are; buckets in the host or the path; what header fields add.

use super::{
    METHOD_PARAM, Request,
    derive::{Derived, denied},
};
use claviger_shared::{
    call::{
        aws::{Action, Service},
        http::{DEFAULT_PORT, Headers, URL_PARAM, object_segment},
    },
    denial::{Code, Denial},
};

const SOURCE: &str = "x-amz-copy-source";
/// Header fields by which a write sets who may do what.
const ACL: &[&str] = &["x-amz-acl", "x-amz-grant-*"];
/// The one by which a write sets tags, which policies may read.
const TAGGING: &[&str] = &["x-amz-tagging"];

/// What a request to S3 does; `host` is the Region's.
pub(super) fn derive(
    service: &'static Service,
    request: &Request<'_>,
    host: &str,
) -> Result<Derived, Denial> {
    let (bucket, key) = object(request, host)?;
    let name = name(request, key.is_empty()).ok_or_else(|| denied(METHOD_PARAM))?;
    let action = service.action(name).ok_or_else(|| denied(METHOD_PARAM))?;
    let adds = |headers: &[&str]| {
        let mut all = request.parts.headers.iter();
        all.any(|(name, _)| claviger_shared::call::aws::fits(headers, name))
    };
    let mut more: Vec<(&'static Action, &'static [&'static str])> = Vec::new();
    if matches!(name, "PutObject" | "CopyObject" | "CreateMultipartUpload") {
        for (headers, added) in [(ACL, "PutObjectAcl"), (TAGGING, "PutObjectTagging")] {
            let action = service.action(added).filter(|_| adds(headers));
            more.extend(action.map(|action| (action, headers)));
        }
    }
    let source = match request.parts.headers.value(SOURCE) {
        Some(text) if name == "CopyObject" => {
            let malformed = || Denial::at(Code::NotNormalForm, Headers::param(SOURCE));
            Some(source(text).ok_or_else(malformed)?)
        }
        Some(_) | None => None,
    };
    let listed = request.parts.url.member("prefix").unwrap_or_default();
    let key = if name == "ListObjectsV2" {
        listed.to_owned()
    } else {
        key
    };
    Ok(Derived {
        action,
        more,
        found: vec![("bucket", bucket), ("key", key)],
        source,
        place: URL_PARAM.to_owned(),
        said: METHOD_PARAM.to_owned(),
    })
}

/// Bucket and key: the bucket in the host, or first in the path.
fn object(request: &Request<'_>, host: &str) -> Result<(String, String), Denial> {
    let url = request.parts.url;
    let elsewhere = || Denial::at(Code::DestinationDenied, URL_PARAM);
    if url.port != DEFAULT_PORT {
        return Err(elsewhere());
    }
    if url.host == host {
        let (bucket, key) = url.segments.split_first().ok_or_else(elsewhere)?;
        return Ok((bucket.clone(), key.join("/")));
    }
    let bucket = url
        .host
        .strip_suffix(host)
        .and_then(|rest| rest.strip_suffix('.'));
    let bucket = bucket
        .filter(|bucket| !bucket.contains('.'))
        .ok_or_else(elsewhere)?;
    Ok((bucket.to_owned(), url.segments.join("/")))
}

fn name(request: &Request<'_>, of_bucket: bool) -> Option<&'static str> {
    let has = |name: &str| request.parts.url.member(name).is_some();
    let part = has("partNumber") || has("uploadId");
    let name = match (request.input.method.as_str(), of_bucket) {
        ("GET", true) if request.parts.url.member("list-type") == Some("2") => "ListObjectsV2",
        ("GET", true) if has("location") => "GetBucketLocation",
        ("HEAD", true) => "HeadBucket",
        ("POST", true) if has("delete") => "DeleteObjects",
        ("GET", false) if has("acl") => "GetObjectAcl",
        ("GET", false) if has("tagging") => "GetObjectTagging",
        ("GET", false) if has("uploadId") => "ListParts",
        ("GET", false) if has("versionId") => "GetObjectVersion",
        ("GET", false) => "GetObject",
        ("HEAD", false) => "HeadObject",
        ("PUT", false) if has("acl") => "PutObjectAcl",
        ("PUT", false) if has("tagging") => "PutObjectTagging",
        ("PUT", false) if part => "UploadPart",
        ("PUT", false) if request.parts.headers.value(SOURCE).is_some() => "CopyObject",
        ("PUT", false) => "PutObject",
        ("POST", false) if has("uploads") => "CreateMultipartUpload",
        ("POST", false) if has("uploadId") => "CompleteMultipartUpload",
        ("DELETE", false) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", false) if has("versionId") => "DeleteObjectVersion",
        ("DELETE", false) => "DeleteObject",
        _ => return None,
    };
    Some(name)
}

/// `bucket/key` or `/bucket/key`, each part of the key in its one spelling; no version.
fn source(text: &str) -> Option<(String, String)> {
    let text = text.strip_prefix('/').unwrap_or(text);
    let (bucket, key) = text.split_once('/')?;
    let parts: Option<Vec<String>> = key.split('/').map(object_segment).collect();
    let key = parts?.join("/");
    (!key.is_empty()).then(|| (bucket.to_owned(), key))
}
