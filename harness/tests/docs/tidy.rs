//! Do the files keep the rules that CONTRIBUTING.md states?
//!
//! Exceptions are written down, each with its reason; a list should only get shorter.

use crate::support::{files, read, run, zclab};
use std::process::Command;
use std::time::Duration;

const FILE_LINES_MAX: usize = 450;
const FUNCTION_LINES_MAX: usize = 70;

/// Longer files, each with what it may have.
const LONG_FILES: [(&str, usize); 0] = [];

/// Longer functions, as `file: name`.
const LONG_FUNCTIONS: [&str; 1] = [
    "report/src/metric.rs: facts", // A table, written as a match.
];

/// Lines that rustfmt cannot break, by file, and how many each has.
const LONG_LINES: [(&str, usize); 5] = [
    ("harness/src/cmd/mod.rs", 1),
    ("harness/src/scenario/problem.rs", 1),
    ("harness/tests/scenario/fuzz.rs", 1),
    ("report/src/stats/paired.rs", 1),
    ("strategies/tests/conformance/queue_model.rs", 1),
];

fn rust_files() -> Vec<(String, String)> {
    let files = files().into_iter().filter(|file| file.ends_with(".rs"));
    let files: Vec<_> = files.map(|file| (file.clone(), read(&file))).collect();
    assert!(files.len() > 80, "only {} Rust files were found", files.len());
    files
}

/// Files that people write and read.
fn text_files() -> Vec<(String, String)> {
    let ends = [".rs", ".md", ".toml", ".html", ".css", ".js", ".sh", ".py"];
    let names = ["Makefile", ".ci/run", ".gitignore"];
    let is_text = |f: &String| ends.iter().any(|e| f.ends_with(e)) || names.contains(&f.as_str());
    files().into_iter().filter(is_text).map(|file| (file.clone(), read(&file))).collect()
}

fn complain(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn files_can_be_read_at_a_sitting() {
    let mut found = Vec::new();
    for (file, text) in rust_files() {
        let lines = text.lines().count();
        let known = LONG_FILES.iter().find(|(name, _)| *name == file);
        let most = known.map_or(FILE_LINES_MAX, |(_, lines)| *lines);
        if lines > most {
            found.push(format!("{file}: {lines} lines, at most {most}"));
        }
    }
    complain("files too long to be read at a sitting", &found);
}

/// The functions of a file as (name, lines): from the line with `fn` to the closing brace at its own indent.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let words = line.trim_start().trim_start_matches("pub").trim_start_matches("(crate)");
        let words = words.trim_start_matches("(super)").trim_start();
        let words = words.trim_start_matches("const ").trim_start_matches("unsafe ");
        let words = words.trim_start_matches("extern \"C\" ");
        let Some(name) = words.strip_prefix("fn ") else { continue };
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let close = format!("{}}}", " ".repeat(indent(line)));
        let body = lines[start..].iter().take_while(|line| **line != close);
        let one_line = line.ends_with('}') || line.ends_with(';');
        found.push((name, if one_line { 1 } else { body.count() + 1 }));
    }
    found
}

#[test]
fn functions_are_measured_from_head_to_brace() {
    let text = "impl A {\n    pub fn one(\n        &self,\n    ) {\n        if x {\n        }\n    }\n}\nfn two() {}\n";
    assert_eq!(functions(text), [("one".to_owned(), 6), ("two".to_owned(), 1)]);
}

#[test]
fn functions_fit_a_screen() {
    let mut found = Vec::new();
    for (file, text) in rust_files() {
        for (name, lines) in functions(&text) {
            let known = LONG_FUNCTIONS.contains(&format!("{file}: {name}").as_str());
            if lines > FUNCTION_LINES_MAX && !known {
                found.push(format!("{file}: {name}: {lines} lines"));
            }
        }
    }
    complain("functions of more than 70 lines", &found);
}

#[test]
fn nothing_is_left_for_later_or_for_debugging() {
    // Put together here, so that this file does not contain them.
    let words = [["to", "do!("], ["unimplem", "ented!("], ["db", "g!("], ["#[ign", "ore"]];
    let words = words.map(|parts| parts.concat());
    let mut found = Vec::new();
    for (file, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    }
    complain("left over", &found);
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    let places = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"]].map(|parts| parts.concat());
    let mut found = Vec::new();
    for (file, text) in text_files() {
        for (number, line) in text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place)) {
                found.push(format!("{file}:{}: {line}", number + 1));
            }
        }
    }
    complain("paths of a machine", &found);
}

#[test]
fn no_line_ends_in_blanks_and_no_file_without_a_line_end() {
    let mut found = Vec::new();
    for (file, text) in text_files() {
        for (number, line) in text.lines().enumerate() {
            if line.ends_with([' ', '\t', '\r']) {
                found.push(format!("{file}:{}", number + 1));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            found.push(format!("{file}: its end"));
        }
    }
    complain("blanks at line ends", &found);
}

/// Rust lines of at most 100 columns; tables and prose in other files may be as long as they need to be.
#[test]
fn rust_lines_have_at_most_a_hundred_columns() {
    let mut found = Vec::new();
    for (file, text) in rust_files() {
        // A text that has to be one line may be longer; for comments the limit is a wish.
        let free = |line: &&str| line.contains('"') || line.trim_start().starts_with("//");
        let long = text.lines().filter(|line| line.chars().count() > 100 && !free(line)).count();
        let known = LONG_LINES.iter().find(|(name, _)| *name == file).map_or(0, |(_, n)| *n);
        if long > known {
            found.push(format!("{file}: {long} lines, {known} allowed"));
        }
    }
    complain("long lines", &found);
}

/// Those whose first paragraph says what they are instead: roots, lists, and subcommands.
const NO_QUESTION: [&str; 7] = [
    "harness/src/cmd/cmp.rs",
    "harness/src/cmd/log.rs",
    "harness/src/cmd/report.rs",
    "harness/src/cmd/run.rs",
    "harness/src/lib.rs",
    "harness/src/main.rs",
    "strategies/src/transfer/mod.rs",
];

#[test]
fn every_module_begins_with_the_question_that_it_answers() {
    let mut found = Vec::new();
    for (file, text) in rust_files() {
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("//!")).collect();
        let first: Vec<&str> = head.iter().copied().take_while(|line| *line != "//!").collect();
        let is_source = file.contains("/src/") && !file.ends_with("/tests.rs");
        if is_source && head.is_empty() {
            found.push(format!("{file}: no document"));
        } else if is_source && !first.concat().contains('?') && !NO_QUESTION.contains(&&*file) {
            found.push(format!("{file}: {}", first.concat()));
        }
    }
    complain("modules without a question", &found);
}

#[test]
fn every_scenario_file_is_listed_and_every_group_documented() {
    let mut command = Command::new(zclab());
    command.args(["list", "scenarios"]);
    let list = run(&mut command, Duration::from_secs(60)).expect_ok("zclab list scenarios");
    let document = read("scenarios/README.md");
    let names = files().into_iter().filter_map(|file| {
        Some(file.strip_prefix("scenarios/")?.strip_suffix(".toml")?.to_owned())
    });
    let mut count = 0;
    for name in names {
        count += 1;
        assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}\n{list}");
        let group = name.split('/').next().expect("a group");
        assert!(document.contains(&format!("`{group}/`")), "{group}");
    }
    assert!(count >= 20, "only {count} scenarios");
}
