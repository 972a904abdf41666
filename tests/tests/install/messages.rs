//! `tender install --message-format json`.

use crate::space::{greet, install};
use serde_json::Value;

fn messages(text: &str, reason: &str) -> Vec<Value> {
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|message| message["reason"] == reason).collect()
}

#[test]
fn install_tells_programs_what_it_did() {
    let space = greet("\"staticlib\"");
    let json = ["--message-format", "json"];
    let run = install(&space, "greet", "p", &[&json[..], &["--dry-run"]].concat()).expect_ok();
    let planned = messages(&run.stdout, "install-finished");
    assert_eq!((run.stdout.lines().count(), &planned[0]["dry_run"]), (1, &true.into()));
    assert!(!space.exists("p"));
    let run = install(&space, "greet", "p", &json).expect_ok();
    let crates = messages(&run.stdout, "crate-installed");
    let names: Vec<&str> = crates.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["words", "greet"]);
    assert_eq!((&crates[0]["chosen"], &crates[1]["chosen"]), (&false.into(), &true.into()));
    assert_eq!(crates[1]["version"], "1.2.0");
    assert_eq!(crates[1]["prefix"], space.path("p").as_str());
    let files = crates[1]["files"].as_array().unwrap();
    assert!(files.contains(&"include/greet/greet.h".into()), "{files:?}");
    assert_eq!(crates[1]["files"], crates[1]["written"]);
    let finished = messages(&run.stdout, "install-finished");
    assert_eq!(finished[0]["written"], planned[0]["written"]);
    assert_eq!(messages(&run.stdout, "build-finished").len(), 1);
    // Again, with one file less.
    std::fs::remove_file(space.path("ws/greet/man/greet.3")).unwrap();
    let run = install(&space, "greet", "p", &json).expect_ok();
    let finished = &messages(&run.stdout, "install-finished")[0];
    assert_eq!(finished["written"], Value::Array(vec![]));
    assert_eq!(finished["removed"], serde_json::json!(["share/man/man3/greet.3"]));
}
