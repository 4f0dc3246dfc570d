//! Is the catalogue what lists, help and pages may rely on?

use crate::world::say;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;
use zclab_strategies::{ALL, Disturbance, OptionValue, find};

fn sources() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/transfer")
}

#[test]
fn names_are_unique_and_found_again() {
    let names: HashSet<_> = ALL.iter().map(|strategy| strategy.name()).collect();
    assert_eq!(names.len(), ALL.len());
    for name in names {
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        assert_eq!(find(name).map(|strategy| strategy.name()), Some(name));
    }
    assert!(find("no-such-strategy").is_none());
    assert!(!ALL[0].moves_the_log(), "the floor comes first");
    assert!(ALL[1..].iter().all(|strategy| strategy.moves_the_log()));
}

/// Each strategy is one file, named after it, whose first line is its question.
#[test]
fn a_file_opens_with_its_question() {
    for strategy in ALL {
        let file = sources().join(strategy.name().replace('-', "_")).with_extension("rs");
        let text = std::fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(first, format!("//! {}", strategy.question()), "{}", file.display());
        assert!(text.contains("\n//! Timed: "), "{}: what is timed?", file.display());
    }
}

#[test]
fn options_accept_their_defaults_and_refuse_what_is_out_of_bounds() {
    for strategy in ALL {
        for spec in strategy.options() {
            assert_eq!(spec.check(&spec.default_value()), Ok(()), "{}", spec.name);
            let refused = spec.check(&OptionValue::Number(u64::MAX)).unwrap_err();
            assert!(!refused.is_empty());
            assert!(spec.check(&OptionValue::Word("no such word".to_owned())).is_err());
        }
    }
}

/// Who changes what is cached, or keeps a core busy. A mapping only helps while a neighbour wants the
/// log warm, and whatever evicts the log runs with no other engine alive.
#[test]
fn disturbances() {
    let disturbing = [
        ("uncached-write", Disturbance::PageCache),
        ("sendfile-dropbehind", Disturbance::PageCache),
        ("uring-sqpoll", Disturbance::Core),
    ];
    for strategy in ALL {
        let listed = disturbing.iter().find(|(name, _)| *name == strategy.name());
        let due = listed.map_or(Disturbance::Nothing, |&(_, what)| what);
        assert_eq!(strategy.disturbs(), due, "{}", strategy.name());
    }
}

/// `cargo fmt` does not see modules that a macro declares, so this looks after them.
#[test]
fn files_of_the_catalogue_are_formatted() {
    let mut files = Vec::new();
    let mut folders = vec![sources()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--check", "--edition", "2024"]).args(&files);
    match rustfmt.current_dir(env!("CARGO_MANIFEST_DIR")).output() {
        Ok(output) => {
            let diff = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "run rustfmt on strategies/src/transfer: {diff}");
        }
        Err(error) => say(&format!("SKIPPED: rustfmt --check: {error}")),
    }
}
