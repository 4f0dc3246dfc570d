//! Does it say what is missing when it cannot watch, and does it end when it should?

use crate::sender::start;
use crate::support::{Killed, Watcher, fetch, may_watch, scratch, whole, zclab};
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Stdio;

/// Exit code and standard error of a command that ends by itself.
fn refused(command: &mut std::process::Command) -> (Option<i32>, String) {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Killed(command.spawn().expect("the program starts"));
    let mut text = String::new();
    let err = child.0.stderr.take().expect("a pipe");
    err.take(1 << 16).read_to_string(&mut text).expect("text");
    (child.wait().code(), text)
}

/// A port that nobody listens on: it was free a moment ago.
fn free_port() -> u16 {
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    socket.local_addr().expect("an address").port()
}

#[test]
fn a_port_without_a_server_is_refused_with_what_to_do() {
    let port = free_port().to_string();
    let (code, said) = refused(zclab().args(["watch", "--port", &port]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("nobody listens on TCP port {port}")), "{said}");
    assert!(said.contains("ss -tlnp") && said.contains("start the server first"), "{said}");
    for arguments in [["--port", "0"], ["--port", "70000"], ["--interval", "1ms"]] {
        assert_eq!(refused(zclab().arg("watch").args(arguments)).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_process_that_does_not_listen_is_refused() {
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = socket.local_addr().expect("an address").port().to_string();
    let mut other = std::process::Command::new("sleep");
    let other = Killed(other.arg("60").spawn().expect("sleep"));
    let pid = other.pid().to_string();
    let (code, said) = refused(zclab().args(["watch", "--port", &port, "--pid", &pid]));
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("sleep does not listen on port"), "{said}");
    assert!(said.contains(&format!("({})", std::process::id())), "{said}");
}

#[test]
fn without_privilege_the_commands_that_give_it_are_named() {
    if !nix::unistd::geteuid().is_root() {
        println!(
            "SKIPPED: without_privilege_the_commands_that_give_it_are_named: needs root to drop"
        );
        return;
    }
    let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = socket.local_addr().expect("an address").port().to_string();
    // Where anybody may start it.
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("chmod");
    let program = dir.path().join("zclab");
    std::fs::copy(env!("CARGO_BIN_EXE_zclab"), &program).expect("a copy");
    let mut command = std::process::Command::new(&program);
    command.args(["watch", "--port", &port]).uid(65534).gid(65534).current_dir("/");
    let (code, said) = refused(&mut command);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("cannot be looked into"), "{said}");
    assert!(said.contains(&format!("watch --port {port}")) && said.contains("setcap"), "{said}");
}

#[test]
fn a_server_that_dies_ends_the_watch_with_its_report() {
    if !may_watch("a_server_that_dies_ends_the_watch_with_its_report") {
        return;
    }
    let dir = scratch();
    let file = dir.path().join("segment.log");
    std::fs::write(&file, vec![7u8; 1 << 20]).expect("a file");
    let (server, port) = start("sendfile", &file, 1 << 16);
    let page = dir.path().join("page.html");
    let pid = server.pid().to_string();
    let name = page.display().to_string();
    let watcher = Watcher::start(port, &["--pid", &pid, "--html", &name]);
    assert_eq!(fetch((Ipv4Addr::LOCALHOST, port).into(), "go"), 1 << 20);
    drop(server);
    let lines = watcher.end();
    assert_eq!(whole(&lines)["ended"], "server gone");
    assert!(whole(&lines)["wire_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 19));
    let html = std::fs::read_to_string(page).expect("a page");
    assert!(html.contains("handed over by sendfile") && !html.contains("://"), "{html}");
}
