//! A whole ceremony by the command alone: two owners of threshold 2, against the simulation's processes one by one.

use crate::stage::Stage;
use serde_json::{Value, json};
use std::fs;

#[test]
fn two_owners_bring_a_deployment_to_serve_and_make_a_key() {
    let Some(stage) = Stage::start(&["ana", "ben"], 2) else {
        return;
    };
    for (step, next) in [(&["key"][..], "g0"), (&["g0"], "start")] {
        let value = stage.init(step);
        assert_eq!(value["step"], next, "{value}");
    }
    let g0 = stage.file("ceremony/g0.json");
    let signed = stage.sign("manifest@claviger", &g0, &["ana"]);
    let start = ["init", "--dir", "ceremony", "start", &signed[0], "--json"];
    let (exit, pending) = stage.run(&start);
    assert_eq!(exit, 3, "{pending}");
    let detail = pending["error"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("ana signed, still missing 1 of ben"),
        "{detail}"
    );
    stage.be_born(&["ana", "ben"]);
    // A step that was done finds what is there and writes nothing new.
    let g1 = fs::read(stage.file("ceremony/g1.json")).unwrap();
    stage.init(&["birth"]);
    assert_eq!(fs::read(stage.file("ceremony/g1.json")).unwrap(), g1);
    let profile = ["--profile", "ceremony/profile.json"];
    let run = |verb: &[&str]| stage.run(&[&profile[..], verb, &["--json"]].concat());

    let (exit, checked) = run(&["policy", "check"]);
    assert_eq!((exit, &checked["ok"]), (0, &json!(true)), "{checked}");

    // One owner alone cannot widen, and is told who must.
    let create = [
        "key", "create", "--kind", "http", "--alg", "ed25519", "--name", "k_first",
    ];
    let (exit, refused) = run(&create);
    assert_eq!(exit, 3, "{refused}");
    assert!(
        refused["error"]["detail"]
            .as_str()
            .unwrap()
            .contains("2 of ana, ben")
    );
    let (exit, _) = run(&[&create[..], &["--out", "command"]].concat());
    assert_eq!(exit, 0);

    // The same person twice is one person.
    let command = stage.file("command");
    let ana = stage.sign("command@claviger", &command, &["ana"]);
    let (exit, pending) = run(&["submit", "command", &ana[0], &ana[0]]);
    assert_eq!(exit, 3, "{pending}");
    let detail = pending["error"]["detail"].as_str().unwrap();
    assert!(detail.contains("still missing 1 of ben"), "{detail}");
    assert_eq!(run(&["key", "list"]).1["keys"], json!([]));

    let ben = stage.sign("command@claviger", &command, &["ben"]);
    let (exit, applied) = run(&["submit", "command", &ana[0], &ben[0]]);
    assert_eq!(exit, 0, "{applied}");
    let (_, keys) = run(&["key", "list"]);
    assert_eq!(keys["keys"][0]["key"], "k_first");

    // Somebody who is no owner is refused, and not taken for somebody missing.
    let second = ["--name", "k_second", "--out", "second"];
    assert_eq!(run(&[&create[..6], &second].concat()).0, 0);
    stage.person("eve");
    let eve = stage.sign("command@claviger", &stage.file("second"), &["eve"]);
    let (exit, refused) = run(&["submit", "second", &eve[0]]);
    assert_eq!(
        (exit, &refused["error"]["code"]),
        (1, &Value::from("signatures")),
        "{refused}"
    );
}
