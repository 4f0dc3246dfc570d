//! Does every driver deliver every byte, does a slow consumer hold up only whom it must, and is what
//! cannot be held refused with the numbers?

use crate::support::{finish, latest, lines, of_kind, results, scenario, zclab};
use nix::sys::resource::{Resource, setrlimit};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use zclab::trial::drive::crew::{Crew, Terms};
use zclab::trial::drive::reactor::Reactor;
use zclab::trial::drive::{Drive, Stamp, Waits};
use zclab::trial::fetches::Block;
use zclab::trial::schedule::Schedule;
use zclab::trial::wire::Spec;
use zclab_strategies::{
    ALL, Bytes, OpenError, Options, Piece, Queue, Segment, Setup, Sink, SinkKind, Strategy,
};

const LIMIT: Duration = Duration::from_secs(400);

fn movers() -> String {
    let names: Vec<_> = ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    names.join(", ")
}

#[test]
fn every_strategy_delivers_by_every_driver() {
    let dir = results();
    let matrix = "driver = [\"blocking\", \"reactor\", \"threads\"]\nconsumers = 5\n\
                  sink = [\"tcp-loopback\", \"unix-stream\", \"file\"]\nfetch = \"70001 B\"\n\
                  socket_buffer = \"16 KiB\"";
    let file = scenario(dir.path(), "drivers", &movers(), matrix, "launches = 1\nturns = 1");
    let mut run = zclab();
    run.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut run, LIMIT);
    // A claim that is wrong with one driver is wrong with all: that is judged below.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{out}{err}");
    let runs = std::fs::read_dir(dir.path().join("runs")).unwrap().next().unwrap().unwrap();
    let record = lines(&runs.path().join("run.jsonl"));
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 9 * ALL.len());
    let agreement = |id: &str| -> String {
        let line = of_kind(&record, "ledger").into_iter().find(|line| line["cell"] == *id);
        line.map_or("none", |line| line["agreement"].as_str().unwrap()).to_owned()
    };
    let mut calls: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for cell in cells {
        let (id, driver) = (cell["cell"].as_str().unwrap(), &cell["params"]["driver"]);
        let named = id.contains(&format!("driver={}", driver.as_str().unwrap()));
        assert_eq!(named, driver != "blocking", "{id}: cells are called as they were before");
        if cell["status"] == "unsupported" {
            println!("SKIPPED: {}: {}", cell["strategy"], cell["reasons"]);
            continue;
        }
        assert_eq!(cell["status"], "ok", "{cell}");
        let usual = id.replace(",driver=reactor", "").replace(",driver=threads", "");
        assert!(
            agreement(id) != "contradicts" || agreement(&usual) == "contradicts",
            "{id}: the kernel did something else than with the blocking driver\n{out}"
        );
        let samples = of_kind(&record, "sample").into_iter().filter(|s| s["cell"] == *id);
        for sample in samples {
            let moves = cell["strategy"] != "null";
            let content = if moves { "content" } else { "length" };
            assert!(sample["pass"] != "verify" || sample["verified"] == content, "{sample}");
            let names = sample["calls"].as_object().unwrap().keys().cloned();
            calls.entry(driver.as_str().unwrap().to_owned()).or_default().extend(names);
        }
    }
    assert!(calls["reactor"].contains("epoll_wait"), "{calls:?}");
    assert!(!calls["threads"].contains("epoll_wait"), "{calls:?}");
}

/// One lane whose consumer reads nothing before the other lane's consumer has everything.
struct Unequal {
    near: [UnixStream; 2],
    readers: Vec<std::thread::JoinHandle<Vec<u8>>>,
}

fn unequal(each_bytes: usize) -> Unequal {
    let [slow, fast] = [(); 2].map(|()| UnixStream::pair().unwrap());
    let (has_all, waits) = mpsc::channel();
    let read = move |mut far: UnixStream| {
        let mut bytes = vec![0; each_bytes];
        far.read_exact(&mut bytes).unwrap();
        bytes
    };
    let (slow_far, fast_far) = (slow.1, fast.1);
    let fast_reader = std::thread::spawn(move || {
        let bytes = read(fast_far);
        has_all.send(()).unwrap();
        bytes
    });
    let slow_reader = std::thread::spawn(move || {
        waits.recv_timeout(LIMIT).expect("the fast consumer gets everything");
        read(slow_far)
    });
    Unequal { near: [slow.0, fast.0], readers: vec![slow_reader, fast_reader] }
}

impl Unequal {
    fn sinks(&self) -> Vec<Sink> {
        let sink = |near: &UnixStream| Sink { fd: near.as_raw_fd(), kind: SinkKind::UnixStream };
        self.near.iter().map(sink).collect()
    }

    /// Both have what they were to get, and the fast one had it before the slow one.
    fn check(self, what: &str, stamps: &[Stamp], expected: Option<&[u8]>) {
        for reader in self.readers {
            let bytes = reader.join().expect(what);
            assert!(expected.is_none_or(|expected| bytes == expected), "{what}: content");
        }
        let order: Vec<_> = stamps.iter().map(|stamp| (stamp.lane, stamp.fetch)).collect();
        assert_eq!(order.iter().filter(|done| done.0 == 0).count(), FETCHES, "{what}");
        let ends = |lane| stamps.iter().filter(|s| s.lane == lane).map(|s| s.at_ns).max();
        assert!(ends(1) < ends(0), "{what}: {order:?}");
    }
}

const FETCHES: usize = 20;
const FETCH_BYTES: u64 = 100_000;

struct World {
    block: Block,
    log: Vec<u8>,
    segments: Arc<Vec<Segment>>,
    spec: Spec,
    _dir: tempfile::TempDir,
}

fn world() -> World {
    let dir = results();
    let path = dir.path().join("log");
    let log: Vec<u8> = (0..FETCHES as u32 * FETCH_BYTES as u32).map(|n| (n / 5) as u8).collect();
    std::fs::write(&path, &log).unwrap();
    let file = File::open(&path).unwrap();
    let piece = |n: usize| Piece {
        segment: 0,
        offset_bytes: n as u64 * FETCH_BYTES,
        len_bytes: FETCH_BYTES,
    };
    let fetches = (0..FETCHES).map(|n| vec![piece(n)]).collect();
    let spec = json!({
        "strategy": "", "bare": false, "options": {}, "segments": [], "batches": [],
        "fetch_bytes": FETCH_BYTES, "header_bytes": 0, "fetches": FETCHES, "access": "sequential",
        "seed": 1, "consumers": 2, "sink": "unix-stream", "scratch": ".", "beside": ".", "discard": false,
        "spins": false, "socket_buffer_bytes": 0, "cache": "warm", "pin": null, "markers": false,
    });
    World {
        block: Block { fetches, messages: 0 },
        segments: Arc::new(vec![Segment { path, file, len: Bytes(log.len() as u64) }]),
        log,
        spec: serde_json::from_value(spec).unwrap(),
        _dir: dir,
    }
}

/// The queue's lists are the same whatever the order of deliveries, so a consumer that reads nothing
/// would stop a driver that waits for it: none of these waits ends but by the other's progress.
#[test]
fn a_slow_consumer_does_not_hold_up_a_fast_one_in_the_reactor() {
    let world = world();
    for strategy in ALL {
        let ends = unequal(world.log.len());
        let sinks = ends.sinks();
        let mut waits = Waits::Epoll(Reactor::open(&sinks, &world.spec).unwrap());
        let options = Options::new(strategy.options(), &BTreeMap::new());
        let setup = Setup {
            segments: &world.segments,
            sinks: &sinks,
            options: &options,
            fetch_bytes_max: Bytes(FETCH_BYTES),
            header_bytes_max: Bytes(0),
            transform: None,
        };
        let mut engine = match strategy.open(&setup) {
            Ok(engine) => engine,
            Err(error @ OpenError::Unsupported { .. }) => {
                println!("SKIPPED: {}: {error}", strategy.name());
                continue;
            }
            Err(error) => panic!("{}: {error}", strategy.name()),
        };
        let mut queue = Queue::new(&sinks);
        world.block.fill(&mut queue, b"", &[0, 1], false);
        let (mut stamps, mut schedule) = (Vec::new(), Schedule::default());
        let drive = Drive {
            engine: engine.as_mut(),
            queue: &mut queue,
            schedule: &mut schedule,
            waits: &mut waits,
            stamps: &mut stamps,
        };
        drive.run().unwrap_or_else(|error| panic!("{}: {error:?}", strategy.name()));
        drop(engine);
        let content = strategy.moves_the_log().then_some(world.log.as_slice());
        ends.check(strategy.name(), &stamps, content);
    }
}

#[test]
fn a_slow_consumer_does_not_hold_up_a_fast_one_with_threads() {
    let world = world();
    for strategy in ALL {
        let ends = unequal(world.log.len());
        let sinks = ends.sinks();
        let options = Options::new(strategy.options(), &BTreeMap::new());
        let terms = Terms {
            strategy: *strategy,
            segments: &world.segments,
            options: &options,
            fetch_bytes: FETCH_BYTES,
            header_bytes: 0,
            transform: None,
            patience: LIMIT,
        };
        let mut crew = match Crew::open(&terms, &sinks) {
            Ok(crew) => crew,
            Err(trouble) if trouble.status == zclab_report::record::Status::Unsupported => {
                println!("SKIPPED: {}: {trouble}", strategy.name());
                continue;
            }
            Err(trouble) => panic!("{}: {trouble}", strategy.name()),
        };
        let (mut stamps, calls) = (Vec::new(), zclab_strategies::Calls::default());
        crew.fill(b"", &world.block, &Schedule::default()).unwrap();
        crew.run(zclab::counters::now().0).unwrap();
        crew.gather(&mut stamps).unwrap().unwrap();
        crew.rest(&calls).unwrap();
        assert!(calls.total() > 0, "{}", strategy.name());
        let content = strategy.moves_the_log().then_some(world.log.as_slice());
        ends.check(strategy.name(), &stamps, content);
    }
}

/// A consumer that has left is an error of its thread, and no thread is left behind.
#[test]
fn a_consumer_that_has_gone_is_an_error_and_no_hang() {
    let world = world();
    let strategy: &dyn Strategy = zclab_strategies::find("read-write").unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    drop(far);
    let sinks = [Sink { fd: near.as_raw_fd(), kind: SinkKind::UnixStream }];
    let options = Options::new(strategy.options(), &BTreeMap::new());
    let terms = Terms {
        strategy,
        segments: &world.segments,
        options: &options,
        fetch_bytes: FETCH_BYTES,
        header_bytes: 0,
        transform: None,
        patience: LIMIT,
    };
    let mut crew = Crew::open(&terms, &sinks).unwrap();
    crew.fill(b"", &world.block, &Schedule::default()).unwrap();
    crew.run(0).unwrap();
    let trouble = crew.gather(&mut Vec::new()).unwrap().unwrap_err().trouble(&[]);
    assert_eq!(trouble.errno.as_deref(), Some("EPIPE"), "{trouble}");
}

fn run(dir: &std::path::Path, file: &std::path::Path) -> (Vec<Value>, String) {
    let mut run = zclab();
    run.arg("run").arg(file).arg("--quiet").arg("--results").arg(dir);
    let (output, out, err) = finish(&mut run, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    (lines(&latest(dir)), out)
}

#[test]
fn an_open_loop_and_classes_of_consumers_are_in_the_record_and_said() {
    let dir = results();
    let matrix = "driver = [\"blocking\", \"reactor\", \"threads\"]\nconsumers = 4\nslow = 1\n\
                  slow_rate = \"16 MiB\"\nrate = 2000\narrivals = [\"poisson\", \"fixed\"]\n\
                  fetch = \"16 KiB\"";
    let budget = "launches = 1\nturns = 1\nslice = \"2 MiB\"";
    let file = scenario(dir.path(), "open", "\"read-write\", \"splice\"", matrix, budget);
    let (record, out) = run(dir.path(), &file);
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 12);
    for cell in cells {
        assert_eq!(cell["status"], "ok", "{cell}");
        assert_eq!(cell["setup"]["latency_since"], "moment at which it was due");
        let id = cell["cell"].as_str().unwrap();
        assert!(id.contains("rate=2000") && id.contains("slow=1"), "{id}");
        let own = |kind: &str| -> Vec<&Value> {
            of_kind(&record, kind).into_iter().filter(|line| line["cell"] == *id).collect()
        };
        let kept: BTreeSet<_> =
            own("histogram").iter().map(|h| h["what"].as_str().unwrap()).collect();
        let all = ["fetch_latency_fast_ns", "fetch_latency_ns", "fetch_latency_slow_ns"];
        assert_eq!(kept, BTreeSet::from(all), "{id}");
        for sample in own("sample") {
            let readings = &sample["readings"];
            let planned_ns = readings["schedule_ns"].as_u64().unwrap();
            if cell["params"]["arrivals"] == "fixed" {
                let fetches = sample["fetches"].as_u64().unwrap();
                assert_eq!(planned_ns, (fetches - 1) * 500_000, "{id}");
            }
            assert!(readings["late_ns"].is_u64(), "{id}");
            assert!(sample["wall_ns"].as_u64().unwrap() >= planned_ns, "{id}: nothing is early");
        }
    }
    assert!(out.contains("offered 2,000/s, served"), "{out}");
    assert!(out.contains("fast consumers p50") && out.contains("slow consumers p50"), "{out}");
    let page = dir.path().join("runs/latest/open.html");
    assert!(std::fs::read_to_string(page).unwrap().contains("offered 2,000/s"));
}

#[test]
fn a_crowd_is_held_and_what_it_takes_is_said() {
    let dir = results();
    let matrix = "driver = [\"blocking\", \"reactor\", \"threads\"]\nconsumers = 300\nfetch = 9000";
    let budget = "launches = 1\nturns = 1\nslice = \"2 MiB\"";
    let file = scenario(dir.path(), "crowd", "\"read-write\", \"splice\"", matrix, budget);
    let mut check = zclab();
    check.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let said: Vec<_> = out.lines().filter(|line| line.contains("300 consumers held")).collect();
    assert_eq!(said.len(), 6, "{out}");
    assert_eq!(said.iter().filter(|line| line.contains("sender 1")).count(), 1, "{out}: pipes");
    for words in ["sender ", "receiver 3", "descriptors", "TCP sockets of the system", "for each"] {
        assert!(said.iter().all(|line| line.contains(words)), "{words}: {out}");
    }
}

#[test]
fn what_the_machine_or_a_driver_cannot_hold_is_refused_with_the_numbers() {
    let dir = results();
    let matrix = "driver = [\"blocking\", \"threads\"]\nconsumers = [10, 500, 1500]\nslow = [0, 20]\n\
                  sink = \"unix-stream\"\nfetch = 1000";
    let budget = "launches = 1\nturns = 1\nslice = \"64 KiB\"";
    let file = scenario(dir.path(), "limits", "\"read-write\", \"bare:splice\"", matrix, budget);
    let mut check = zclab();
    check.arg("check").arg(&file).args(["--quiet", "--json", "--results"]).arg(dir.path());
    let lower = || Ok(setrlimit(Resource::RLIMIT_NOFILE, 256, 600)?);
    // SAFETY: between fork and exec the closure makes one setrlimit call and allocates nothing.
    unsafe { check.pre_exec(lower) };
    let (output, out, err) = finish(&mut check, LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let cells: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(cells.len(), 24);
    for cell in cells {
        let params = &cell["params"];
        let (threads, bare) = (params["driver"] == "threads", cell["strategy"] != "read-write");
        let reasons = cell["reasons"].to_string();
        let (status, words) = match params["consumers"].as_u64().unwrap() {
            1500 if threads => ("refused", "serves at most 1024"),
            _ if threads && bare => ("refused", "no other driver"),
            10 if params["slow"] == 20 => ("refused", "20 slow consumers of 10"),
            10 => ("ok", ""),
            _ => ("skipped", "getrlimit(RLIMIT_NOFILE) says 256, at most 600: as root"),
        };
        assert_eq!(cell["status"], status, "{cell}");
        assert!(reasons.contains(words) || status == "ok", "{reasons}");
    }
}
