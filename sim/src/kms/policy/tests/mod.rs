//! The semantics of policies: operators, decisions, grammar.
mod decisions;
mod grammar;
mod operators;

use super::*;
use crate::aws::Caller;

const ACCOUNT: &str = "000000000000";
const HOST: &str = "arn:aws:iam::000000000000:role/host";
const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/1234";
const ACTION: &str = "kms:DeriveSharedSecret";

struct Call<'a> {
    caller: &'a str,
    action: &'a str,
    context: Vec<(&'a str, &'a str)>,
    identity: Option<&'a str>,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            caller: HOST,
            action: ACTION,
            context: Vec::new(),
            identity: None,
        }
    }
}

impl Call<'_> {
    fn decide(&self, policy: &str) -> Decision {
        let mut context = Context::default();
        for (key, value) in &self.context {
            context.set(key, *value);
        }
        let caller = Caller::parse(self.caller).unwrap();
        let request = Request {
            caller: &caller,
            action: self.action,
            resource: KEY,
            account: ACCOUNT,
            context: &context,
        };
        let identity = self
            .identity
            .map(|policy| Policy::of_identity(policy).unwrap());
        decide(
            &request,
            Some(&Policy::of_key(policy).unwrap()),
            identity.as_ref(),
        )
    }
}

fn policy(statements: &[&str]) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{}]}}"#,
        statements.join(",")
    )
}

fn allow(principal: &str, action: &str) -> String {
    format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"{action}","Resource":"*"}}"#)
}

fn allowed_if(condition: &str) -> String {
    policy(&[&format!(
        r#"{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{{condition}}}}}"#
    )])
}

fn denied_if(condition: &str) -> String {
    policy(&[
        &allow(r#""*""#, "kms:*"),
        &format!(
            r#"{{"Sid":"no","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{{{condition}}}}}"#
        ),
    ])
}
