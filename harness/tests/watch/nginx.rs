//! Does nginx get the shares that it is known to have: `sendfile on`, `sendfile off`, and TLS?

use crate::support::{Killed, Watcher, fetch, may_watch, scratch, share, whole};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const LEN: usize = 24 << 20;

/// Whether a program is there; if not, a line says so.
fn there(test: &str, program: &str, version: &str) -> bool {
    let found = Command::new(program).arg(version).output().is_ok();
    if !found {
        println!("SKIPPED: {test}: {program} is not installed");
    }
    found
}

fn certificate(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(dir)
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// An nginx with one worker and one server, all its files below a folder; it and its port.
fn nginx(dir: &Path, listen: &str, settings: &str) -> (Killed, u16) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let port = socket.local_addr().expect("an address").port();
    drop(socket);
    let at = dir.display();
    let temps: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {at}/{name};"))
        .collect();
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
    let user = user.map_or_else(|| "root".to_owned(), |user| user.name);
    let text = format!(
        "user {user}; daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {temps}\n\
         server {{ listen 127.0.0.1:{port} {listen}; root {at}/www; {settings} }} }}\n"
    );
    std::fs::create_dir(dir.join("www")).expect("a folder");
    std::fs::write(dir.join("www/file"), vec![5u8; LEN]).expect("a file");
    std::fs::write(dir.join("conf"), text).expect("a file");
    let child = Command::new("nginx")
        .arg("-p")
        .arg(dir)
        .arg("-c")
        .arg(dir.join("conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = Killed(child.expect("nginx starts"));
    let started = Instant::now();
    while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(20), "nginx does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (server, port)
}

/// Reads the file by TLS to its end.
fn fetch_by_tls(port: u16) {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-ign_eof", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    use std::io::{Read, Write};
    let request = b"GET /file HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    client.stdin.take().expect("a pipe").write_all(request).expect("write");
    let out = client.stdout.take().expect("a pipe");
    let mut client = Killed(client);
    let mut text = Vec::new();
    out.take(2 * LEN as u64).read_to_end(&mut text).expect("read");
    assert!(text.len() >= LEN, "{} bytes", text.len());
    client.wait();
}

/// What is seen of an nginx with these settings while a client fetches the file.
fn seen(tls: bool, settings: &str) -> Value {
    let dir = scratch();
    if tls {
        certificate(dir.path());
    }
    let at = dir.path().display();
    let keys = format!("ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;");
    let (listen, keys) = if tls { ("ssl", keys.as_str()) } else { ("", "") };
    let (mut server, port) = nginx(dir.path(), listen, &format!("{settings} {keys}"));
    let www = dir.path().join("www").display().to_string();
    let watcher = Watcher::start(port, &["--dir", &www]);
    match tls {
        true => fetch_by_tls(port),
        false => {
            let request = "GET /file HTTP/1.0\r\n\r\n";
            assert!(fetch((Ipv4Addr::LOCALHOST, port).into(), request) > LEN as u64);
        }
    }
    let lines = watcher.interrupt();
    // Its workers end with it when it is asked to end.
    let pid = nix::unistd::Pid::from_raw(server.pid() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("kill");
    server.wait();
    let whole = whole(&lines).clone();
    assert!(whole["processes"].as_array().is_some_and(|all| all.len() == 2), "{whole}");
    assert!(whole["wire_bytes"].as_u64().is_some_and(|b| b > LEN as u64 / 10 * 9), "{whole}");
    whole
}

fn said(whole: &Value) -> &str {
    whole["diagnosis"].as_str().expect("a sentence")
}

#[test]
fn nginx_with_sendfile_hands_pages_over() {
    let test = "nginx_with_sendfile_hands_pages_over";
    if !may_watch(test) || !there(test, "nginx", "-v") {
        return;
    }
    let whole = seen(false, "sendfile on;");
    assert!(share(&whole, "reference_share") >= 0.99, "{whole}");
    assert!(said(&whole).contains("handed over by sendfile: zero copy"), "{whole}");
}

#[test]
fn nginx_without_sendfile_copies_and_is_not_taken_for_tls() {
    let test = "nginx_without_sendfile_copies_and_is_not_taken_for_tls";
    if !may_watch(test) || !there(test, "nginx", "-v") {
        return;
    }
    let whole = seen(false, "sendfile off;");
    assert!(share(&whole, "copied_share") >= 0.98, "{whole}");
    assert!(said(&whole).contains("reads files by pread64"), "{whole}");
    assert!(said(&whole).contains("No TLS record was seen"), "{whole}");
}

#[test]
fn nginx_with_tls_copies_although_sendfile_is_on() {
    let test = "nginx_with_tls_copies_although_sendfile_is_on";
    let tools = || there(test, "nginx", "-v") && there(test, "openssl", "version");
    if !may_watch(test) || !tools() {
        return;
    }
    let whole = seen(true, "sendfile on;");
    assert!(share(&whole, "copied_share") >= 0.98, "{whole}");
    assert!(said(&whole).contains("sends TLS records"), "{whole}");
    assert!(said(&whole).contains("encrypts in user space"), "{whole}");
}
