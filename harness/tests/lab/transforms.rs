//! What becomes of a log that is summed, compressed or encrypted on its way, in the whole program?

use crate::support::{finish, lines, of_kind, results, scenario, zclab};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);

/// Checks a scenario; the lines of its record.
fn checked(strategies: &str, matrix: &str) -> Vec<Value> {
    let dir = results();
    let budget = "launches = 1\nturns = 1\nslice = \"1 MiB\"";
    let file = scenario(dir.path(), "t", strategies, matrix, budget);
    let (output, out, err) =
        finish(zclab().arg("check").arg(&file).arg("--results").arg(dir.path()), LIMIT);
    assert_eq!(output.status.code(), Some(0), "{out}\n{err}");
    let record = out.lines().chain(err.lines()).find_map(|line| line.strip_prefix("record: "));
    lines(std::path::Path::new(record.expect("the record's path")))
}

fn cells(lines: &[Value]) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cell = |cell: &&Value| {
        let params = &cell["params"];
        let what = format!("{}/{}", text(&params["transform"]), text(&params["sink"]));
        let reason = text(&cell["reasons"][0]);
        (format!("{}/{what}", text(&cell["strategy"])), text(&cell["status"]), reason)
    };
    of_kind(lines, "cell").iter().map(cell).collect()
}

#[test]
fn every_byte_comes_back_and_what_was_sent_is_counted() {
    let lines = checked(
        "\"read-write\", { strategy = \"direct-write\", depth = [1, 4] }",
        "transform = [\"none\", \"crc32c\", \"lz4\", \"zstd\", \"tls\"]\nconsumers = 3\n\
         sink = [\"tcp-loopback\", \"unix-stream\"]\nsocket_buffer = \"16 KiB\"",
    );
    for (cell, status, reason) in cells(&lines) {
        assert!(status == "ok" || status == "unsupported", "{cell}: {reason}");
    }
    let samples = of_kind(&lines, "sample");
    assert!(samples.iter().any(|sample| sample["verified"] == "content"));
    for sample in samples {
        let cell = sample["cell"].as_str().unwrap();
        let whole = sample["bytes"].as_u64().unwrap() + sample["header_bytes"].as_u64().unwrap();
        let read = |name: &str| sample["readings"][name].as_u64();
        let (sent, taken) = (read("sent_bytes"), read("transformed_bytes"));
        if cell.contains("transform=none") {
            assert_eq!((sent, taken), (None, None), "{cell}");
            continue;
        }
        assert_eq!(taken, Some(whole), "{cell}: every byte once");
        let sent = sent.unwrap();
        match cell {
            _ if cell.contains("transform=crc32c") => assert_eq!(sent, whole, "{cell}"),
            // Five bytes of header, one of type and 16 of tag; 16 KiB of plaintext in each at most.
            _ if cell.contains("transform=tls") => {
                assert!(sent > whole && (sent - whole).is_multiple_of(22), "{cell}: {sent}");
            }
            _ => assert!(sent < whole * 3 / 4, "{cell}: {sent} of {whole}"),
        }
    }
    for ledger in of_kind(&lines, "ledger") {
        let cell = ledger["cell"].as_str().unwrap();
        assert_ne!(ledger["agreement"], "contradicts", "{cell}: {ledger}");
        let hops = ledger["hops"].as_array().unwrap();
        let changes = |hop: &&Value| hop["from"] == "user-buffer" && hop["to"] == "user-buffer";
        let changed = ["lz4", "zstd", "tls"].iter().any(|one| cell.contains(one));
        assert_eq!(hops.iter().filter(changes).count(), usize::from(changed), "{cell}");
    }
    let setups = of_kind(&lines, "cell");
    let encrypted = setups.iter().filter(|cell| cell["params"]["transform"] == "tls");
    for cell in encrypted.filter(|cell| cell["status"] == "ok") {
        assert!(cell["setup"]["tls"].as_str().unwrap().contains("TLSv1_3"), "{cell}");
    }
}

#[test]
fn files_are_decompressed_to_be_checked_and_cold_rounds_work() {
    let lines = checked(
        "\"read-write\"",
        "transform = [\"crc32c\", \"lz4\", \"zstd\"]\nsink = \"file\"\ncache = \"cold\"",
    );
    for (cell, status, reason) in cells(&lines) {
        assert_eq!(status, "ok", "{cell}: {reason}");
    }
}

#[test]
fn who_cannot_is_refused_with_the_reason() {
    let lines = checked(
        "\"null\", \"read-write\", \"mmap-write\", \"sendfile\", \"splice\", \"uring-read-send\", \
         \"bare:read-write\"",
        "transform = [\"crc32c\", \"tls\"]\nsink = [\"tcp-loopback\", \"file\"]",
    );
    for (cell, status, reason) in cells(&lines) {
        let why = match cell.split('/').collect::<Vec<_>>()[..] {
            ["read-write", "tls", "file"] => "shake hands",
            ["read-write", ..] if status == "ok" => continue,
            // A bare loop's record has the name of the strategy that it imitates.
            ["read-write", ..] => "bare loop",
            ["bare:read-write", ..] => "bare loop",
            ["null", ..] => "not the log's",
            _ => "needs user space",
        };
        assert_eq!(status, "refused", "{cell}");
        assert!(reason.contains(why), "{cell}: {reason}");
    }
    let lines = checked("\"read-write\"", "transform = \"lz4\"\nreceiver = \"discard\"");
    let (_, status, reason) = &cells(&lines)[0];
    assert_eq!(status, "refused");
    assert!(reason.contains("discards"), "{reason}");
}

/// A receiver of its own, with us as the sender; what it says.
struct Receiver {
    child: Child,
    said: std::io::Lines<BufReader<std::process::ChildStdout>>,
    connection: TcpStream,
}

impl Receiver {
    fn start(undo: Value) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = zclab()
            .arg("receive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let spec = json!({
            "address": listener.local_addr().unwrap(), "connections": 1, "discard": false,
            "spins": false, "socket_buffer_bytes": 0, "cpu": null, "undo": undo,
        });
        writeln!(child.stdin.as_mut().unwrap(), "{spec}").unwrap();
        let (mut connection, _) = listener.accept().unwrap();
        connection.read_exact(&mut [0; 4]).unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Receiver { child, said, connection }
    }

    fn says(&mut self) -> Value {
        serde_json::from_str(&self.said.next().unwrap().unwrap()).unwrap()
    }

    /// What it makes of these bytes when it expects so many.
    fn makes_of(mut self, wire: &[u8], bytes_each: u64) -> Value {
        assert_eq!(self.says()["error"], Value::Null);
        let expect = json!({"bytes_each": bytes_each, "content": true});
        writeln!(self.child.stdin.as_mut().unwrap(), "{expect}").unwrap();
        self.says();
        // It may have seen enough and gone before all of it is written.
        let _ = self.connection.write_all(wire);
        let counted = self.says();
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success(), "it ends well whatever came");
        counted
    }
}

/// A chunk of 2000 equal bytes as the broker would send it.
fn chunk() -> Vec<u8> {
    use zclab_strategies::Transform;
    let mut wire = Vec::new();
    zclab::trial::transform::lz4::Compress::new().apply(&[7; 2000], &mut wire).unwrap();
    wire
}

#[test]
fn a_stream_that_cannot_be_undone_is_an_error_and_no_panic() {
    let lz4 = || Receiver::start(json!({"what": "lz4"}));
    let counted = lz4().makes_of(&chunk(), 2000);
    assert_eq!((&counted["bytes"], &counted["error"]), (&json!(2000), &Value::Null));
    assert_eq!(counted["crcs"][0], json!(crc32c::crc32c(&[7; 2000])));
    let says = |counted: Value, what: &str| {
        let error = counted["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(what), "{counted}");
    };
    let mut broken = chunk();
    broken[8] ^= 0xff;
    says(lz4().makes_of(&broken, 2000), "lz4");
    says(lz4().makes_of(&chunk(), 1999), "2000 bytes where 1999 are expected");
    says(lz4().makes_of(&[0xff; 5000], 2000), "lz4");
    // More than a block holds: the rest would belong to nobody.
    let more = [chunk(), chunk()[..20].to_vec()].concat();
    says(lz4().makes_of(&more, 2000), "0 are expected");
    says(Receiver::start(json!({"what": "zstd"})).makes_of(&chunk(), 2000), "zstd");
}

#[test]
fn a_consumer_trusts_its_broker_alone() {
    use base64::Engine as _;
    use zclab::trial::transform::tls::Broker;
    let (broker, other) = (Broker::new().unwrap(), Broker::new().unwrap());
    let certificate = base64::engine::general_purpose::STANDARD.encode(other.certificate());
    let mut receiver = Receiver::start(json!({"what": "tls", "certificate": certificate}));
    let near = receiver.connection.try_clone().unwrap();
    assert!(broker.greet(&near.into()).is_err(), "it hangs up");
    let said = receiver.says()["error"].as_str().unwrap().to_owned();
    assert!(said.contains("certificate"), "{said}");
    drop(receiver.child.stdin.take());
    receiver.child.wait().unwrap();
}
