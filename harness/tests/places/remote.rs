//! Do two hosts measure together, and does the record say what could not be seen?

use crate::lab::{finish, latest, lines, of_kind, results, scenario};
use crate::sink::{HIDDEN_MAX, OtherHost, Sink, hidden, soon};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(240);
const REMOTE: &str = "sink = \"tcp-remote\"\nfetch = \"64 KiB\"";

fn record_of(out: &str) -> Vec<Value> {
    lines(Path::new(out.lines().find_map(|line| line.strip_prefix("record: ")).expect("a record")))
}

fn all() -> String {
    let names: Vec<_> = zclab_strategies::ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    names.join(", ")
}

#[test]
fn a_sink_on_this_host_is_reached_over_loopback_and_judged_so() {
    let (dir, sink) = (results(), Sink::start(&["--once"]));
    let matrix = "sink = [\"tcp-loopback\", \"tcp-remote\"]\nfetch = \"64 KiB\"\nconsumers = [1, 3]\n\
                  receiver = [\"copy\", \"discard\"]\nsocket_buffer = [0, \"256 KiB\"]";
    let file = scenario(dir.path(), "near", &all(), matrix, "launches = 1\nslice = \"1 MiB\"");
    let mut check = sink.sender("check");
    let (output, out, err) = finish(check.arg(file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = record_of(&out);
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 16 * zclab_strategies::ALL.len());
    let ledgers = of_kind(&record, "ledger");
    let judged = |cell: &str| ledgers.iter().find(|ledger| ledger["cell"] == cell).unwrap();
    let to_sink = |cell: &&&Value| cell["params"]["sink"] == "tcp-remote";
    let ok: Vec<_> = cells.iter().filter(|cell| cell["status"] == "ok").filter(to_sink).collect();
    let mut blurred = 0;
    for cell in &ok {
        let setup = &cell["setup"];
        assert_eq!(setup["remote_device"], "lo", "{cell}");
        assert!(setup["remote_route"].as_str().unwrap().contains("this host"), "{cell}");
        assert!(setup["control_round_trip_ns"].as_u64().unwrap() > 0, "{cell}");
        // The same as on loopback, since it is loopback: with counters that is mostly "agrees".
        let id = cell["cell"].as_str().unwrap();
        let (far, near) = (judged(id), judged(&id.replace("tcp-remote", "tcp-loopback")));
        if hidden(far) || hidden(near) {
            println!("{id}: {}", far["reason"]);
            blurred += 1;
            continue;
        }
        assert_eq!(far["agreement"], near["agreement"], "{far}\n{near}");
        assert_ne!(far["agreement"], "contradicts", "{far}");
    }
    assert!(blurred <= HIDDEN_MAX, "{blurred} cells had packets hidden");
    assert!(ok.len() >= 8 * 4, "only {} cells are ok: {out}", ok.len());
    let agree =
        ok.iter().filter(|cell| judged(cell["cell"].as_str().unwrap())["agreement"] == "agrees");
    assert!(agree.count() >= 16 || err.contains("no kernel counters"), "{out}");
    // What was rewritten in flight arrives rewritten, as on any loopback.
    let probes = of_kind(&record, "aliasing");
    let shared = |probe: &&&Value| probe["shared_bytes"].as_u64() > Some(0);
    assert!(probes.iter().filter(shared).count() >= 2, "{probes:?}");
    let (code, words) = sink.ended();
    assert_eq!((code, words.as_str()), (Some(0), ""), "a sink with --once ends with its run");
}

#[test]
fn a_run_measures_and_resumes_over_the_network() {
    let (dir, sink) = (results(), Sink::start(&[]));
    let budget = "launches = 2\nturns = 2\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "run", "\"read-write\", \"sendfile\"", REMOTE, budget);
    let mut run = sink.sender("run");
    let (output, out, err) = finish(run.arg(file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = lines(&latest(dir.path()));
    let verified = |how: &str| {
        let samples = of_kind(&record, "sample");
        samples.iter().filter(|sample| sample["verified"] == how).count()
    };
    assert!(verified("content") >= 8 && verified("length") >= 8, "{out}");
    for sample in of_kind(&record, "sample") {
        let (wall_ns, readings) = (sample["wall_ns"].as_u64().unwrap(), &sample["readings"]);
        assert!(wall_ns > 0 && readings["receiver_cpu_ns"].is_u64(), "{sample}");
        // The end is this host's: the clock of another one would make it anything.
        assert!(wall_ns < LIMIT.as_nanos() as u64, "{sample}");
    }
    // The sink goes on, and serves the next one.
    let mut again = sink.sender("run");
    again.args(["--resume"]).arg(latest(dir.path())).arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut again, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
}

#[test]
fn without_a_sink_the_cells_are_skipped() {
    let dir = results();
    let file = scenario(dir.path(), "none", "\"read-write\"", REMOTE, "launches = 1");
    let mut check = crate::lab::zclab();
    check.args(["check", "--quiet"]).arg(file).arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = record_of(&out);
    let cell = of_kind(&record, "cell")[0];
    assert_eq!(cell["status"], "skipped");
    assert!(cell["reasons"].to_string().contains("--to HOST:PORT"), "{cell}");
    assert!(!dir.path().join("logs").read_dir().unwrap().flatten().any(|log| log.path().is_dir()));
}

#[test]
fn a_sink_that_vanishes_fails_the_cells_and_hangs_nobody() {
    let (dir, mut sink) = (results(), Sink::start(&[]));
    let budget = "launches = 1\nturns = 3000\nslice = \"1 MiB\"";
    let matrix = "sink = \"tcp-remote\"\nfetch = [\"64 KiB\", \"128 KiB\"]";
    let file = scenario(dir.path(), "gone", "\"read-write\", \"sendfile\"", matrix, budget);
    let mut run = sink.sender("run");
    run.arg(file).arg("--results").arg(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = run.spawn().unwrap();
    soon("samples come", || {
        let text = std::fs::read_to_string(latest(dir.path())).unwrap_or_default();
        (text.matches("\"pass\":\"timing\"").count() > 3).then_some(())
    });
    sink.process.kill().unwrap();
    let begin = Instant::now();
    let output = run.wait_with_output().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let record = lines(&latest(dir.path()));
    let cells = of_kind(&record, "cell");
    for (index, cell) in cells.iter().enumerate() {
        assert_eq!(cell["status"], "failed", "{cell}");
        let gone = cell["reasons"].to_string().contains("has gone");
        assert!(index < 2 || gone, "later conditions do not even try: {cell}");
    }
    assert_eq!(cells.len(), 4);
}

/// The ledger of a check over a veth pair to a sink in another network namespace.
fn over_veth(what: &str, round: u8, offloads: Option<&str>) -> Option<(Vec<Value>, String)> {
    let host = OtherHost::make(what, round)?;
    if let Some(offloads) = offloads {
        let set = format!("ethtool -K {} {offloads}", host.near);
        if !Command::new("sh").args(["-c", &set]).output().unwrap().status.success() {
            println!("SKIPPED: {what}: {set} failed");
            return None;
        }
    }
    let (dir, sink) = (results(), host.sink());
    let names = "\"read-write\", \"mmap-write\", \"sendfile\", \"splice\"";
    let file = scenario(dir.path(), "veth", names, REMOTE, "launches = 1\nslice = \"2 MiB\"");
    let mut check = sink.sender("check");
    let (output, out, err) = finish(check.arg(file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let record = record_of(&out);
    for cell in of_kind(&record, "cell") {
        assert_eq!(cell["status"], "ok", "{cell}");
        assert_eq!(cell["setup"]["remote_device"], host.near, "{cell}");
        assert_eq!(cell["setup"]["remote_device_scatter_gather"], offloads.is_none(), "{cell}");
        assert_eq!(cell["setup"]["receiver_waits"], "sleeps", "{cell}");
    }
    for probe in of_kind(&record, "aliasing") {
        assert_eq!(probe["probed_bytes"], 0, "{probe}");
        assert!(probe["reason"].as_str().unwrap().contains("carries bytes away"), "{probe}");
    }
    Some((record, err))
}

#[test]
fn another_host_is_judged_by_what_leaves_this_one() {
    let what = "a sink in another network namespace";
    for (round, offloads, extra) in [(1, None, 0.0), (2, Some("sg off tso off gso off"), 1.0)] {
        let mut seen = over_veth(what, round, offloads);
        for again in 1..5 {
            let Some((record, _)) = &seen else { return };
            if !of_kind(record, "ledger").into_iter().any(hidden) {
                break;
            }
            println!("again: packets were hidden");
            seen = over_veth(what, round + 10 * again, offloads);
        }
        let Some((record, err)) = seen else { return };
        if err.contains("no kernel counters") {
            println!("SKIPPED: {what}: {err}");
            return;
        }
        let copies = [2.0, 1.0, 0.0, 0.0].map(|copies| copies + extra);
        for (ledger, copies) in of_kind(&record, "ledger").into_iter().zip(copies) {
            assert_eq!(ledger["agreement"], "agrees", "{ledger}");
            let observed = ledger["cpu_copies_per_byte"]["observed"].as_f64().unwrap();
            assert!((observed - copies).abs() < 0.02, "{observed}, not {copies}: {ledger}");
            let hops = ledger["hops"].as_array().unwrap();
            let last = hops.iter().find(|hop| hop["to"] == "receiver").unwrap();
            assert!(last["observed_bytes"].is_null(), "{last}");
            assert_eq!(last["evidence"], "unavailable: the receiver is on another host");
        }
    }
}

#[test]
fn the_commands_of_the_readme_work_on_one_host() {
    let readme = include_str!("../../../README.md");
    let command = |start: &str| {
        let mut lines = readme.lines().filter_map(|line| line.strip_prefix("$ "));
        let line = lines.find(|line| line.contains(start)).unwrap_or_else(|| panic!("{start}"));
        let words = line.split_whitespace().skip_while(|word| *word != "zclab").skip(1);
        words.map(str::to_owned).collect::<Vec<String>>()
    };
    let there = command("zclab sink");
    assert_eq!(there, ["sink", "--listen", "192.0.2.7:7070"]);
    let (dir, sink) = (results(), Sink::start(&[]));
    let here = |words: Vec<String>| {
        words.into_iter().map(|word| match word.as_str() {
            "192.0.2.7:7070" => sink.address.clone(),
            _ => word,
        })
    };
    let mut check = crate::lab::zclab();
    check.args(here(command("zclab check routes/remote"))).env("ZCLAB_TOKEN", &sink.token);
    let (output, out, err) = finish(check.arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(!out.contains("skipped"), "{out}");
    // The same command measures; here on as little as will do.
    let run = command("zclab run routes/remote");
    assert_eq!(run, ["run", "routes/remote", "--to", "192.0.2.7:7070"]);
    for secret in [&sink.token, "0123456789abcdef"] {
        assert!(!run.iter().any(|word| word.contains(secret)), "a token is no argument");
    }
}
