//! Frames, items, canonical CBOR and strict JSON.

use claviger_host::link::frames;
use claviger_shared::{
    codec::{
        cbor::{self, MAX_ITEMS},
        frame::{self, HEAD_BYTES, Head, LEN_BYTES, MAX_BODY, MAX_LEN},
        json::{self, MAX_DEPTH, Value},
    },
    wire::stream::{self, AnswerItem, Item, Reply, Request},
};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Canonical or refused: what decodes encodes to the same bytes, and neither less nor more of it decodes.
pub fn canonical<T: Serialize + DeserializeOwned>(data: &[u8]) -> Option<T> {
    canonical_many(data, MAX_ITEMS)
}

/// [`canonical`] for a document with a limit of items of its own.
pub fn canonical_many<T: Serialize + DeserializeOwned>(data: &[u8], max_items: u64) -> Option<T> {
    let decode = |data: &[u8], max_len| cbor::decode_many::<T>(data, max_len, max_items);
    let value = decode(data, MAX_BODY).ok()?;
    assert_eq!(
        cbor::encode(&value).unwrap(),
        data,
        "a second form was accepted"
    );
    let longer = [data, &[0xf6]].concat();
    assert!(
        decode(&longer, MAX_BODY).is_err(),
        "a trailing byte was accepted"
    );
    if let Some((_, shorter)) = data.split_last() {
        assert!(
            decode(&data[..shorter.len()], MAX_BODY).is_err(),
            "a cut form was accepted"
        );
    }
    assert!(
        decode(data, data.len() - 1).is_err(),
        "the limit is no limit"
    );
    Some(value)
}

/// A head reads as it was written, by the enclave's reader and by the host's.
pub fn frame(data: &[u8]) {
    let mut rest = data;
    while let Some(fixed) = rest.first_chunk::<{ LEN_BYTES + HEAD_BYTES }>() {
        let by_host = frames::split(&mut &rest[..])
            .map(|found| found.map(|(head, body)| (head, body.to_vec())));
        let head = match Head::parse(fixed) {
            Ok(head) => head,
            Err(_) => {
                assert!(by_host.is_err(), "the host reads what the enclave refuses");
                return;
            }
        };
        assert!(head.body_len + HEAD_BYTES <= MAX_LEN);
        let end = fixed.len() + head.body_len;
        let Some(body) = rest.get(fixed.len()..end) else {
            assert!(
                matches!(by_host, Ok(None)),
                "an incomplete frame is waited for"
            );
            return;
        };
        assert_eq!(by_host.unwrap().unwrap(), (head, body.to_vec()));
        let mut again = Vec::new();
        frame::put(&mut again, head.kind, head.id, body).unwrap();
        assert_eq!(again, rest[..end]);
        rest = &rest[end..];
    }
}

/// Frames and items of the stream face: whatever is read is written back as it was.
pub fn stream(data: &[u8]) {
    let mut rest = data;
    loop {
        let before = rest;
        let Ok(Some(content)) = stream::split(&mut rest) else {
            return;
        };
        let whole = &before[..before.len() - rest.len()];
        let mut out = Vec::new();
        if let Ok(request) = Request::parse(content) {
            request.put(&mut out);
            assert_eq!(out, whole);
        }
        out.clear();
        if let Ok(reply) = Reply::parse(content) {
            reply.put(&mut out);
            assert_eq!(out, whole);
        }
        out.clear();
        if let Ok(item) = Item::parse(content) {
            item.put(&mut out);
            assert_eq!(out, whole);
        }
        out.clear();
        if let Ok(item) = AnswerItem::parse(content) {
            item.put(&mut out);
            assert_eq!(out, whole);
        }
    }
}

/// Types of every shape that the codec carries.
pub fn cbor_any(data: &[u8]) {
    let _ = canonical::<u64>(data);
    let _ = canonical::<i64>(data);
    let _ = canonical::<Option<bool>>(data);
    let _ = canonical::<String>(data);
    let _ = canonical::<serde_bytes::ByteBuf>(data);
    let _ = canonical::<Vec<Vec<Vec<u32>>>>(data);
    let _ = canonical::<Vec<(String, u128)>>(data);
    let _ = canonical::<BTreeMap<String, Vec<Option<String>>>>(data);
    let _ = canonical::<BTreeMap<u64, BTreeMap<String, i32>>>(data);
}

/// Strict JSON: whatever is accepted, serde_json reads as the same, and no name stands twice.
pub fn json_any(data: &[u8]) {
    let lenient = serde_json::from_slice::<serde_json::Value>(data);
    match json::parse(data) {
        Ok(value) => {
            let lenient = lenient.expect("accepted, but no JSON");
            alike(&value, &lenient, 0);
            let mut leaves = 0_usize;
            let all = value.each_leaf::<()>(&mut |pointer, leaf| {
                leaves += 1;
                assert_eq!(value.pointer(pointer), Some(leaf), "{pointer}");
                Ok(())
            });
            assert!(all.is_ok() && leaves > 0);
        }
        Err(error) => {
            assert!(
                error.pointer.is_empty() || error.pointer.starts_with('/'),
                "{error}"
            );
            assert!(
                error.pointer.len() <= json::MAX_SHOWN_POINTER + 8,
                "{}",
                error.pointer.len()
            );
        }
    }
}

fn alike(ours: &Value, theirs: &serde_json::Value, depth: usize) {
    assert!(depth <= MAX_DEPTH);
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => {}
        (Value::Bool(one), serde_json::Value::Bool(two)) => assert_eq!(one, two),
        (Value::String(one), serde_json::Value::String(two)) => assert_eq!(one, two),
        (Value::Integer(one), serde_json::Value::Number(two)) => {
            assert_eq!(one.to_string(), two.to_string())
        }
        (Value::NotInteger, serde_json::Value::Number(two)) => assert!(two.is_f64(), "{two}"),
        (Value::Array(one), serde_json::Value::Array(two)) => {
            assert_eq!(one.len(), two.len());
            for (one, two) in one.iter().zip(two) {
                alike(one, two, depth + 1);
            }
        }
        (Value::Object(one), serde_json::Value::Object(two)) => {
            assert_eq!(one.len(), two.len(), "a name stands twice");
            for (name, one) in one {
                alike(one, &two[name], depth + 1);
            }
        }
        (ours, theirs) => panic!("{ours:?} is {theirs}"),
    }
}
