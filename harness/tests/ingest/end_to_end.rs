//! Do all strategies of the receive side deliver, is the file what was sent, and does the record say
//! whose costs it has?

use crate::support::{of_kind, results, run, scenario};
use serde_json::Value;
use zclab_strategies::Family;

fn check_readings(samples: &[&Value]) {
    for sample in samples {
        let readings = &sample["readings"];
        for name in ["sender_cpu_ns", "receiver_cpu_ns", "syscalls", "minor_faults"] {
            assert!(readings[name].is_u64(), "{name}: {sample}");
        }
        assert!(readings["receiver_cpu_ns"].as_u64() > Some(0), "{sample}");
        let calls: u64 = sample["calls"]
            .as_object()
            .map_or(0, |calls| calls.values().filter_map(Value::as_u64).sum());
        assert_eq!(readings["syscalls"], calls, "{sample}");
    }
}

#[test]
fn every_strategy_takes_every_byte() {
    let dir = results();
    let matrix = "fetch = [5000, \"256 KiB\"]\nsource = [\"tcp-loopback\", \"unix-stream\"]";
    let file = scenario(dir.path(), "\"ingest\"", matrix);
    let (code, said, record) = run("run", &file, dir.path());
    assert_eq!(code, Some(0), "{said}");
    let cells = of_kind(&record, "cell");
    assert_eq!(cells.len(), 4 * Family::Ingest.entries().count());
    for cell in &cells {
        if cell["status"] == "unsupported" {
            println!("SKIPPED: {} is unsupported here: {}", cell["strategy"], cell["reasons"]);
            continue;
        }
        assert_eq!(cell["status"], "ok", "{cell}");
        for name in ["sink", "cache", "consumers", "header", "receiver"] {
            assert!(cell["params"].get(name).is_none(), "{name} means nothing here: {cell}");
        }
        let own = |line: &&&Value| line["cell"] == cell["cell"];
        let samples: Vec<&Value> = of_kind(&record, "sample").iter().filter(own).copied().collect();
        check_readings(&samples);
        let verified = |pass: &str, how: &str| {
            samples.iter().filter(|s| s["pass"] == pass && s["verified"] == how).count()
        };
        assert_eq!(verified("verify", "content"), 4, "before and after two launches");
        assert_eq!(verified("timing", "length"), 4);
        let ledgers = of_kind(&record, "ledger");
        let ledger = ledgers.iter().find(|line| line["cell"] == cell["cell"]).expect("a ledger");
        assert_eq!(ledger["side"], "receiver");
        assert_ne!(ledger["agreement"], "contradicts", "{ledger}");
    }
    let index = dir.path().join("runs/latest/index.html");
    assert!(index.is_file(), "{said}");
}

/// Bytes that were mapped are counted, and a sender whose packets have no whole pages gets none.
#[test]
fn a_consumer_is_handed_pages_or_copies() {
    let dir = results();
    let matrix = "fetch = \"64 KiB\"\nfeed = [\"send\", \"zerocopy\"]";
    let file = scenario(dir.path(), "\"receive\"", matrix);
    let (code, said, record) = run("run", &file, dir.path());
    assert_eq!(code, Some(0), "{said}");
    for sample in of_kind(&record, "sample") {
        let id = sample["cell"].as_str().expect("an id");
        let (mapped, bytes) = (&sample["readings"]["mapped_bytes"], sample["bytes"].as_u64());
        let maps = id.contains("/zerocopy-receive/") && id.contains("feed=zerocopy");
        assert_eq!(sample["verified"], "length", "nothing is kept that could be compared");
        if maps {
            assert!(mapped.as_u64() <= bytes && mapped.as_u64() > Some(0), "{sample}");
        } else {
            assert_eq!(*mapped, 0, "{sample}");
        }
    }
}

/// The claims of the whole family on every route, as the kernel's programs see them.
#[test]
fn no_claim_is_contradicted() {
    for (family, matrix) in [
        (
            "\"ingest\"",
            "fetch = 300007\nfeed = [\"send\", \"sendfile\", \"zerocopy\"]\nfsync = [\"never\", \"end\"]",
        ),
        ("\"receive\"", "fetch = [\"64 KiB\", 777]\nfeed = [\"send\", \"sendfile\", \"zerocopy\"]"),
    ] {
        let dir = results();
        let file = scenario(dir.path(), family, matrix);
        let (code, said, record) = run("check", &file, dir.path());
        assert_eq!(code, Some(0), "{said}");
        let ledgers = of_kind(&record, "ledger");
        let agree = ledgers.iter().filter(|ledger| ledger["agreement"] == "agrees").count();
        let counted = ledgers.iter().any(|ledger| ledger["payload_bytes"].as_u64() > Some(0));
        if !counted {
            println!("SKIPPED: no claim is looked at: {}", ledgers[0]["reason"]);
            return;
        }
        assert!(agree * 10 >= ledgers.len() * 8, "{agree} of {} agree", ledgers.len());
    }
}
