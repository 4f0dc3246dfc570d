//! Do the tools that these formats are for take them?
//!
//! Each test runs the tool itself where it is on PATH (`.ci/run` installs those that are cheap), and says
//! SKIPPED where it is not.

use crate::made_up::{Made, texts};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use zclab_report::export::Format;

const READERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exports/readers.py");

/// The interpreter that has the readers: `ZCLAB_TEST_PYTHON`, or `python3`.
fn python() -> String {
    std::env::var("ZCLAB_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn works(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Whether Python has these modules; says what is skipped where it has not.
fn has(modules: &str, packages: &str) -> bool {
    let there = works(Command::new(python()).args(["-c", &format!("import {modules}")]));
    if !there {
        println!("SKIPPED: {modules}: not installed (pip install {packages})");
    }
    there
}

/// Standard output of a command that has to succeed.
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{errors}", output.status);
    text
}

/// What a reader in Python says of a file.
fn read(kind: &str, file: &Path, schema: Option<&Path>) -> Value {
    let mut command = Command::new(python());
    command.arg(READERS).arg(kind).arg(file).args(schema);
    serde_json::from_str(&output(&mut command)).expect("JSON")
}

/// The files of an export, in a folder.
fn written(made: &Made, format: Format, folder: &Path) -> Vec<PathBuf> {
    let write = |(name, text): &(String, String)| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        path
    };
    texts(made.export(format)).iter().map(write).collect()
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a scratch directory")
}

#[test]
fn junit_is_valid_and_read_as_it_was_meant() {
    if !has("lxml, junitparser", "lxml junitparser") {
        return;
    }
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exports/junit.xsd");
    // Where somebody has Jenkins' own schema, it is asked as well.
    let theirs = std::env::var_os("ZCLAB_TEST_JUNIT_XSD").map(PathBuf::from);
    for made in Made::all() {
        let folder = scratch();
        let file = &written(made, Format::Junit, folder.path())[0];
        for schema in [Some(&ours), theirs.as_ref()].into_iter().flatten() {
            let found = read("junit", file, Some(schema));
            let xml = fs::read_to_string(file).expect("the file");
            let count = |what: &str| xml.matches(what).count() as u64;
            assert_eq!(found["cases"], count("<testcase "), "{}", made.name);
            assert_eq!(found["Failure"].as_u64().unwrap_or(0), count("<failure "), "{}", made.name);
            assert_eq!(found["Error"].as_u64().unwrap_or(0), count("<error "), "{}", made.name);
            assert_eq!(found["Skipped"].as_u64().unwrap_or(0), count("<skipped "), "{}", made.name);
        }
    }
}

#[test]
fn json_formats_are_valid() {
    if !has("jsonschema", "jsonschema") {
        return;
    }
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema/export.schema.json");
    for made in Made::all() {
        for (format, kind) in
            [(Format::Bmf, "bmf"), (Format::GhaBenchmark, "gha"), (Format::Json, "json")]
        {
            let folder = scratch();
            for file in written(made, format, folder.path()) {
                let found = read(kind, &file, Some(&schema));
                assert!(found["entries"].as_u64() > Some(0) || kind == "bmf", "{}", made.name);
            }
        }
    }
}

/// Histograms, tags and recorded values of a log, counted from the export itself.
fn expected(made: &Made) -> (usize, u64) {
    let suite: Value = serde_json::from_str(made.text(Format::Json)).expect("JSON");
    let cases = suite["cases"].as_array().expect("cases");
    let arms = cases.iter().flat_map(|case| case["measured"].as_object().expect("arms").values());
    let all: Vec<&Value> =
        arms.flat_map(|arm| arm["latencies"].as_array().expect("latencies")).collect();
    let count = |one: &&Value| {
        zclab_report::stats::latency::merge([("hdr-v2-deflate", one["data"].as_str()?)])
            .ok()
            .map(|latency| latency.fetches)
    };
    (all.len(), all.iter().filter_map(count).sum())
}

#[test]
fn python_s_hdrhistogram_reads_the_log() {
    if !has("hdrh", "hdrhistogram") {
        return;
    }
    for made in Made::all() {
        let folder = scratch();
        let file = &written(made, Format::Hlog, folder.path())[0];
        let found = read("hlog", file, None);
        let (histograms, total) = expected(made);
        assert_eq!(found["histograms"], histograms, "{}", made.name);
        assert_eq!(found["total"], total, "{}", made.name);
    }
}

#[test]
fn java_s_hdrhistogram_reads_the_log() {
    let jar = std::env::var_os("ZCLAB_TEST_HDRHISTOGRAM");
    let java = works(Command::new("java").arg("-version"));
    let Some(jar) = jar.filter(|jar| java && Path::new(jar).is_file()) else {
        println!("SKIPPED: HdrHistogram.jar: not there (Java, and ZCLAB_TEST_HDRHISTOGRAM=JAR)");
        return;
    };
    let made = Made::named("regression");
    let folder = scratch();
    let file = &written(made, Format::Hlog, folder.path())[0];
    let mut tags: Vec<String> = fs::read_to_string(file)
        .expect("the log")
        .lines()
        .filter_map(|line| Some(line.strip_prefix("Tag=")?.split_once(',')?.0.to_owned()))
        .collect();
    tags.dedup();
    assert!(!tags.is_empty());
    let mut total = 0;
    for tag in &tags {
        let mut java = Command::new("java");
        java.arg("-cp").arg(&jar).arg("org.HdrHistogram.HistogramLogProcessor");
        java.args(["-csv", "-tag", tag, "-i"]).arg(file);
        let text = output(&mut java);
        // The last line of the percentiles has the number of values in its third column.
        let last = text.lines().rfind(|line| line.contains(',')).expect("percentiles");
        total += last.split(',').nth(2).expect("a count").parse::<u64>().expect("a number");
    }
    assert_eq!(total, expected(made).1);
}

#[test]
fn critcmp_compares_base_and_new() {
    if !works(Command::new("critcmp").arg("--version")) {
        println!("SKIPPED: critcmp: not installed (cargo install critcmp)");
        return;
    }
    let made = Made::named("regression");
    let folder = scratch();
    written(made, Format::Criterion, &folder.path().join("criterion"));
    let mut critcmp = Command::new("critcmp");
    critcmp.arg("--target-dir").arg(folder.path()).args(["base", "new"]);
    let table = output(&mut critcmp);
    let row = table.lines().find(|line| line.contains("/sendfile/") && line.contains("/cpu "));
    let row = row.expect("the cell that got worse");
    let factors: Vec<f64> = row.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(row.contains("1.00") && factors.iter().any(|f| (1.03..1.09).contains(f)), "{table}");
    assert_eq!(table.lines().filter(|line| line.contains("B/sec")).count(), 2 * 5, "{table}");
}

#[test]
fn benchstat_compares_base_and_head() {
    if !on_path("benchstat") {
        println!(
            "SKIPPED: benchstat: not installed (go install golang.org/x/perf/cmd/benchstat@latest)"
        );
        return;
    }
    for made in Made::all() {
        let folder = scratch();
        let file = &written(made, Format::Gobench, folder.path())[0];
        let mut benchstat = Command::new("benchstat");
        benchstat.args(["-col", "/arm", "-format", "csv"]).arg(file);
        let output = benchstat.output().expect("it starts");
        let (table, notes) = (
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        assert!(output.status.success(), "{}: {notes}", made.name);
        // A line that it cannot read is named with its number; a count that should be exact as well.
        for complaint in ["syntax", "parsing", "missing", "exact distribution"] {
            assert!(!notes.contains(complaint), "{}: {notes}", made.name);
        }
        if made.name == "regression" {
            // `name,base,CI,head,CI,vs base,P`: benchstat pairs nothing, so it sees the 6 % less well.
            let change = |unit: &str| -> f64 {
                let below = table.split_once(&format!(",{unit},")).expect("the unit's table").1;
                let row = below.lines().find(|line| line.contains("contender=sendfile"));
                let cell = row.expect("the cell").split(',').nth(5).expect("a change");
                cell.trim_end_matches('%').parse().expect("a per cent")
            };
            assert!((4.0..9.0).contains(&change("sender-cpu-sec/KiB")), "{table}");
            assert_eq!(change("syscalls/MiB"), 6.25, "{table}");
        }
    }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
