//! Does a gate tell a server that shares its files' pages from one that copies them, and from itself?
//!
//! This is the README's walk-through, with a small server in place of the user's.

use crate::sender::start;
use crate::support::{may_watch, scratch, zclab};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const LEN: usize = 8 << 20;

/// Two watches of a server that sends in some way while a client asks it for the file.
fn watched(dir: &Path, way: &str, name: &str) -> PathBuf {
    let file = dir.join("segment.log");
    std::fs::write(&file, vec![7u8; LEN]).expect("a file");
    let (_server, port) = start(way, &file, 1 << 16);
    let client = "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));\
                  s.sendall(b'go')\nwhile s.recv(1 << 18): pass";
    let lines = dir.join(name);
    let mut text = Vec::new();
    for _ in 0..2 {
        let port = port.to_string();
        let mut command = zclab();
        command.args(["watch", "--json", "--port", &port, "--duration", "60s"]);
        let seen = command.args(["--", "python3", "-c", client, &port]).output().expect("a watch");
        assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
        text.extend(seen.stdout);
    }
    std::fs::write(&lines, text).expect("a file");
    lines
}

fn gate(dir: &Path, base: &Path, head: &Path, more: &[&str]) -> Output {
    let mut command = zclab();
    command.current_dir(dir).arg("gate").arg("--watched").arg(base).arg(head);
    command.args(more).output().expect("a gate")
}

/// Makes all lines speak of one port, as the same server's before and after would.
fn on_one_port(file: &Path) {
    let text = std::fs::read_to_string(file).expect("lines");
    let lines: String = text
        .lines()
        .map(|line| {
            let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
            value["port"] = 8080.into();
            format!("{value}\n")
        })
        .collect();
    std::fs::write(file, lines).expect("a file");
}

#[test]
fn a_server_that_begins_to_copy_is_a_regression() {
    let name = "a_server_that_begins_to_copy_is_a_regression";
    if !may_watch(name) {
        return;
    }
    if Command::new("python3").arg("--version").output().is_err() {
        println!("SKIPPED: {name}: python3 is not installed");
        return;
    }
    let dir = scratch();
    let files = [("sendfile", "before"), ("sendfile", "same"), ("read-write", "after")]
        .map(|(way, name)| watched(dir.path(), way, name));
    let apart = gate(dir.path(), &files[0], &files[2], &[]);
    assert_eq!(apart.status.code(), Some(2), "two ports are two servers");
    files.iter().for_each(|file| on_one_port(file));
    let [before, same, after] = &files;

    let worse = gate(dir.path(), before, after, &[]);
    let said = String::from_utf8_lossy(&worse.stdout).into_owned();
    assert_eq!(worse.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&worse.stderr));
    assert!(said.contains("Wire reference bytes per byte"), "{said}");
    let equal = gate(dir.path(), before, same, &[]);
    let said = String::from_utf8_lossy(&equal.stdout).into_owned();
    assert_eq!(equal.status.code(), Some(0), "{said}");
    let junit = gate(dir.path(), before, after, &["--format", "junit"]);
    assert!(String::from_utf8_lossy(&junit.stdout).contains("<failure"), "it is a failed test");
}

#[test]
fn what_is_no_watch_is_refused() {
    let dir = scratch();
    let file = dir.path().join("other.jsonl");
    std::fs::write(&file, "{\"kind\":\"run\"}\n").expect("a file");
    let refused = gate(dir.path(), &file, &file, &[]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("other.jsonl line 1") && said.contains("watch --json"), "{said}");
    std::fs::write(&file, "{\"kind\":\"interval\",\"port\":1}\n").expect("a file");
    let said = gate(dir.path(), &file, &file, &[]).stderr;
    assert!(String::from_utf8_lossy(&said).contains("when it ends"));
}
