//! Does the aliasing probe see who shares the log's pages, and is a strategy that lies caught?

use crate::liar::liar;
use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(300);
const SMALL: &str = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
const SHARERS: [&str; 6] =
    ["sendfile", "sendfile-dropbehind", "splice", "splice-tee", "vmsplice-splice", "uring-splice"];

fn movers() -> String {
    let names: Vec<_> = zclab_strategies::ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    names.join(", ")
}

/// The probe's lines of a record, each with its cell's line.
fn probes(record: &[Value]) -> Vec<(&Value, &Value)> {
    let cells = of_kind(record, "cell");
    let cell = |probe: &Value| *cells.iter().find(|c| c["cell"] == probe["cell"]).expect("a cell");
    of_kind(record, "aliasing").into_iter().map(|probe| (cell(probe), probe)).collect()
}

fn check(file: &Path, dir: &Path) -> Command {
    let mut check = zclab();
    check.arg("check").arg(file).arg("--quiet").arg("--results").arg(dir);
    check
}

/// The record that a command's output names.
fn record_of(out: &str) -> Vec<Value> {
    lines(&path_of(out))
}

fn path_of(out: &str) -> PathBuf {
    out.lines().find_map(|line| line.strip_prefix("record: ")).expect("a record").into()
}

/// What must hold for a cell whose bytes go to a socket and are read.
fn is_as_claimed(cell: &Value, probe: &Value) {
    let strategy = cell["strategy"].as_str().unwrap();
    let count = |name: &str| probe[name].as_u64().unwrap();
    let (shared, probed) = (count("shared_bytes"), count("probed_bytes"));
    if strategy == "null" {
        assert_eq!((shared, probed), (0, 0), "{probe}");
        assert!(probe["reason"].to_string().contains("not the log's"), "{probe}");
        assert_eq!(probe["verdict"], "unobserved", "{probe}");
        return;
    }
    let shares = SHARERS.contains(&strategy);
    assert!(probed > 0, "{probe}");
    assert_eq!(shared, if shares { probed } else { 0 }, "{probe}");
    assert_eq!(probe["expected"], if shares { "shared" } else { "copied" }, "{probe}");
    assert_eq!(probe["verdict"], "agrees", "{probe}");
    assert_eq!(probe.get("reason"), None, "{probe}");
}

#[test]
fn references_share_the_logs_pages_and_copies_do_not() {
    let dir = results();
    let matrix = "sink = [\"tcp-loopback\", \"unix-stream\"]\nfetch = [1, \"4 KiB\", 100001]\n\
                  cache = [\"warm\", \"cold\"]";
    let file = scenario(dir.path(), "share", &movers(), matrix, SMALL);
    let (output, out, err) = finish(&mut check(&file, dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = record_of(&out);
    let run = path_of(&out);
    let (output, out, err) = finish(zclab().arg("report").arg(&run), Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let ok = of_kind(&record, "cell").iter().filter(|cell| cell["status"] == "ok").count();
    let probes = probes(&record);
    assert_eq!(probes.len(), ok, "one line for each cell that is ok");
    assert!(ok >= 6 * 5, "{ok} cells are ok");
    for (cell, probe) in probes {
        is_as_claimed(cell, probe);
        let bytes = [(1, 8), (4096, 32768), (100_001, 65536)];
        let fetch = cell["params"]["fetch"].as_u64();
        let most = bytes.iter().find(|(size, _)| Some(*size) == fetch).unwrap().1;
        assert!(probe["probed_bytes"].as_u64().unwrap() <= most, "{probe}");
    }
    let page = std::fs::read_to_string(run.with_file_name("share.html")).unwrap();
    assert!(page.contains("bytes shared, as claimed"), "the page says it");
    assert!(!page.contains("Contradiction"));
}

#[test]
fn small_buffers_several_sinks_and_odd_segments_are_probed_all_the_same() {
    let dir = results();
    let matrix = "sink = [\"tcp-loopback\", \"unix-stream\"]\nsocket_buffer = [1, \"16 KiB\"]\n\
                  consumers = [1, 7]\nfetch = 70001\nheader = [0, 70]\nwait = \"sleep\"";
    let file = scenario(dir.path(), "tight", &movers(), matrix, SMALL);
    let text = std::fs::read_to_string(&file).unwrap().replace("3 MiB", "64 KiB");
    std::fs::write(&file, text).unwrap();
    let (output, out, err) = finish(&mut check(&file, dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = record_of(&out);
    let probes = probes(&record);
    assert!(probes.len() >= 16 * 6, "{}", probes.len());
    probes.into_iter().for_each(|(cell, probe)| is_as_claimed(cell, probe));
}

#[test]
fn what_cannot_be_probed_says_why() {
    let dir = results();
    let strategies = "\"read-write\", \"bare:sendfile\", \"sendfile\"";
    let reasons = |matrix: &str| -> Vec<(String, String)> {
        let file = scenario(dir.path(), "why", strategies, matrix, SMALL);
        let (output, out, err) = finish(&mut check(&file, dir.path()), LIMIT);
        assert_eq!(output.status.code(), Some(0), "{out}{err}");
        let record = record_of(&out);
        let reason = |(cell, probe): (&Value, &Value)| {
            assert_eq!(probe["probed_bytes"] == 0, probe["reason"].is_string(), "{probe}");
            let reason = probe["reason"].as_str().unwrap_or_default().to_owned();
            (cell["label"].as_str().unwrap().to_owned(), reason)
        };
        probes(&record).into_iter().map(reason).collect()
    };
    for (matrix, words) in [
        ("sink = \"file\"", "a file's page cache"),
        ("sink = \"null\"", "the null device"),
        ("receiver = \"discard\"", "drops the bytes unseen"),
    ] {
        let all = reasons(matrix);
        assert_eq!(all.len(), 3, "{all:?}");
        for (label, reason) in all {
            let words = if label.starts_with("bare:") { "a bare loop" } else { words };
            assert!(reason.contains(words), "{matrix}: {label}: {reason}");
        }
    }
    let plain = reasons("sink = \"tcp-loopback\"");
    let silent: Vec<_> = plain.iter().filter(|(_, reason)| reason.is_empty()).collect();
    assert_eq!(silent.len(), 2, "{plain:?}");
}

#[test]
fn a_sendfile_that_copies_contradicts_its_claim() {
    let dir = results();
    let Some(library) = liar(dir.path()) else { return };
    let matrix = "sink = [\"tcp-loopback\", \"unix-stream\"]";
    let file = scenario(dir.path(), "lie", "\"read-write\", \"sendfile\"", matrix, SMALL);
    let (output, out, err) = finish(check(&file, dir.path()).env("LD_PRELOAD", &library), LIMIT);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let record = record_of(&out);
    for (cell, probe) in probes(&record) {
        assert_eq!(cell["status"], "ok", "the right bytes came: {cell}");
        let lies = cell["strategy"] == "sendfile";
        assert_eq!(probe["verdict"], if lies { "contradicts" } else { "agrees" }, "{probe}");
        assert_eq!(probe["shared_bytes"], 0, "{probe}");
        let id = cell["cell"].as_str().unwrap();
        assert_eq!(out.contains(&format!("contradicts: {id}")), lies, "{out}");
    }
    assert!(out.contains("aliasing probe: 0 of 65,536 bytes shared, but"), "{out}");
    let json = finish(check(&file, dir.path()).arg("--json").env("LD_PRELOAD", &library), LIMIT);
    assert_eq!(json.0.status.code(), Some(1));
    assert!(json.2.contains("contradicts: "), "{}", json.2);
    serde_json::from_str::<Value>(&json.1).expect("JSON on stdout");

    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(run.env("LD_PRELOAD", &library), LIMIT);
    assert_eq!(output.status.code(), Some(0), "a finding, not a failure: {out}{err}");
    let page = latest(dir.path()).with_file_name("lie.html");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("Contradiction: sendfile: aliasing probe: 0 of"), "the page says so");
}

#[test]
fn a_killed_check_leaves_no_copy_of_the_log() {
    let dir = results();
    let matrix = "fetch = [1001, 2002, 3003, 4004, 5005, 6006, 7007, 8008]\n\
                  sink = [\"tcp-loopback\", \"unix-stream\"]";
    let file = scenario(dir.path(), "killed", &movers(), matrix, SMALL);
    let mut check = check(&file, dir.path());
    let mut check = check.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while !some_cell_is_probed(dir.path()) {
        assert!(started.elapsed() < LIMIT, "no cell was probed");
        std::thread::sleep(Duration::from_millis(2));
    }
    check.kill().unwrap();
    check.wait().unwrap();
    // Its children die with it, in a moment; a copy that had a name would stay.
    let scratch = |entry: &std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with('.');
    let entries = std::fs::read_dir(dir.path().join("logs")).unwrap().flatten();
    let left: Vec<_> = entries
        .filter(scratch)
        .flat_map(|entry| std::fs::read_dir(entry.path()).unwrap().flatten())
        .map(|entry| entry.path())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn some_cell_is_probed(results: &Path) -> bool {
    let runs = std::fs::read_dir(results.join("runs")).into_iter().flatten().flatten();
    let mut records = runs.map(|run| run.path().join("run.jsonl"));
    records.any(|record| {
        std::fs::read_to_string(record).unwrap_or_default().contains("\"kind\":\"aliasing\"")
    })
}
