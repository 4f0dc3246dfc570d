//! Would CI understand the action and the examples, and does the action say what the gate said?
//!
//! Their form is checked by the published schemas, which `check-jsonschema` carries; the action's own
//! step is run here as a runner would run it: bash, inputs as variables, files for what it has to say.

use crate::support::{read, root, run, scratch, zclab};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

const SCENARIO: &str = "question = \"?\"\nbaseline = \"read-write\"\nstrategies = [\"read-write\"]\n\n[matrix]\n\
                        message = 1024\nfetch = \"64 KiB\"\n\n[budget]\nlaunches = 1\nturns = 1\n\
                        slice = \"1 MiB\"\n\n[log]\nsize = \"16 MiB\"\n";

#[test]
fn the_action_and_the_examples_have_the_form_that_their_readers_publish() {
    let known = Command::new("check-jsonschema").arg("--version").output();
    if !known.is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: check-jsonschema is not installed (pip install check-jsonschema)");
        return;
    }
    for (schema, file) in [
        ("github-actions", "action.yml"),
        ("github-workflows", "docs/ci/github.yml"),
        ("gitlab-ci", "docs/ci/gitlab.yml"),
    ] {
        let mut command = Command::new("check-jsonschema");
        command.arg("--builtin-schema").arg(format!("vendor.{schema}")).arg(file);
        run(command.current_dir(root()), LIMIT).expect_ok(file);
    }
}

/// The lines below one that is this, as far as they are indented deeper, without that indent.
fn below(text: &str, head: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| line.trim() != head);
    let outer = indent(lines.next().unwrap_or_else(|| panic!("no {head} in the action")));
    let inner = lines.take_while(|line| line.trim().is_empty() || indent(line) > outer);
    let lines: Vec<&str> = inner.collect();
    let depth = indent(lines.first().expect("something below"));
    lines.iter().map(|line| line.get(depth..).unwrap_or_default().to_owned() + "\n").collect()
}

/// What the step of the action left: its exit code, its outputs, its summary.
fn step(dir: &Path, base: &str, head: &str) -> (bool, String, String) {
    let action = read("action.yml");
    let step = action.split("- name: Gate\n").nth(1).expect("the step");
    let [output, summary] = ["output", "summary"].map(|name| dir.join(name));
    let scenario = dir.join("one.toml");
    std::fs::write(&scenario, SCENARIO).expect("a scenario");
    for file in [&output, &summary] {
        std::fs::write(file, "").expect("a file");
    }
    let mut command = Command::new("bash");
    command.args(["-eo", "pipefail", "-c", &below(step, "run: |")]).current_dir(dir);
    command.env("GITHUB_OUTPUT", &output).env("GITHUB_STEP_SUMMARY", &summary);
    for line in below(step, "env:").lines().filter(|line| !line.trim_start().starts_with('#')) {
        let name = line.split(':').next().expect("a name");
        let value = match name {
            "ZCLAB" => zclab().display().to_string(),
            "BASE" => base.to_owned(),
            "HEAD" => head.to_owned(),
            "SCENARIOS" => scenario.display().to_string(),
            "BUDGET" => "15s".to_owned(),
            "MARGIN" => "1%".to_owned(),
            "ONLY" => "exact".to_owned(),
            "INCONCLUSIVE" => "three".to_owned(),
            "RESULTS" => dir.join("results").display().to_string(),
            other => panic!("what is {other}?"),
        };
        command.env(name, value);
    }
    let ran = run(&mut command, LIMIT);
    let [output, summary] =
        [output, summary].map(|file| std::fs::read_to_string(file).expect("a file"));
    assert!(!output.is_empty(), "{}{}", ran.out, ran.err);
    (ran.ok, output, summary)
}

#[test]
fn the_action_ends_as_the_gate_did_and_says_so() {
    let dir = scratch();
    let this = zclab().display().to_string();
    let (ok, output, summary) = step(dir.path(), &this, &this);
    assert!(ok, "{output}{summary}");
    let record = dir.path().join("results/runs/latest-gate");
    let expected = format!("exit-code=0\nrecord={}/gate.jsonl\n", record.display());
    assert_eq!(output, expected);
    assert!(record.join("gate.jsonl").is_file() && record.join("junit.xml").is_file());
    assert!(summary.contains("pass") && summary.contains("read-write"), "{summary}");

    let (ok, output, summary) = step(dir.path(), "no-such-revision", &this);
    assert!(!ok && output.starts_with("exit-code=2\n"), "{output}");
    assert_eq!(summary, "", "nothing was gated");
}

/// Every input is declared, and every one that is declared is used.
#[test]
fn the_actions_inputs_are_those_that_its_steps_use() {
    let action = read("action.yml");
    let declared = below(&action, "inputs:");
    let declared = declared.lines().filter(|line| !line.starts_with(' ') && !line.is_empty());
    let declared: Vec<&str> = declared.map(|line| line.trim_end_matches(':')).collect();
    assert!(declared.len() > 5, "{declared:?}");
    for name in &declared {
        assert!(action.contains(&format!("inputs.{name} ")), "{name} is used by nothing");
    }
    for used in action.split("inputs.").skip(1) {
        let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '-').collect();
        assert!(declared.contains(&name.as_str()), "{name} is not declared");
    }
}
