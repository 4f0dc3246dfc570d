//! Do consumers who follow the end of a log get every byte of it, is nothing of the producer in the
//! sender's numbers, and does a slice end when the producer does?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use serde_json::Value;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(400);

const MOVERS: &str = "\"null\", \"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \
                      \"uring-read-send\", \"direct-write\", \"sendfile-dropbehind\"";

/// The record of `zclab check` or `zclab run`, which ended with this code.
fn record(what: &str, file: &Path, dir: &Path, code: i32) -> Vec<Value> {
    let mut run = zclab();
    run.arg(what).arg(file).arg("--quiet").arg("--results").arg(dir);
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(code), "{out}{err}");
    lines(&newest(dir))
}

/// A check leaves no link to its record.
fn newest(dir: &Path) -> std::path::PathBuf {
    if latest(dir).exists() {
        return latest(dir);
    }
    let runs = std::fs::read_dir(dir.join("runs")).unwrap().map(|entry| entry.unwrap().path());
    runs.max().unwrap().join("run.jsonl")
}

fn samples<'a>(record: &'a [Value], cell: &Value, pass: &str) -> Vec<&'a Value> {
    let of_cell = |sample: &&Value| sample["cell"] == cell["cell"] && sample["pass"] == pass;
    of_kind(record, "sample").into_iter().filter(of_cell).collect()
}

#[test]
fn every_byte_comes_from_a_log_that_grows_across_segments() {
    let dir = results();
    let matrix = "access = \"tail\"\nconsumers = [1, 3]\ndriver = [\"blocking\", \"threads\"]\n\
                  sink = [\"tcp-loopback\", \"file\"]\nfetch = \"70001 B\"";
    let file = scenario(dir.path(), "tail", MOVERS, matrix, "slice = \"4 MiB\"");
    let record = record("check", &file, dir.path(), 0);
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 8 * 8);
    for cell in cells {
        if cell["status"] == "unsupported" {
            println!("SKIPPED: {}: {}", cell["strategy"], cell["reasons"]);
            continue;
        }
        assert_eq!(cell["status"], "ok", "{cell}");
        assert_eq!(cell["setup"]["latency_since"], "append of its bytes", "{cell}");
        assert!(!cell["cell"].as_str().unwrap().contains("append_rate"), "{cell}");
        assert_eq!(cell["params"]["append_rate"], 0, "{cell}");
        let checked = samples(&record, cell, "verify");
        assert_eq!(checked.len(), 2, "{cell}");
        let bytes: u64 = checked.iter().map(|sample| sample["bytes"].as_u64().unwrap()).sum();
        let one = cell["params"]["consumers"] == 1;
        assert!(!one || bytes > 3 << 20, "no fetch crossed the end of a segment: {bytes}");
        for sample in checked {
            let content = if cell["strategy"] == "null" { "length" } else { "content" };
            assert_eq!(sample["verified"], content, "{sample}");
        }
        let timed = [samples(&record, cell, "timing"), samples(&record, cell, "counting")].concat();
        for sample in timed {
            the_senders_own(cell, sample);
        }
        let ledger = of_kind(&record, "ledger").into_iter().find(|l| l["cell"] == cell["cell"]);
        let ledger = ledger.expect("each cell has a ledger");
        assert_ne!(ledger["agreement"], "contradicts", "{ledger}");
        // What the kernel saw of the sender's process, where it let itself be asked.
        assert!(ledger["syscalls"].get("pwrite64").is_none(), "{ledger}");
    }
}

/// Nothing of the producer is in a sample's numbers but what is said to be his.
fn the_senders_own(cell: &Value, sample: &Value) {
    let (calls, readings) = (&sample["calls"], &sample["readings"]);
    assert!(calls["futex"].as_u64().unwrap() > 0, "it slept at the end of the log: {sample}");
    assert!(calls.get("pwrite64").is_none(), "the producer's calls are his own: {sample}");
    assert!(readings["producer_cpu_ns"].as_u64().unwrap() > 0, "{sample}");
    // Appending reads every byte into the producer's memory; sending through a mapping reads none.
    if cell["strategy"] == "mmap-write" {
        assert!(readings["io_rchar_bytes"].as_u64().unwrap() < 70_001, "{sample}");
    }
}

#[test]
fn appends_at_a_rate_are_a_schedule_and_latency_counts_from_them() {
    let dir = results();
    let matrix = "access = \"tail\"\nappend_rate = \"64 MiB\"\nfetch = \"64 KiB\"\n\
                  transform = [\"none\", \"crc32c\"]";
    let budget = "launches = 2\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "rate", "\"read-write\"", matrix, budget);
    let record = record("run", &file, dir.path(), 0);
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert_eq!(cell["status"], "ok", "{cell}");
        assert!(cell["cell"].as_str().unwrap().contains(",append_rate=67108864,"), "{cell}");
        let timed = samples(&record, cell, "timing");
        assert_eq!(timed.len(), 4);
        for sample in timed {
            // Sixteen appends, of which fifteen come a 1024th of a second after another one.
            assert_eq!(sample["readings"]["schedule_ns"], 15 * 976_562, "{sample}");
            assert!(sample["wall_ns"].as_u64().unwrap() >= 15 * 976_562, "{sample}");
        }
        let kept = of_kind(&record, "histogram").into_iter().filter(|h| h["cell"] == cell["cell"]);
        assert_eq!(kept.count(), 2, "one of each launch: {cell}");
    }
    let (output, out, err) = finish(zclab().arg("cmp").arg(latest(dir.path())), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{err}");
    assert!(out.contains("64 MiB/s appended, "), "{out}");
}

/// A producer that cannot go on ends the slice at once, and its own words are the cell's.
#[test]
fn a_producer_that_fails_ends_the_cell_with_its_reason() {
    let dir = results();
    let matrix = "access = \"tail\"\nfetch = \"64 KiB\"";
    let file =
        scenario(dir.path(), "full", "\"read-write\", \"sendfile\"", matrix, "slice = \"2 MiB\"");
    record("check", &file, dir.path(), 0);
    let again = results();
    let mut run = zclab();
    run.arg("check").arg(&file).arg("--quiet").arg("--results").arg(again.path());
    run.arg("--logs").arg(dir.path().join("logs"));
    let limited = || {
        // The log is there already. What grows beyond a mebibyte now is refused by EFBIG.
        // SAFETY: SIG_IGN installs no handler, so nothing can run in signal context.
        unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }?;
        setrlimit(Resource::RLIMIT_FSIZE, 1 << 20, 1 << 20)?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes only sigaction and setrlimit calls.
    unsafe { run.pre_exec(limited) };
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    let record = lines(&newest(again.path()));
    for cell in of_kind(&record, "cell") {
        assert_eq!(cell["status"], "failed", "{cell}");
        let reason = cell["reasons"][0].as_str().unwrap();
        for words in ["pwrite at offset", "the growing segment 0", "File too large"] {
            assert!(reason.contains(words), "{reason}");
        }
    }
}

#[test]
fn what_cannot_grow_is_refused_with_the_reason() {
    let dir = results();
    let matrix = "access = \"tail\"\nfetch = [\"4 MiB\", \"64 KiB\"]\nappend_rate = \"16 KiB\"";
    let movers = "\"read-write\", \"bare:read-write\"";
    let file = scenario(dir.path(), "refused", movers, matrix, "slice = \"16 MiB\"");
    let record = record("check", &file, dir.path(), 0);
    let reasons = |strategy: &str, fetch: u64| -> String {
        let cells = of_kind(&record, "cell").into_iter();
        let cell = cells
            .filter(|cell| cell["params"]["fetch"] == fetch)
            .find(|cell| cell["strategy"] == strategy)
            .unwrap();
        assert_eq!(cell["status"], "refused", "{cell}");
        cell["reasons"][0].as_str().unwrap().to_owned()
    };
    assert!(reasons("bare:read-write", 65536).contains("does not wait for bytes to be appended"));
    assert!(reasons("read-write", 65536).contains("takes 1024 s, more than 600"));
    let endless = "access = \"tail\"\nfetch = \"4 MiB\"";
    let file = scenario(dir.path(), "long", "\"read-write\"", endless, "slice = \"16 MiB\"");
    let long = results();
    let longer = self::record("run", &file, long.path(), 0);
    let cell = of_kind(&longer, "cell")[0].clone();
    assert_eq!(cell["status"], "refused", "{cell}");
    let reason = cell["reasons"][0].as_str().unwrap();
    assert!(reason.contains("appends 4 fetches") && reason.contains("the log has 1"), "{reason}");
}
