//! Who is not served by a sink, and is everybody told why?

use crate::lab::{finish, results, scenario, zclab};
use crate::sink::{Sink, soon};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
const REMOTE: &str = "sink = \"tcp-remote\"\nfetch = \"64 KiB\"";

/// Says one line to a sink; its answer.
fn greeted(sink: &Sink, line: &str) -> String {
    let mut stream = TcpStream::connect(&sink.address).expect("a connection");
    stream.set_read_timeout(Some(LIMIT)).expect("a bound");
    writeln!(stream, "{line}").expect("a greeting");
    let mut answer = String::new();
    // One who is not even answered sees the end, or a reset.
    let _ = BufReader::new(stream).read_line(&mut answer);
    answer
}

#[test]
fn who_has_no_token_or_another_one_is_refused() {
    let (dir, sink) = (results(), Sink::start(&[]));
    let file = scenario(dir.path(), "token", "\"read-write\"", REMOTE, "launches = 1");
    let wrong = dir.path().join("wrong");
    std::fs::write(&wrong, "0123456789abcdef0123456789abcdef\n").unwrap();
    let right = dir.path().join("right");
    std::fs::write(&right, format!("{}\n", sink.token)).unwrap();
    for (token, code, words) in [
        (None, 2, "--token-file"),
        (Some(&wrong), 2, "the token is not the sink's"),
        (Some(&right), 0, ""),
    ] {
        let mut check = zclab();
        check.args(["check", "--quiet", "--to", &sink.address]).arg(&file);
        check.arg("--results").arg(dir.path()).env_remove("ZCLAB_TOKEN");
        if let Some(token) = token {
            check.arg("--token-file").arg(token);
        }
        let (output, out, err) = finish(&mut check, LIMIT);
        assert_eq!(output.status.code(), Some(code), "{out}{err}");
        assert!(err.contains(words), "{err}");
        assert!(!err.contains(&sink.token), "{err}");
    }
}

#[test]
fn another_version_is_told_both() {
    let sink = Sink::start(&[]);
    let own = env!("CARGO_PKG_VERSION");
    for (protocol, version) in [(1, "99.1.2"), (77, own)] {
        let line = format!(
            "{{\"hello\":\"run\",\"protocol\":{protocol},\"version\":\"{version}\",\"token\":\"{}\"}}",
            sink.token
        );
        let answer = greeted(&sink, &line);
        let both =
            [format!("zclab {own} with protocol 1"), format!("{version} with protocol {protocol}")];
        assert!(both.iter().all(|words| answer.contains(words)), "{answer}");
        assert!(answer.contains("\"ticket\":\"\""), "{answer}");
    }
}

#[test]
fn strangers_are_not_answered_and_keep_nobody_waiting() {
    let (dir, sink) = (results(), Sink::start(&["--once"]));
    let silent: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(&sink.address).unwrap()).collect();
    for line in [
        "GET / HTTP/1.1",
        "{\"hello\":\"trial\",\"ticket\":\"\",\"connections\":1,\"socket_buffer_bytes\":0}",
        "{\"hello\":\"consumer\",\"ticket\":\"0\",\"index\":0}",
    ] {
        let answer = greeted(&sink, line);
        let refused = answer.is_empty() || answer.contains("no run that is served");
        assert!(refused, "{line}: {answer}");
    }
    let file = scenario(dir.path(), "silent", "\"read-write\"", REMOTE, "launches = 1");
    let mut check = sink.sender("check");
    let (output, out, err) = finish(check.arg(file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    drop(silent);
    assert_eq!(sink.ended().0, Some(0));
}

#[test]
fn one_run_at_a_time() {
    let (dir, mut sink) = (results(), Sink::start(&[]));
    let budget = "launches = 1\nturns = 5000\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "long", "\"read-write\"", REMOTE, budget);
    let mut run = sink.sender("run");
    run.arg(&file).arg("--results").arg(dir.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut first = run.spawn().unwrap();
    assert!(sink.says().contains("begins"));
    let mut second = sink.sender("check");
    let (output, _, err) = finish(second.arg(&file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("serves another run"), "{err}");
    // A run that is killed makes room for the next one.
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(sink.says().contains("has ended"));
    let none = || children(sink.process.id()).is_empty().then_some(());
    soon("receivers end with their run", none);
    let mut third = sink.sender("check");
    let (output, out, err) = finish(third.arg(&file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
}

fn children(process: u32) -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children"));
    let lists: Vec<String> = tasks.flatten().filter_map(|task| of(task).ok()).collect();
    lists.iter().flat_map(|list| list.split_whitespace()).map(str::to_owned).collect()
}
