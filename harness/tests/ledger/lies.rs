//! Who claims zero copy and copies, or copies more than it says, is found out.

use crate::lab::{finish, lines, of_kind, results, scenario, zclab};
use crate::liar::liar;
use crate::support::{Receiver, alone, counted, file, ledger};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use zclab::ledger::Ledger;
use zclab::ledger::counts::Counts;
use zclab::ledger::judge::{Case, Judgement, judge};
use zclab_report::record::Agreement;
use zclab_strategies::{Hop, Mover, Place, Route, SinkKind, find};

const BYTES: u64 = 1 << 20;

#[test]
fn a_preloaded_sendfile_that_reads_and_writes_contradicts() {
    let dir = results();
    let (Some(_), Some(library)) = (ledger("a library that lies"), liar(dir.path())) else {
        return;
    };
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    let file =
        scenario(dir.path(), "lie", "\"read-write\", \"sendfile\"", "fetch = \"64 KiB\"", budget);
    let check = |preload: Option<&Path>| {
        let mut command = zclab();
        command.arg("check").arg(&file).arg("--quiet").arg("--results").arg(dir.path());
        if let Some(library) = preload {
            command.env("LD_PRELOAD", library);
        }
        finish(&mut command, Duration::from_secs(120))
    };
    let (honest, out, err) = check(None);
    assert_eq!(honest.status.code(), Some(0), "{out}{err}");
    let (lied, out, err) = check(Some(&library));
    assert_eq!(lied.status.code(), Some(1), "{out}{err}");
    assert!(out.contains("contradicts: lie/sendfile/"), "{out}");
    let record = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let record = lines(Path::new(record));
    for ledger in of_kind(&record, "ledger") {
        let lies = ledger["cell"].as_str().unwrap().contains("/sendfile/");
        let expected = if lies { "contradicts" } else { "agrees" };
        assert_eq!(ledger["agreement"], expected, "{ledger}");
        assert_eq!(ledger["cpu_copies_per_byte"]["observed"], 2.0, "{ledger}");
    }
    let pages = Path::new(out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap());
    let mut report = zclab();
    report.arg("report").arg(pages);
    let (output, _, err) = finish(&mut report, Duration::from_secs(60));
    assert_eq!(output.status.code(), Some(0), "{err}");
    let page = std::fs::read_to_string(pages.with_file_name("lie.html")).unwrap();
    assert!(page.contains("contradict"), "the page says so");
}

fn route(scatter_gather: bool) -> Route {
    Route { scatter_gather, ..Route::to(SinkKind::TcpLoopback) }
}

fn judged(ledger: &Ledger, strategy: &str, scatter_gather: bool, counts: &Counts) -> Judgement {
    let route = route(scatter_gather);
    let path = find(strategy).unwrap().path(&route);
    let (payload_bytes, header_bytes) = (BYTES, 0);
    let gaps = ledger.gaps();
    let (path, route, missing_bytes) = (&path, &route, None);
    let changed = None;
    judge(&Case { path, route, payload_bytes, header_bytes, changed, missing_bytes, counts, gaps })
}

fn sendfile(file: &File, stream: &TcpStream, bytes: u64) {
    let mut sent = 0;
    while sent < bytes {
        let left = (bytes - sent) as usize;
        // SAFETY: both descriptors are open; no memory of ours is handed over but a null offset.
        let got = unsafe {
            libc::sendfile(stream.as_raw_fd(), file.as_raw_fd(), std::ptr::null_mut(), left)
        };
        assert!(got > 0, "sendfile: {}", std::io::Error::last_os_error());
        sent += got as u64;
    }
}

fn read_write(file: &File, mut stream: &TcpStream, bytes: u64) {
    use std::io::{Read, Write};
    let mut buffer = vec![0; 65536];
    let (mut file, mut sent) = (file, 0);
    while sent < bytes {
        let got = file.read(&mut buffer).unwrap();
        stream.write_all(&buffer[..got]).unwrap();
        sent += got as u64;
    }
}

fn connected() -> (Receiver, TcpStream) {
    let (receiver, port) = Receiver::start();
    (receiver, TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap())
}

#[test]
fn sendfile_from_kernfs_copies() {
    let _turn = alone();
    let Some(mut ledger) = ledger("sendfile from kernfs") else { return };
    let path = Path::new("/sys/kernel/btf/vmlinux");
    ledger.learn(&[(path.to_owned(), 4096)]).ok();
    let source = File::open(path).unwrap();
    let (mut receiver, stream) = connected();
    let (bytes, counts) =
        counted(&mut ledger, &mut receiver, stream, |to| sendfile(&source, to, BYTES));
    assert_eq!(bytes, BYTES);
    let judged = judged(&ledger, "sendfile", true, &counts);
    assert_eq!(judged.agreement, Agreement::Contradicts, "{:?}", counts.raw());
    assert_eq!(judged.copies.observed, Some(1.0));
}

#[test]
fn sendfile_from_an_o_direct_descriptor_is_filled_by_the_device() {
    let _turn = alone();
    let Some(mut ledger) = ledger("sendfile with O_DIRECT") else { return };
    let dir = results();
    let path = file(dir.path(), BYTES as usize);
    ledger.learn(&[(path.clone(), BYTES)]).unwrap();
    let source = File::options().read(true).custom_flags(libc::O_DIRECT).open(&path);
    let Ok(source) = source else {
        println!("SKIPPED: sendfile with O_DIRECT: {}", source.unwrap_err());
        return;
    };
    let (mut receiver, stream) = connected();
    let (bytes, counts) =
        counted(&mut ledger, &mut receiver, stream, |to| sendfile(&source, to, BYTES));
    assert_eq!(bytes, BYTES);
    // The claim of a strategy to come: the device fills the pipe's pages.
    let mut path = find("sendfile").unwrap().path(&route(true));
    path.hops[0] = Hop::new(Place::Disk, Place::Pipe, Mover::Device, "a direct splice read");
    let (route, gaps) = (route(true), BTreeMap::new());
    let (payload_bytes, header_bytes, counts) = (BYTES, 0, &counts);
    let (path, route, gaps, missing_bytes) = (&path, &route, &gaps, None);
    let changed = None;
    let case =
        Case { path, route, payload_bytes, header_bytes, changed, missing_bytes, counts, gaps };
    let judged = judge(&case);
    assert_eq!(judged.copies.observed, Some(0.0), "{:?}", counts.raw());
    assert_eq!(judged.agreement, Agreement::Agrees, "{:?} {:?}", judged.reason, counts.raw());
    assert_eq!(counts.wire.log, 0, "the page cache is passed by");
}

/// Runs a command that sets up a network of the test's own; false when it is not there.
fn set_up(command: &str) -> bool {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    if !status.success() {
        println!("SKIPPED: a network of two hosts: {command}: {status}");
    }
    status.success()
}

/// Two hosts in network namespaces of their own, joined by a veth pair whose near end is `va`: a
/// receiver on the far one and a stream to it. `near` configures the near side further and gives the
/// device that has the address. Everything vanishes with this thread and the receiver.
fn two_hosts(near: &str) -> Option<(Receiver, TcpStream)> {
    if let Err(errno) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
        println!("SKIPPED: a network of two hosts: unshare(CLONE_NEWNET): {errno}");
        return None;
    }
    let mut receiver = Receiver::start_apart();
    let far = receiver.says("thread");
    let done = set_up(&format!(
        "ip link add va type veth peer name vb netns {far}; {near}; ip link set va up; \
         nsenter -t {far} -n ip addr add 10.77.0.2/24 dev vb; nsenter -t {far} -n ip link set vb up"
    ));
    if !done {
        return None;
    }
    receiver.go_on();
    let port = receiver.says("port") as u16;
    let far = SocketAddr::from((Ipv4Addr::new(10, 77, 0, 2), port));
    Some((receiver, TcpStream::connect_timeout(&far, Duration::from_secs(10)).unwrap()))
}

/// In a thread of its own, since a network namespace is a thread's.
fn apart(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(test).join().unwrap();
}

#[test]
fn a_device_without_scatter_gather_copies_and_a_claim_must_know() {
    apart(|| {
        let _turn = alone();
        let Some(mut ledger) = ledger("a device without scatter-gather") else { return };
        let dir = results();
        let path = file(dir.path(), BYTES as usize);
        ledger.learn(&[(path.clone(), BYTES)]).unwrap();
        let near = "ethtool -K va sg off >/dev/null; ip addr add 10.77.0.1/24 dev va";
        type Send = fn(&File, &TcpStream, u64);
        let senders: [(&str, Send, f64); 2] =
            [("read-write", |f, s, n| read_write(f, s, n), 3.0), ("sendfile", sendfile, 1.0)];
        for (strategy, send, copies) in senders {
            let Some((mut receiver, stream)) = two_hosts(near) else { return };
            let source = File::open(&path).unwrap();
            let (bytes, counts) =
                counted(&mut ledger, &mut receiver, stream, |to| send(&source, to, BYTES));
            assert_eq!(bytes, BYTES);
            let aware = judged(&ledger, strategy, false, &counts);
            assert_eq!(aware.agreement, Agreement::Agrees, "{:?} {:?}", aware.reason, counts.raw());
            assert_eq!(aware.copies.observed, Some(copies), "{strategy}");
            let unaware = judged(&ledger, strategy, true, &counts);
            assert_eq!(unaware.agreement, Agreement::Contradicts, "{strategy}");
            assert!(unaware.reason.unwrap().contains("socket-buffer → wire"));
        }
    });
}

#[test]
fn below_a_bridge_every_byte_counts_once() {
    apart(|| {
        let _turn = alone();
        let Some(mut ledger) = ledger("a bridge over the device") else { return };
        let dir = results();
        let path = file(dir.path(), BYTES as usize);
        ledger.learn(&[(path.clone(), BYTES)]).unwrap();
        let near = "ip link add br0 type bridge; ip link set va master br0; ip link set br0 up; \
                    ip addr add 10.77.0.1/24 dev br0";
        let Some((mut receiver, stream)) = two_hosts(near) else { return };
        let source = File::open(&path).unwrap();
        let (bytes, counts) =
            counted(&mut ledger, &mut receiver, stream, |to| sendfile(&source, to, BYTES));
        assert_eq!(bytes, BYTES);
        assert_eq!(counts.flows.len(), 1);
        assert_eq!(counts.flows[0].wire_bytes, BYTES);
        assert_eq!(counts.flows[0].sent_bytes, BYTES);
        assert!(counts.single("wire_again_bytes") >= BYTES, "{:?}", counts.raw());
        let judged = judged(&ledger, "sendfile", true, &counts);
        assert_eq!(judged.agreement, Agreement::Agrees, "{:?}", judged.reason);
    });
}
