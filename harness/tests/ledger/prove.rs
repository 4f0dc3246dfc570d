//! Does `zclab doctor --prove` say what two witnesses see, and find a liar out?

use crate::lab::{finish, results, zclab};
use crate::liar::liar;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

fn prove(dir: &Path) -> Command {
    let mut command = zclab();
    command.args(["doctor", "--prove", "--json"]).arg(dir);
    command
}

/// What was found on each route; where no two hosts can be made, none is expected of veth.
fn found(said: &Value, strategy: &str) -> Vec<String> {
    let proofs = said["places"][0]["proofs"].as_array().unwrap();
    let own = proofs.iter().filter(|proof| proof["strategy"] == strategy);
    let mut routes = Vec::new();
    let mut found = Vec::new();
    for proof in own {
        routes.push(proof["route"].as_str().unwrap());
        match (proof["route"].as_str(), proof["found"].as_str().unwrap()) {
            (Some("tcp-veth" | "tcp-veth no-gather"), "refused") => {
                println!("SKIPPED: zero copy over veth: {}", proof["why"]);
            }
            // Whoever sends: a device that gathers nothing is handed a copy.
            (Some("tcp-veth no-gather"), word) => assert_eq!(word, "copied", "{proof}"),
            (_, word) => found.push(word.to_owned()),
        }
    }
    assert_eq!(routes, ["tcp-loopback", "tcp-veth", "unix-stream", "pipe", "tcp-veth no-gather"]);
    found
}

fn all(found: &[String], word: &str) -> bool {
    found.len() >= 3 && found.iter().all(|one| one == word)
}

#[test]
fn sendfile_shares_and_read_write_copies() {
    let dir = results();
    let (output, out, err) = finish(&mut prove(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["zero_copy"], "yes", "{out}");
    for (strategy, expected) in
        [("sendfile", "shared"), ("splice", "shared"), ("read-write", "copied")]
    {
        assert!(all(&found(&said, strategy), expected), "{strategy}: {out}");
    }
    for proof in said["places"][0]["proofs"].as_array().unwrap() {
        let refused = proof["found"] == "refused";
        assert_eq!(proof["aliasing_probe"].is_null(), refused, "{proof}");
    }
    let left = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "its log is removed again");
    let mut text = zclab();
    text.args(["doctor", "--prove"]).arg(dir.path());
    let (_, out, _) = finish(&mut text, LIMIT);
    assert!(out.contains("is zero-copy"), "{out}");
}

#[test]
fn a_sendfile_that_copies_is_told_apart_with_exit_code_1() {
    let dir = results();
    let Some(library) = liar(dir.path()) else { return };
    let (output, out, err) = finish(prove(dir.path()).env("LD_PRELOAD", &library), LIMIT);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["zero_copy"], "no");
    assert!(all(&found(&said, "sendfile"), "copied"), "{out}");
    assert!(all(&found(&said, "splice"), "shared"), "{out}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let (output, _, err) = finish(&mut prove(Path::new("/nowhere/at/all")), LIMIT);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("/nowhere/at/all"), "{err}");
}
