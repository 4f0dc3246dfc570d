//! Does every wrong input get an answer that says what and where, and exit code 2?

use crate::support::{finish, results, zclab};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

fn refused(args: &[&str], words: &[&str]) {
    let (output, out, err) = finish(zclab().args(args), LIMIT);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {out}{err}");
    for word in words {
        assert!(err.contains(word), "{args:?} should mention {word:?}: {err}");
    }
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn wrong_arguments_are_named() {
    let dir = results();
    let here = dir.path().to_str().unwrap();
    refused(&["run", "quik", "--results", here], &["quik", "quick"]);
    refused(&["run", "--results", here], &["zclab run quick"]);
    refused(&["run", "/no/such/file.toml", "--results", here], &["/no/such/file.toml"]);
    refused(&["report", here], &[here, "run.jsonl"]);
    refused(&["cmp", "/no/such/record"], &["/no/such/record"]);
    refused(&["run", "--resume", "/no/such/record"], &["/no/such/record"]);
}

#[test]
fn a_record_that_is_none_is_refused_by_line() {
    let dir = results();
    let path = dir.path().join("bad.jsonl");
    std::fs::write(&path, "{\"kind\":\"run\",\"schema\":99}\nhello\n").unwrap();
    let path = path.to_str().unwrap();
    refused(&["report", path], &[path, "line 1"]);
    refused(&["cmp", path], &[path]);
    refused(&["run", "--resume", path], &[path]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    refused(&["run", "quick/size", "--quiet", "--results", "/proc/zclab"], &["/proc/zclab"]);
}
