//! Does a small server that sends in a known way get the shares and the sentence that it should?

use crate::sender::start;
use crate::support::{Watcher, fetch, may_watch, scratch, share, whole};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const LEN: usize = 24 << 20;

/// Watches a way of sending while a client reads everything twice.
fn seen(way: &str, piece: usize, client: IpAddr) -> Value {
    let dir = scratch();
    let file = dir.path().join("segment.log");
    std::fs::write(&file, vec![7u8; LEN]).expect("a file");
    let (server, port) = start(way, &file, piece);
    let name = dir.path().display().to_string();
    let watcher = Watcher::start(port, &["--dir", &name, "--interval", "200ms"]);
    for _ in 0..2 {
        assert_eq!(fetch((client, port).into(), "go"), LEN as u64);
    }
    let lines = watcher.interrupt();
    let whole = whole(&lines).clone();
    assert_eq!(whole["ended"], "interrupted");
    // While other tracers come and go, single packets may pass a tracepoint unseen.
    let wire = share(&whole, "wire_bytes") / (2 * LEN) as f64;
    assert!((0.9..=1.0).contains(&wire), "{wire} of {whole}");
    assert_eq!(whole["processes"][0]["pid"], server.pid());
    assert!(whole["overhead"]["programs_ns"].as_u64().is_some_and(|ns| ns > 0), "{whole}");
    whole
}

fn diagnosis(whole: &Value) -> &str {
    whole["diagnosis"].as_str().expect("a sentence")
}

/// Bytes of calls of a name.
fn sent(whole: &Value, list: &str, name: &str) -> u64 {
    let all = whole[list].as_array().expect("a list").iter();
    all.filter(|one| one["name"] == name).map(|one| one["bytes"].as_u64().expect("bytes")).sum()
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

#[test]
fn sendfile_is_by_reference_in_both_families() {
    if !may_watch("sendfile_is_by_reference_in_both_families") {
        return;
    }
    // The server listens on IPv6: to it, the first client has a mapped address.
    for client in [V4, V6] {
        let whole = seen("sendfile", 1 << 16, client);
        assert!(share(&whole, "reference_share") >= 0.99, "{whole}");
        assert_eq!(sent(&whole, "sends", "sendfile_file_socket"), 2 * LEN as u64);
        let said = diagnosis(&whole);
        assert!(said.contains("handed over by sendfile: zero copy"), "{said}");
        let file = &whole["files"][0];
        let path = file["path"].as_str().unwrap_or_default();
        // Where stat's numbers are not the kernel's, the inode is all that is known.
        assert!(path.ends_with("segment.log") || whole["gaps"]["files"].is_string(), "{whole}");
        assert!(share(file, "share") >= 0.99, "{whole}");
        assert!(whole["syscalls_per_mib"]["sendfile"].as_f64().is_some_and(|n| n >= 1.0));
    }
}

#[test]
fn plain_writes_are_copied() {
    if !may_watch("plain_writes_are_copied") {
        return;
    }
    let whole = seen("read-write", 1 << 16, V4);
    assert!(share(&whole, "copied_share") >= 0.98, "{whole}");
    assert_eq!(sent(&whole, "reads", "read_file_user"), 2 * LEN as u64);
    let said = diagnosis(&whole);
    assert!(said.contains("reads files by read (as many bytes as it sends)"), "{said}");
    assert!(!said.contains("TLS records") && !said.contains("each message"), "{said}");
}

#[test]
fn a_call_for_each_message_from_a_mapping_is_named() {
    if !may_watch("a_call_for_each_message_from_a_mapping_is_named") {
        return;
    }
    let whole = seen("mmap-write", 1000, V4);
    assert!(share(&whole, "copied_share") >= 0.98, "{whole}");
    let said = diagnosis(&whole);
    assert!(said.contains("no read call of a file explains them"), "{said}");
    assert!(said.contains("for each message"), "{said}");
}
