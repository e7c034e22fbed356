//! Renewing the grant before its end, for as long as owners allowed when they wrote `renew_until`.
//!
//! What is left is asked of the enclave each time, so that an amended, suspended or revoked grant is seen as it is. A renewal
//! moves the end and nothing else: counters stay.

use super::Asks;
use claviger_shared::{
    call::{Ask, Reply, Whoami},
    time::Millis,
};
use std::time::Duration;

/// Longest time between two looks: owners may have amended the grant.
const LOOK: Duration = Duration::from_secs(600);
/// After a fault, and while the grant may not be renewed.
const AGAIN: Duration = Duration::from_secs(30);
/// Shortest time between two looks.
const LEAST: Duration = Duration::from_secs(1);
/// Longest time before the end at which a grant is renewed.
const MARGIN: Millis = Millis(3_600_000);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Renew,
    Wait(Duration),
}

/// Renews for ever.
pub(super) async fn keep<A: Asks>(agent: &A) {
    loop {
        tokio::time::sleep(once(agent).await).await;
    }
}

/// Looks, renews where it is time, and says when to look again.
async fn once<A: Asks>(agent: &A) -> Duration {
    let answer = agent.ask(Ask::Whoami).await;
    let Ok(Reply::Grant(own)) = answer.map(|answered| answered.reply) else {
        return AGAIN;
    };
    match plan(&own) {
        Next::Wait(time) => time,
        Next::Renew => match agent.ask(Ask::Renew).await {
            Ok(answer) if matches!(answer.reply, Reply::Renewed(_)) => LEAST,
            Ok(_) | Err(_) => AGAIN,
        },
    }
}

/// In the last fifth of the grant's length, and in its last hour at the earliest.
fn plan(own: &Whoami) -> Next {
    let grant = &own.grant;
    let until = grant.renew_until;
    if own.state != "active" || until.is_none_or(|until| until <= grant.expires_at) {
        return Next::Wait(if own.state == "active" { LOOK } else { AGAIN });
    }
    let Millis(length) = grant.expires_at.since(grant.not_before);
    let Millis(left) = grant.expires_at.since(own.now);
    let margin = (length / 5).min(MARGIN.0);
    match left.checked_sub(margin) {
        None | Some(0) => Next::Renew,
        Some(early) => Next::Wait(Duration::from_millis(early).clamp(LEAST, LOOK)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_client::{Error, session::Answered};
    use claviger_shared::{grant::Grant, time::UnixMs};
    use std::sync::Mutex;

    const START: u64 = 1_795_424_400_000;

    /// A grant of so many seconds, with so many left, that may be renewed to so many after its end.
    fn own(length_s: u64, left_s: u64, until_s: Option<u64>) -> Whoami {
        let at = |ms: u64| UnixMs(START + ms);
        let grant = serde_json::json!({
            "v": 1, "id": "gr_1",
            "agent": {"id": "bot", "key": format!("x25519:{}", "09".repeat(32))},
            "not_before": at(0).to_string(), "expires_at": at(length_s * 1000).to_string(),
            "renew_until": until_s.map(|s| at((length_s + s) * 1000).to_string()),
            "keys": ["k_1"], "permissions": {"read": ["orders"]},
            "budgets": [{"unit": "call", "max": "5", "window": "grant"}],
        });
        let mut grant = grant;
        if until_s.is_none() {
            grant.as_object_mut().unwrap().remove("renew_until");
        }
        Whoami {
            grant: Grant::parse(grant.to_string().as_bytes()).unwrap(),
            state: "active".to_owned(),
            remaining: Vec::new(),
            routes: Vec::new(),
            more_routes: false,
            ssh_key: None,
            now: at((length_s - left_s) * 1000),
        }
    }

    #[test]
    fn a_grant_is_renewed_in_its_last_fifth() {
        let wait = |secs| Next::Wait(Duration::from_secs(secs));
        assert_eq!(plan(&own(100, 100, Some(50))), wait(80));
        assert_eq!(plan(&own(100, 21, Some(50))), wait(1));
        assert_eq!(plan(&own(100, 20, Some(50))), Next::Renew);
        assert_eq!(plan(&own(100, 1, Some(1))), Next::Renew);
        // A week's grant in its last hour; and it is looked at now and then until it is time.
        assert_eq!(plan(&own(604_800, 3600, Some(50))), Next::Renew);
        assert_eq!(plan(&own(604_800, 3601, Some(50))), wait(1));
        assert_eq!(plan(&own(604_800, 604_800, Some(50))), Next::Wait(LOOK));
    }

    #[test]
    fn what_may_not_be_renewed_is_left_alone() {
        assert_eq!(plan(&own(100, 1, None)), Next::Wait(LOOK));
        let mut stopped = own(100, 1, Some(50));
        for state in ["suspended", "revoked", "expired", "frozen"] {
            stopped.state = state.to_owned();
            assert_eq!(plan(&stopped), Next::Wait(AGAIN), "{state}");
        }
    }

    /// Answers in order, and remembers what was asked.
    struct Script(Mutex<(Vec<Reply>, Vec<Ask>)>);

    impl Asks for Script {
        async fn ask(&self, ask: Ask) -> Result<Answered, Error> {
            let mut script = self.0.lock().unwrap();
            script.1.push(ask);
            let reply = script.0.pop().ok_or(Error::Answer("no more"))?;
            Ok(reply.into())
        }

        async fn is_simulation(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn it_asks_what_is_left_and_then_renews() {
        let near = Reply::Grant(Box::new(own(100, 5, Some(50))));
        let answers = vec![Reply::Renewed(UnixMs(1)), near];
        let script = Script(Mutex::new((answers, Vec::new())));
        assert_eq!(once(&script).await, LEAST);
        assert_eq!(once(&script).await, AGAIN, "the enclave is not reached");
        let asked = script.0.into_inner().unwrap().1;
        assert_eq!(asked, [Ask::Whoami, Ask::Renew, Ask::Whoami]);
    }
}
