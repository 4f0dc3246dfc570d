//! How do these tests get a ledger, a sender of their own, and a receiver in another process?

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use zclab::ledger::counts::Counts;
use zclab::ledger::{Ledger, Watched};
use zclab::trial::worker::MARKER;

/// Senders here are threads of one process, which the ledger counts as a whole: one at a time.
static ONE: Mutex<()> = Mutex::new(());

/// Waits for its turn, whatever became of the test before.
pub fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// An attached ledger, or a line that says why there is none.
pub fn ledger(what: &str) -> Option<Ledger> {
    let loaded = Ledger::load().and_then(|mut ledger| ledger.attach().map(|()| ledger));
    loaded.map_err(|why| println!("SKIPPED: {what}: no kernel counters: {why}")).ok()
}

/// A file of so many bytes that differ from page to page, written through to its device.
pub fn file(dir: &Path, bytes: usize) -> PathBuf {
    let path = dir.join("file");
    let content: Vec<u8> = (0..bytes).map(|n| (n / 251) as u8 ^ n as u8).collect();
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(&content).unwrap();
    file.sync_all().unwrap();
    path
}

/// Calls that open and close the window of counting.
pub fn mark() {
    // SAFETY: lseek takes three integers; descriptor -1 makes it fail and change nothing.
    unsafe { libc::lseek(-1, MARKER, libc::SEEK_SET) };
}

/// Set for this test program when it is started again as a receiver.
const ROLE: &str = "ZCLAB_TEST_RECEIVER";

/// A process that accepts one connection, reads it to its end, and says how many bytes came.
pub struct Receiver {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Receiver {
    /// Starts it; the port that it listens on.
    pub fn start() -> (Receiver, u16) {
        let mut receiver = Receiver::spawn("shared");
        let port = receiver.says("port");
        (receiver, port as u16)
    }

    /// Starts it in a network namespace of its own: it says `thread=`, and listens when it may go on.
    pub fn start_apart() -> Receiver {
        Receiver::spawn("own")
    }

    /// Lets it go on.
    pub fn go_on(&mut self) {
        self.process.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    }

    fn spawn(network: &str) -> Receiver {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["support::as_a_receiver", "--exact", "--nocapture"])
            .env(ROLE, network)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Receiver { process, lines }
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The number behind a word that it prints.
    pub fn says(&mut self, word: &str) -> u64 {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the receiver ended: {word}");
            // The test runner prints without a line end before the first of ours.
            if let Some((_, number)) = line.split_once(&format!("{word}=")) {
                return number.trim().parse().unwrap();
            }
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Not a test when the tests run: what [`Receiver`] runs.
#[test]
fn as_a_receiver() {
    let Ok(network) = std::env::var(ROLE) else { return };
    if network == "own" {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        // The namespace is this thread's, whose number stands for it.
        println!("thread={}", nix::unistd::gettid());
        // The other side moves a device in, and says so.
        std::io::stdin().read_exact(&mut [0]).unwrap();
    }
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    println!("port={}", listener.local_addr().unwrap().port());
    let (mut stream, _) = listener.accept().unwrap();
    let (mut buffer, mut sum) = (vec![0; 1 << 20], 0);
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            got => sum += got,
        }
    }
    println!("bytes={sum}");
    std::io::stdin().read_exact(&mut [0]).ok();
}

/// Sends through a connected stream by `send` while everything is counted.
pub fn counted(
    ledger: &mut Ledger,
    receiver: &mut Receiver,
    stream: TcpStream,
    send: impl FnOnce(&TcpStream),
) -> (u64, Counts) {
    let ports = (stream.local_addr().unwrap().port(), stream.peer_addr().unwrap().port());
    let sender = std::process::id();
    let watched = Watched { sender, receiver: Some(receiver.id()), ports: vec![ports] };
    ledger.arm(&watched).unwrap();
    mark();
    send(&stream);
    mark();
    drop(stream);
    let bytes = receiver.says("bytes");
    (bytes, ledger.read().unwrap())
}
