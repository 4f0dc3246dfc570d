//! How do the tests watch a server, and how do clients read all that it sends?

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// No wait is longer.
const LIMIT: Duration = Duration::from_secs(60);

/// The program that was built for this test.
pub fn zclab() -> Command {
    Command::new(env!("CARGO_BIN_EXE_zclab"))
}

/// Whether this machine lets anybody watch; if not, a line says why the test is left out.
pub fn may_watch(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("SKIPPED: {test}: needs root");
        return false;
    }
    if let Err(why) = zclab::ledger::Ledger::load() {
        println!("SKIPPED: {test}: {why}");
        return false;
    }
    true
}

/// A folder for what a test makes, on a real file system, removed at the end.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

/// A process that is killed when the test is over, however.
pub struct Killed(pub Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("wait") {
                return status;
            }
            assert!(started.elapsed() < LIMIT, "no end within {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The first line of a stream that a predicate takes; the rest is read by a thread, so that nobody
/// blocks on a full pipe.
pub fn line_of(stream: impl Read + Send + 'static, takes: fn(&str) -> bool) -> Option<String> {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if takes(&line) {
                let _ = send.send(line);
            }
        }
    });
    receive.recv_timeout(LIMIT).ok()
}

/// A watcher at work.
pub struct Watcher {
    pub process: Killed,
    output: std::thread::JoinHandle<String>,
}

impl Watcher {
    /// Starts one; when this returns, it counts.
    pub fn start(port: u16, arguments: &[&str]) -> Watcher {
        let mut command = zclab();
        command.args(["watch", "--json", "--duration", "60s", "--port", &port.to_string()]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut out = child.stdout.take().expect("a pipe");
        let err = child.stderr.take().expect("a pipe");
        let output = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).expect("text");
            text
        });
        let process = Killed(child);
        let line = line_of(err, |line| line.contains("watching port"));
        assert!(line.is_some(), "it never began to watch");
        Watcher { process, output }
    }

    /// Ends it by Ctrl-C; its lines.
    pub fn interrupt(self) -> Vec<Value> {
        kill(Pid::from_raw(self.process.pid() as i32), Signal::SIGINT).expect("kill");
        self.end()
    }

    /// Waits for its end; its lines.
    pub fn end(mut self) -> Vec<Value> {
        assert_eq!(self.process.wait().code(), Some(0));
        let text = self.output.join().expect("its output");
        text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

/// The object of the whole, whose figures must be consistent with those of the intervals.
pub fn whole(lines: &[Value]) -> &Value {
    let (whole, intervals) = lines.split_last().expect("a line");
    assert_eq!(whole["kind"], "watch");
    assert!(!intervals.is_empty(), "the last interval is told, however short");
    assert!(intervals.iter().all(|interval| interval["kind"] == "interval"));
    let sum: u64 = intervals.iter().map(|one| one["wire_bytes"].as_u64().expect("bytes")).sum();
    assert_eq!(whole["wire_bytes"].as_u64(), Some(sum), "intervals add up to the whole");
    let shares = ["reference", "copied", "user", "linear", "other"];
    let shares = shares.map(|name| whole[format!("{name}_share")].as_f64().expect("a share"));
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    whole
}

/// A share of the whole.
pub fn share(whole: &Value, name: &str) -> f64 {
    whole[name].as_f64().unwrap_or_else(|| panic!("{name} of {whole}"))
}

/// Sends a request and reads to the end; how many bytes came.
pub fn fetch(to: SocketAddr, request: &str) -> u64 {
    let mut stream = TcpStream::connect_timeout(&to, LIMIT).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit");
    stream.write_all(request.as_bytes()).expect("write");
    let mut buffer = vec![0u8; 1 << 18];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).expect("read") {
            0 => return total,
            bytes => total += bytes as u64,
        }
    }
}
