//! Is every row complete, in a table as in JSON, and is nothing left behind?

use crate::support::{doctor, folder, output, rows, said, zclab};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::Command;

/// Names that other tools may rely on: a row may join, none may go.
const NAMES: [&str; 46] = [
    "accounting/irq_time",
    "accounting/pinning",
    "accounting/process_io",
    "bpf/btf",
    "bpf/lockdown",
    "bpf/privileges",
    "bpf/syscall",
    "bpf/tracing",
    "io_uring/operations",
    "io_uring/registered_buffers",
    "io_uring/setup",
    "io_uring/sqpoll",
    "isolation/memory_limit",
    "isolation/mount_namespace",
    "isolation/network_namespace",
    "isolation/user_namespace",
    "limits/memlock",
    "limits/nofile",
    "limits/optmem_max",
    "limits/pipe_max_size",
    "limits/pipe_user_pages_soft",
    "memory/transparent_hugepages",
    "memory/undisturbed_cache",
    "perf/hardware_cycles",
    "perf/kernel_symbols",
    "perf/software_clock",
    "sockets/congestion_control",
    "sockets/congestion_default",
    "sockets/kernel_tls",
    "sockets/msg_zerocopy",
    "sockets/tcp_loopback",
    "sockets/zerocopy_receive",
    "storage/block_device",
    "storage/cachestat",
    "storage/direct_io",
    "storage/dontcache",
    "storage/eviction",
    "storage/folder",
    "storage/mincore",
    "topology/cores",
    "topology/memory_policy",
    "topology/numa_nodes",
    "tracepoints/fentry",
    "tracepoints/kprobes",
    "tracepoints/ledger",
    "tracepoints/tracefs",
];

fn complete(row: &Value) {
    let text = |field: &str| row[field].as_str().unwrap_or_default();
    assert_eq!(row.as_object().expect("an object").len(), 6, "{row}");
    for field in ["group", "name", "value", "enables"] {
        assert!(!text(field).trim().is_empty(), "{row}: {field}");
    }
    match text("state") {
        "yes" => assert!(row["unlock"].is_null(), "{row}"),
        "partly" | "no" => assert!(!text("unlock").trim().is_empty(), "{row}"),
        other => panic!("{row}: {other}"),
    }
}

#[test]
fn every_row_says_what_it_is_good_for_and_how_to_get_it() {
    let dir = folder();
    let rows = doctor(dir.path());
    rows.iter().for_each(complete);
    let name = |row: &Value| (row["group"].to_string(), row["name"].to_string());
    let unique: BTreeSet<_> = rows.iter().map(name).collect();
    assert_eq!(unique.len(), rows.len(), "names are unique in their groups");
    let plain = |row: &Value| {
        let group = row["group"].as_str().unwrap_or_default();
        let group = group.split(':').next().unwrap_or_default();
        format!("{group}/{}", row["name"].as_str().unwrap_or_default())
    };
    let there: BTreeSet<String> = rows.iter().map(plain).collect();
    for name in NAMES {
        assert!(there.contains(name), "{name} has gone");
    }
    let left = std::fs::read_dir(dir.path()).expect("the folder").count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn the_table_has_what_the_json_has() {
    let dir = folder();
    let mut command = Command::new(zclab());
    let table = output(command.arg("doctor").arg(dir.path()));
    for row in doctor(dir.path()) {
        let (name, state) = (row["name"].as_str().unwrap(), row["state"].as_str().unwrap());
        let stands = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(name) && words.next() == Some(state)
        };
        assert!(table.lines().any(stands), "{name} {state}\n{table}");
        if let Some(unlock) = row["unlock"].as_str() {
            assert!(table.contains(&format!(": {unlock}\n")), "{unlock}\n{table}");
        }
    }
    let last = table.lines().last().unwrap_or_default();
    assert!(last.contains("capabilities: ") && last.ends_with(" no"), "{last}");
}

#[test]
fn folders_are_asked_about_each_and_a_missing_one_is_a_row() {
    let dir = folder();
    let missing = dir.path().join("no such folder");
    let mut command = Command::new(zclab());
    command.args(["doctor", "--json"]).args([dir.path(), dir.path(), &missing]);
    let rows = rows(&mut command);
    let group = format!("storage:{}", missing.display());
    let (state, value) = said(&rows, &group, "folder");
    assert!(state == "no" && value.contains("ENOENT"), "{value}");
    let of_missing: Vec<&Value> = rows.iter().filter(|row| row["group"] == *group).collect();
    assert!(of_missing.len() == 8, "{of_missing:?}");
    let unlock = format!("mkdir -p '{}'", missing.display());
    assert!(of_missing.iter().all(|row| row["unlock"] == *unlock), "{of_missing:?}");
    let group = format!("storage:{}", dir.path().display());
    let of_dir = rows.iter().filter(|row| row["group"] == *group).count();
    assert_eq!(of_dir, 8, "a folder named twice is asked about once");
}

#[test]
fn without_arguments_the_logs_are_asked_about_when_there_are_any() {
    let dir = folder();
    let ask = || rows(Command::new(zclab()).args(["doctor", "--json"]).current_dir(dir.path()));
    said(&ask(), "storage:.", "folder");
    std::fs::create_dir_all(dir.path().join("results/logs")).expect("a folder");
    said(&ask(), "storage:results/logs", "folder");
}
