//! No text and no bytes make the parser panic, and what it accepts keeps its bounds.

use proptest::prelude::*;
use zclab::scenario::{CELLS_MAX, parse_bytes, shipped_names, shipped_text};

const RICH: &str = r#"question = "Why?"
analysis = """
Text.
"""
baseline = "read-write"
strategies = ["null", { strategy = "read-write", buffer = ["1 MiB", 4096] }, "bare:read-write"]
[log]
format = "kafka"
size = "1 MiB"
segment = "256 KiB"
codec = "lz4"
[matrix]
message = [128, { uniform = { min = 1, max = 2 } }, { lognormal = { median = 3, sigma = 0.5, max = 4 } }]
fetch = ["1 KiB", "64 KiB"]
consumers = 1
access = ["random", { zipf = 1.1 }]
cache = ["warm", { partial = 0.5 }]
sink = "tcp-loopback"
[budget]
launches = 4
slice = "64 KiB"
[[expect]]
strategy = "read-write"
than = "null"
ratio = { above = 1.5, below = 9 }
where = { message = 128, fetch = { from = "2 KiB" }, cache = ["warm", { partial = 0.5 }] }
[[expect]]
strategy = "null"
metric = "observed_copies_per_byte"
value = { at_most = 1 }
"#;

/// Parses, and checks what must hold of whatever is accepted or refused.
fn run(bytes: &[u8]) {
    match parse_bytes("fuzz", "fuzz.toml", bytes) {
        Ok(scenario) => {
            let cells = scenario.cells().count();
            assert!(0 < cells && cells <= CELLS_MAX);
            assert!(scenario.contenders.iter().any(|one| one.label == scenario.baseline));
            assert!(scenario.cells().take(8).all(|cell| !cell.id().is_empty()));
            for rule in &scenario.expect {
                let is_axis = |name: &String| scenario.axes.iter().any(|axis| axis.name == *name);
                assert!(scenario.contenders.iter().any(|one| one.label == rule.strategy));
                let means_something =
                    |(name, values): (_, &Vec<_>)| is_axis(name) && !values.is_empty();
                assert!(rule.places.iter().all(means_something), "{rule:?}");
            }
        }
        Err(bad) => {
            assert!(!bad.problems.is_empty());
            let message = bad.to_string();
            assert!(message.starts_with("fuzz.toml"), "{message}");
            assert!(!message.chars().any(|c| c.is_control() && c != '\n'), "{message:?}");
        }
    }
}

/// Pieces that mutations are made of: what means something to the parser.
const PIECES: &[&str] = &[
    "[",
    "]",
    "{",
    "}",
    "=",
    ",",
    "\"",
    "\n",
    ".",
    "-1",
    "0",
    "1e999",
    "nan",
    "true",
    "[[matrix]]",
    "[[expect]]",
    "from",
    "ratio",
    "value",
    "where",
    "[log]",
    "[matrix]",
    "fetch",
    "99999999999999999999",
    "\"64 KiB\"",
    "\u{202e}",
    "é",
    "#",
    "\"cold\"",
    "\"\"\"",
    "1979-05-27",
    "0x10",
    "1_000",
    "strategy",
    "\r",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        run(&bytes);
    }

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        run(text.as_bytes());
    }

    #[test]
    fn a_valid_file_with_bytes_replaced(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut bytes = RICH.as_bytes().to_vec();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        run(&bytes);
    }

    #[test]
    fn a_valid_file_with_pieces_put_in_or_taken_out(
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..12_usize), 1..6)
    ) {
        let mut bytes = RICH.as_bytes().to_vec();
        for (at, piece, cut) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, PIECES[piece.index(PIECES.len())].bytes());
        }
        run(&bytes);
    }
}

#[test]
fn every_prefix_of_a_valid_file() {
    for end in 0..=RICH.len() {
        run(&RICH.as_bytes()[..end]);
    }
}

#[test]
fn every_line_of_the_shipped_files_removed_once() {
    for name in shipped_names() {
        let text = shipped_text(&name).expect("it is shipped");
        for removed in 0..text.lines().count() {
            let kept = text.lines().enumerate().filter(|(line, _)| *line != removed);
            let rest: Vec<&str> = kept.map(|(_, line)| line).collect();
            run(rest.join("\n").as_bytes());
        }
    }
}

#[test]
fn deep_nesting_and_long_arrays_end() {
    run("[".repeat(100_000).as_bytes());
    run(format!("a = {}", "[".repeat(100_000)).as_bytes());
    run(format!("a{} = 1", ".a".repeat(100_000)).as_bytes());
    let long: Vec<String> = (1..60_000).map(|n| n.to_string()).collect();
    let head = "question = \"Why?\"\nbaseline = \"null\"\n";
    let list = long.join(", ");
    run(format!("{head}strategies = [\"null\"]\n[matrix]\nfetch = [{list}]\n").as_bytes());
    let nulls = vec!["\"null\""; 60_000].join(", ");
    run(format!("{head}strategies = [{nulls}]\n").as_bytes());
    run(format!("{head}strategies = [{{ strategy = \"read-write\", buffer = [{list}] }}]")
        .as_bytes());
}
