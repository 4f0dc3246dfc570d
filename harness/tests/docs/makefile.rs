//! Does `make` say what it can do, and does `make test` fail when tests do?

use crate::support::{read, root, run};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);

/// The targets that the Makefile declares phony, which is all that it has.
fn targets() -> Vec<String> {
    let makefile = read("Makefile");
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY: ")).expect(".PHONY");
    phony.split_whitespace().map(str::to_owned).collect()
}

fn make(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("make");
    // Without the flags of the make that may have started this test.
    command.args(arguments).current_dir(root()).env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    if Command::new("make").arg("--version").output().is_err() {
        println!("SKIPPED: make is not installed (apt-get install make)");
        return None;
    }
    Some(run(&mut command, LIMIT).expect_ok(&format!("make {arguments:?}")))
}

#[test]
fn make_alone_prints_one_line_of_help_for_each_target() {
    let Some(help) = make(&["--no-print-directory"]) else { return };
    let listed: Vec<&str> = help.lines().filter_map(|l| l.split_whitespace().next()).collect();
    assert_eq!(listed, targets(), "{help}");
    for line in help.lines() {
        assert!(line.split_whitespace().count() >= 3, "{line:?} helps nobody");
    }
}

#[test]
fn the_two_commands_of_the_readme_do_what_it_says() {
    let Some(run) = make(&["-n", "run"]) else { return };
    assert!(run.contains("cargo build --release") && run.contains("zclab run quick"), "{run}");
    let test = make(&["-n", "test"]).expect("make is there");
    assert!(test.contains("cargo test --workspace") && test.contains("summary.sh"), "{test}");
    for word in ["make run", "make test"] {
        assert!(read("README.md").contains(&format!("$ {word}")), "{word}");
    }
}

/// What the summary makes of an output of `cargo test`: its exit code and its last line.
fn summary(output: &str) -> (Option<i32>, String) {
    let mut child = Command::new("sh")
        .arg(".ci/summary.sh")
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sh");
    child.stdin.take().expect("a pipe").write_all(output.as_bytes()).expect("write");
    let output = child.wait_with_output().expect("wait");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}

#[test]
fn a_failure_is_not_lost_in_the_pipe() {
    let good = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n";
    let bad = "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured\n";
    let skip = "successes:\n\n---- a stdout ----\nSKIPPED: b: c\n\nsuccesses:\n    a\n\n";
    let code = |code: i32| format!("cargo test ended with {code}\n");
    for (output, exit, last) in [
        (format!("{good}{}", code(0)), 0, "3 passed, 0 failed, 0 skipped"),
        (format!("{skip}{good}{skip}{good}{}", code(0)), 0, "6 passed, 0 failed, 1 skipped"),
        (format!("{good}{bad}{}", code(101)), 1, "5 passed, 1 failed, 0 skipped"),
        (format!("{good}{}", code(101)), 1, "3 passed, 0 failed, 0 skipped"),
        (good.to_owned(), 1, "3 passed, 0 failed, 0 skipped"),
        (format!("error: could not compile\n{}", code(101)), 1, "0 passed, 0 failed, 0 skipped"),
        (code(0), 1, "0 passed, 0 failed, 0 skipped"),
    ] {
        assert_eq!(summary(&output), (Some(exit), last.to_owned()), "{output}");
    }
}
