//! `scenarios/README.md` documents every key that the parser accepts, and its examples are right.

use std::fs;
use zclab::scenario::keys::{self, Values};
use zclab::scenario::{CELLS_MAX, RULES_MAX, SEGMENTS_MAX, parse};
use zclab::size;

fn readme() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/README.md"))
        .expect("the README exists")
}

/// The cells of the README's table row for a key; rows of nested tables begin with the table's name.
fn row(readme: &str, key: &keys::Key) -> Vec<String> {
    let nested = ["message", "expect"].iter().any(|table| key.table.starts_with(table))
        || ["access", "cache"].contains(&key.table);
    let start = if nested {
        format!("| `{}` | `{}` |", key.table, key.name)
    } else {
        format!("| `{}` |", key.name)
    };
    let line = readme.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("no row begins with {start}"));
    let cells: Vec<String> =
        line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
    cells[if nested { 2 } else { 1 }..].to_vec()
}

#[test]
fn every_key_is_documented_with_its_default_and_its_bounds() {
    let readme = readme();
    for key in keys::ALL {
        let row = row(&readme, key);
        let (default, values) = (&row[0], &row[1]);
        match key.values.default_text() {
            Some(text) => assert_eq!(*default, format!("`{text}`"), "{}", key.name),
            None => {
                let absent = ["required", "empty", "none"];
                assert!(absent.contains(&default.as_str()), "{}: {default}", key.name);
            }
        }
        let bounds = match key.values {
            Values::Bytes { min, max, .. } => format!("{} to {}", size::show(min), size::show(max)),
            Values::Count { min, max, .. } => format!("{min} to {max}"),
            Values::Real { above, below } => format!("above {above}, below {below}"),
            Values::Word { of, .. } => {
                let words: Vec<String> = of().iter().map(|word| format!("`\"{word}\"`")).collect();
                words.join(", ")
            }
            Values::Text { .. } | Values::Form { .. } => String::new(),
        };
        assert!(values.contains(&bounds), "{}: {values}\nlacks {bounds}", key.name);
    }
    assert!(readme.contains(&format!("**{CELLS_MAX} cells**")));
    assert!(readme.contains(&format!("at most {SEGMENTS_MAX} segments")));
    assert!(readme.contains(&format!("at most {RULES_MAX} rules")));
}

#[test]
fn every_documented_key_is_accepted() {
    let readme = readme();
    let known: Vec<&str> = keys::ALL.iter().map(|key| key.name).collect();
    for line in readme.lines().filter(|line| line.starts_with("| `")) {
        let names: Vec<&str> =
            line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1).take(2).collect();
        let is_folder = names[0].ends_with('/');
        assert!(is_folder || names.iter().any(|name| known.contains(name)), "{line}");
    }
}

#[test]
fn every_example_is_a_scenario() {
    let readme = readme();
    let examples: Vec<&str> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        if let Err(bad) = parse("example", "README.md", example) {
            panic!("{bad}\n---\n{example}");
        }
    }
}

#[test]
fn the_complete_example_has_every_key_and_only_defaults_in_its_tables() {
    let readme = readme();
    let example = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let example = example.expect("there is one");
    for key in keys::ALL.iter().filter(|key| ["", "log", "matrix", "budget"].contains(&key.table)) {
        // The one key that excludes all others of its table.
        if key.name != "import" {
            let start = format!("{} = ", key.name);
            assert!(example.lines().any(|line| line.starts_with(&start)), "{}", key.name);
        }
    }
    let full = parse("example", "README.md", example).expect("it is right");
    let head = "question = \"Why?\"\nbaseline = \"read-write\"\nstrategies = [\"read-write\"]\n";
    let silent = parse("silent", "silent.toml", head).expect("it is right");
    assert_eq!(full.budget, silent.budget);
    let mut first = full.conditions[0].clone();
    first.fetch_bytes = silent.conditions[0].fetch_bytes;
    // That the file sets the device's parameters shows in ids, but asks for nothing else.
    assert_eq!(first.link.asked(), silent.conditions[0].link.asked());
    first.link = silent.conditions[0].link;
    assert_eq!(first, silent.conditions[0]);
}
