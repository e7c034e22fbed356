//! Writing a grant as an owner would.

use super::source;
use crate::{
    grant::{Grant, Permissions, Scope},
    id::ResourceName,
    time::Millis,
};
use serde_json::{Map, Value};

pub(super) fn grant(grant: &Grant) -> Value {
    let Grant {
        id,
        agent,
        agent_key,
        not_before,
        expires_at,
        renew_until,
        keys,
        purpose,
        scope,
    } = grant;
    let Scope {
        env,
        permissions,
        only: _,
        credentials: _,
        budgets: _,
        rate: _,
        reported_sources: _,
        allow_identity_only,
        allow_minting,
        allow_outliving,
    } = &**scope;
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
    put("v", 1.into());
    put("id", id.as_str().into());
    put(
        "agent",
        object([
            ("id", agent.as_str().into()),
            ("key", agent_key.to_string().into()),
        ]),
    );
    put("env", env_word(*env).into());
    put("not_before", not_before.to_string().into());
    put("expires_at", expires_at.to_string().into());
    if let Some(time) = renew_until {
        put("renew_until", time.to_string().into());
    }
    put(
        "keys",
        keys.iter().map(|key| Value::from(key.as_str())).collect(),
    );
    put("permissions", permission_lists(permissions));
    narrowing(grant, &mut put);
    for (name, list) in [
        ("allow_identity_only", allow_identity_only),
        ("allow_minting", allow_minting),
        ("allow_outliving", allow_outliving),
    ] {
        if !list.is_empty() {
            put(name, names(list));
        }
    }
    if let Some(text) = purpose {
        put("purpose", (**text).into());
    }
    Value::Object(out)
}

fn narrowing(grant: &Grant, put: &mut impl FnMut(&str, Value)) {
    if !grant.only.is_empty() {
        put("only", only(grant));
    }
    if !grant.credentials.is_empty() {
        put("credentials", credentials(grant));
    }
    put("budgets", budgets(grant));
    if !grant.rate.is_empty() {
        put("rate", rates(grant));
    }
    if !grant.reported_sources.is_empty() {
        let sources = grant.reported_sources.iter().map(source::show);
        put("reported_sources", sources.map(Value::from).collect());
    }
}

const fn env_word(env: crate::effect::Env) -> &'static str {
    match env {
        crate::effect::Env::Live => "live",
        crate::effect::Env::Sandbox => "sandbox",
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}

fn names(list: &[ResourceName]) -> Value {
    list.iter().map(|name| Value::from(name.as_str())).collect()
}

fn permission_lists(permissions: &Permissions) -> Value {
    let Permissions {
        read,
        write,
        delete,
    } = permissions;
    object([
        ("read", names(read)),
        ("write", names(write)),
        ("delete", names(delete)),
    ])
}

fn only(grant: &Grant) -> Value {
    let resources = grant.only.iter().map(|(name, parameters)| {
        let parameters = parameters
            .iter()
            .map(|(name, values)| (name.clone(), Value::from(values.clone())));
        (name.to_string(), Value::Object(parameters.collect()))
    });
    Value::Object(resources.collect())
}

fn credentials(grant: &Grant) -> Value {
    let rules = grant.credentials.iter().map(|(kind, rule)| {
        let mut members = Map::new();
        if let Some(profile) = &rule.profile {
            members.insert("profile".to_owned(), profile.as_str().into());
        }
        if let Some(agent) = &rule.signature_agent {
            members.insert("signature_agent".to_owned(), agent.as_str().into());
        }
        if let Some(ttl) = rule.ttl {
            members.insert("ttl_s".to_owned(), seconds(ttl));
        }
        (kind.as_str().to_owned(), Value::Object(members))
    });
    Value::Object(rules.collect())
}

fn budgets(grant: &Grant) -> Value {
    let budgets = grant.budgets.iter().map(|budget| {
        object([
            ("unit", budget.unit.as_str().into()),
            ("max", budget.max.to_string().into()),
            ("window", budget.window.to_string().into()),
        ])
    });
    budgets.collect()
}

fn rates(grant: &Grant) -> Value {
    let rates = grant
        .rate
        .iter()
        .map(|rate| object([("max", rate.max.into()), ("per_s", seconds(rate.per))]));
    rates.collect()
}

fn seconds(length: Millis) -> Value {
    (length.0 / 1000).into()
}
