//! Do all strategies deliver, are cold cells proven cold, and does the record say so?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(300);

fn movers() -> String {
    let names: Vec<_> = zclab_strategies::ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    names.join(", ")
}

#[test]
fn every_strategy_delivers_warm_and_cold_to_every_sink() {
    let dir = results();
    let matrix = "cache = [\"warm\", \"cold\"]\nsink = [\"tcp-loopback\", \"unix-stream\", \"file\", \"null\"]\nfetch = \"100 KiB\"";
    let budget = "launches = 2\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "all", &movers(), matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    let record = lines(&latest(dir.path()));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 8 * zclab_strategies::ALL.len());
    let cold_possible = cold_is_possible(dir.path());
    for cell in &cells {
        let status = cell["status"].as_str().unwrap();
        // The kernel takes a mapping for /dev/null without a look at it.
        let mapped = ["mmap-write", "mmap-write-each", "mmap-writev"];
        let untouched =
            mapped.iter().any(|name| cell["strategy"] == *name) && cell["params"]["sink"] == "null";
        let acceptable = match (cell["params"]["cache"].as_str().unwrap(), cold_possible) {
            ("cold", _) if untouched => &["refused"][..],
            ("cold", false) => &["unsupported", "refused"][..],
            _ => &["ok", "unsupported"][..],
        };
        assert!(acceptable.contains(&status), "{cell}\n{out}\n{err}");
        if status == "unsupported" {
            println!("SKIPPED: {} is unsupported here: {}", cell["strategy"], cell["reasons"]);
        }
    }
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    samples_are_complete(&record);
    assert_eq!(of_kind(&record, "end")[0]["how"], "complete");
    assert!(dir.path().join("runs/latest/index.html").is_file());
}

fn cold_is_possible(dir: &std::path::Path) -> bool {
    let tmpfs = 0x0102_1994;
    let kind = nix::sys::statfs::statfs(dir).unwrap().filesystem_type();
    if kind.0 == tmpfs {
        println!(
            "SKIPPED: cold cells need a file system with a device; {} is tmpfs",
            dir.display()
        );
    }
    kind.0 != tmpfs
}

fn samples_are_complete(record: &[Value]) {
    let ok: Vec<_> =
        of_kind(record, "cell").into_iter().filter(|cell| cell["status"] == "ok").collect();
    for cell in ok {
        let of = |pass: &str| -> Vec<&Value> {
            let samples = of_kind(record, "sample").into_iter();
            samples.filter(|s| s["cell"] == cell["cell"] && s["pass"] == pass).collect()
        };
        let (timing, verify) = (of("timing"), of("verify"));
        let id = &cell["cell"];
        let cold = cell["params"]["cache"] == "cold";
        // One sample for each round of what needs its own preparation, or would disturb others.
        let apart = cold || disturbs(cell["strategy"].as_str().unwrap());
        assert_eq!(timing.len(), if apart { 2 } else { 4 }, "{id}");
        assert_eq!(verify.len(), 4, "{id}: every launch is verified before and after");
        let null_sink = cell["params"]["sink"] == "null";
        let moves = cell["strategy"] != "null";
        let content = if null_sink {
            "none"
        } else if moves {
            "content"
        } else {
            "length"
        };
        assert!(verify.iter().all(|s| s["verified"] == content), "{id}");
        for sample in timing {
            assert_eq!(sample["bytes"].as_u64().unwrap() % (100 << 10), 0, "{id}");
            assert!(sample["wall_ns"].as_u64().unwrap() > 0, "{id}");
            assert!(sample["readings"]["sender_cpu_ns"].as_u64().unwrap() > 0, "{id}");
            assert!(sample["readings"]["syscalls"].as_u64().unwrap() > 0, "{id}");
            let cache = &sample["cache"];
            let before = cache["resident_before"].as_u64().unwrap();
            assert_eq!(before, if cold { 0 } else { cache["pages"].as_u64().unwrap() }, "{id}");
            if cold && moves {
                let read = sample["readings"]["io_read_bytes"].as_u64();
                assert!(read.unwrap() + 8192 >= sample["bytes"].as_u64().unwrap(), "{id} {read:?}");
            }
        }
    }
}

fn disturbs(strategy: &str) -> bool {
    let strategy = zclab_strategies::find(strategy).expect("in the catalogue");
    strategy.disturbs() != zclab_strategies::Disturbance::Nothing
}

#[test]
fn a_check_moves_every_cell_once_and_fails_on_nothing() {
    let dir = results();
    let matrix = "fetch = [\"1 B\", \"5001 B\"]\nconsumers = 3";
    let file = scenario(dir.path(), "once", &movers(), matrix, "launches = 9\nturns = 9");
    let mut run = zclab();
    run.arg("check").arg(&file).arg("--quiet").arg("--json").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let cells: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(cells.len(), 2 * zclab_strategies::ALL.len());
    assert!(cells.iter().all(|c| c["status"] == "ok" || c["status"] == "unsupported"), "{out}");
}

#[test]
fn what_discards_nothing_is_a_row_not_a_number() {
    let dir = results();
    let matrix = "sink = [\"tcp-loopback\", \"unix-stream\", \"file\"]\nreceiver = \"discard\"";
    let file = scenario(dir.path(), "discard", "\"read-write\"", matrix, "launches = 1\nturns = 2");
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(dir.path()));
    let statuses: Vec<_> =
        of_kind(&record, "cell").iter().map(|c| c["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["ok", "unsupported", "refused"]);
}

#[test]
fn a_fetch_reaches_every_consumer() {
    let dir = results();
    let matrix = "consumers = 20\nfetch = \"64 KiB\"\naccess = \"random\"";
    let budget = "launches = 1\nturns = 2\nslice = \"4 MiB\"";
    let file = scenario(dir.path(), "fan", &movers(), matrix, budget);
    let mut run = zclab();
    run.arg("run").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(dir.path()));
    for sample in of_kind(&record, "sample") {
        assert_eq!(sample["fetches"].as_u64().unwrap() % 20, 0);
        assert_eq!(sample["bytes"], sample["fetches"].as_u64().unwrap() * (64 << 10));
        assert_eq!(sample["header_bytes"], sample["fetches"].as_u64().unwrap() * 70);
    }
}

#[test]
fn a_users_partition_is_read_in_place_when_warm_and_refused_when_cold_unless_copied() {
    let dir = results();
    let spec = ["log", "gen", "--size", "4MiB", "--segment", "1MiB"];
    let partition = dir.path().join("orders-0");
    let (output, out, err) = finish(zclab().args(spec).arg(&partition), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let store = dir.path().join("logs/imported");
    for (name, copy) in [("lent", false), ("owned", true)] {
        let mut import = zclab();
        import.args(["log", "import", "--name", name, "--store"]).arg(&store).arg(&partition);
        let (output, out, err) = finish(import.args(copy.then_some("--copy")), LIMIT);
        assert_eq!(output.status.code(), Some(0), "{out}{err}");
        let path = dir.path().join(format!("{name}.toml"));
        let text = format!(
            "question = \"Does it work?\"\nanalysis = \"A test.\"\nbaseline = \"read-write\"\n\
             strategies = [\"read-write\", \"sendfile-dropbehind\"]\n[log]\nimport = \"{name}\"\n[matrix]\n\
             cache = [\"warm\", \"cold\"]\n[budget]\nlaunches = 1\nturns = 2\nslice = \"1 MiB\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let mut run = zclab();
        run.arg("run").arg(&path).arg("--quiet").arg("--results").arg(dir.path());
        finish(&mut run, LIMIT);
        let record = lines(&latest(dir.path()));
        for cell in of_kind(&record, "cell") {
            let cold = cell["params"]["cache"] == "cold";
            let evicts = cold || disturbs(cell["strategy"].as_str().unwrap());
            match (evicts, copy) {
                (true, false) => assert_eq!(cell["status"], "refused", "{cell}"),
                (true, true) if cold && !cold_is_possible(dir.path()) => {}
                _ => assert_eq!(cell["status"], "ok", "{cell}"),
            }
        }
    }
}

#[test]
fn an_imported_log_that_nobody_imported_is_refused_before_anything_runs() {
    let dir = results();
    let path = dir.path().join("nobody.toml");
    let text = "question = \"?\"\nanalysis = \"-\"\nbaseline = \"read-write\"\n\
                strategies = [\"read-write\"]\n[log]\nimport = \"nobody\"\n";
    std::fs::write(&path, text).unwrap();
    let mut run = zclab();
    run.arg("run").arg(&path).arg("--quiet").arg("--results").arg(dir.path());
    let (output, _, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("nobody") && err.contains("zclab log import"), "{err}");
    assert!(!dir.path().join("runs").exists(), "no record of a run that could not begin");
}
