//! Are scenarios refused that mix families, or set what says nothing to theirs?

use zclab::scenario::{Scenario, parse};
use zclab_strategies::Family;

fn file(strategies: &str, matrix: &str) -> String {
    let baseline = strategies.split('"').nth(1).unwrap_or_default();
    format!(
        "question = \"Why?\"\nbaseline = \"{baseline}\"\nstrategies = {strategies}\n[matrix]\n{matrix}\n"
    )
}

/// The only problem of a file, and its line.
fn problem(strategies: &str, matrix: &str) -> (String, usize) {
    let bad = parse("test", "test.toml", &file(strategies, matrix)).expect_err("a problem");
    assert_eq!(bad.problems.len(), 1, "{bad}");
    let line = bad.problems[0].place.as_ref().map_or(0, |spot| spot.line);
    (bad.to_string(), line)
}

#[test]
fn families_do_not_mix() {
    for (strategies, words) in [
        ("[\"recv-write\", \"sendfile\"]", "sendfile is of the family transfer"),
        ("[\"read-write\", \"splice-in\"]", "splice-in is of the family ingest"),
        ("[\"recv-write\", \"recv-drop\"]", "recv-drop is of the family receive"),
    ] {
        let (message, line) = problem(strategies, "");
        assert!(message.contains(words) && message.contains("of one family"), "{message}");
        assert_eq!(line, 3, "{message}");
    }
}

#[test]
fn what_says_nothing_is_refused_where_it_stands() {
    for (strategies, matrix) in [
        ("[\"recv-write\"]", "cache = \"cold\""),
        ("[\"recv-write\"]", "sink = [\"tcp-loopback\", \"file\"]"),
        ("[\"recv-write\"]", "consumers = 3"),
        ("[\"recv-write\"]", "access = \"random\""),
        ("[\"recv-write\"]", "header = 70"),
        ("[\"recv-write\"]", "readers = 2"),
        ("[\"recv-write\"]", "senders = 2"),
        ("[\"recv-drop\"]", "fsync = \"end\""),
        ("[\"sendfile\"]", "fsync = \"end\""),
        ("[\"sendfile\"]", "source = \"unix-stream\""),
        ("[\"sendfile\"]", "feed = \"zerocopy\""),
    ] {
        let (message, line) = problem(strategies, matrix);
        assert!(message.contains("says nothing to strategies of the family"), "{message}");
        assert_eq!(line, 5, "{message}");
    }
}

#[test]
fn a_log_that_is_not_served_is_under_no_pressure() {
    let bad =
        parse("test", "test.toml", &file("[\"recv-write\"]", "[pressure]\nmemory = \"64 MiB\""));
    let bad = bad.expect_err("a problem");
    let problem = bad.problems.iter().find(|problem| problem.key == "pressure");
    let message = problem.map(ToString::to_string).unwrap_or_default();
    assert!(message.contains("the family ingest"), "{bad}");
}

#[test]
fn a_family_is_compared_by_its_name() {
    for family in [Family::Ingest, Family::Receive] {
        let first = family.entries().next().expect("a member").name();
        let text = format!(
            "question = \"Why?\"\nbaseline = \"{first}\"\nstrategies = \"{}\"\n",
            family.name()
        );
        let scenario: Scenario = parse("test", "test.toml", &text).expect("it is right");
        assert_eq!(scenario.contenders.len(), family.entries().count());
        assert!(scenario.conditions.iter().all(|one| one.family == family));
        assert_eq!(scenario.conditions[0].header_bytes, 0);
        let id = scenario.cells().next().expect("a cell").id();
        assert!(id.contains("source=tcp-loopback") && !id.contains("sink="), "{id}");
    }
}
