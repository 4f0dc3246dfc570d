//! What is watched: a server of a few lines, in a process of its own, which sends a file by one way.
//!
//! It is this test program, told by the environment to serve instead of to test.

use crate::support::{Killed, line_of};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio};

/// How it sends: `sendfile`, `read-write`, `mmap-write`.
const WAY: &str = "ZCLAB_TEST_SENDER_WAY";
const FILE: &str = "ZCLAB_TEST_SENDER_FILE";
/// Bytes of each call.
const PIECE: &str = "ZCLAB_TEST_SENDER_PIECE";

/// The call by which a sender of the lab opens and closes its window: here it must do nothing.
const MARKER: i64 = zclab::trial::worker::MARKER;

/// Starts a server; it and its port. It listens on both families.
pub fn start(way: &str, file: &Path, piece: usize) -> (Killed, u16) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "sender::serves_when_told", "--nocapture"])
        .env(WAY, way)
        .env(FILE, file)
        .env(PIECE, piece.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server starts");
    let out = child.stdout.take().expect("a pipe");
    let server = Killed(child);
    let line = line_of(out, |line| line.contains("port=")).expect("a line with the port");
    let port = line.rsplit_once("port=").expect("a port").1.trim().parse().expect("a number");
    (server, port)
}

#[test]
fn serves_when_told() {
    let Ok(way) = std::env::var(WAY) else { return };
    let name = std::env::var(FILE).expect("a file");
    let piece: usize = std::env::var(PIECE).expect("a size").parse().expect("a number");
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).expect("a socket");
    println!("\nport={}", listener.local_addr().expect("an address").port());
    for stream in listener.incoming() {
        serve(&mut stream.expect("a client"), &way, &name, piece);
    }
}

fn serve(stream: &mut TcpStream, way: &str, name: &str, piece: usize) {
    // The request, if it is one.
    let mut request = [0u8; 64];
    let _ = stream.read(&mut request).expect("a request");
    mark();
    let mut file = File::open(name).expect("the file");
    match way {
        "sendfile" => sendfile(stream, &file, piece),
        "read-write" => {
            let mut buffer = vec![0u8; piece];
            loop {
                match file.read(&mut buffer).expect("read") {
                    0 => break,
                    bytes => stream.write_all(&buffer[..bytes]).expect("write"),
                }
            }
        }
        "mmap-write" => {
            // SAFETY: the file is the test's own, and nobody writes it while it is mapped.
            let map = unsafe { memmap2::Mmap::map(&file) }.expect("mmap");
            map.chunks(piece).for_each(|part| stream.write_all(part).expect("write"));
        }
        way => panic!("no way of sending is called {way}"),
    }
}

fn sendfile(stream: &TcpStream, file: &File, piece: usize) {
    loop {
        // SAFETY: both descriptors are open, and without an offset the kernel writes to no memory.
        let sent = unsafe {
            let none = std::ptr::null_mut();
            libc::sendfile(stream.as_raw_fd(), file.as_raw_fd(), none, piece)
        };
        match sent {
            0 => return,
            bytes => assert!(bytes > 0, "sendfile: {}", std::io::Error::last_os_error()),
        }
    }
}

fn mark() {
    // SAFETY: lseek takes three integers; there is no descriptor -1.
    unsafe { libc::lseek(-1, MARKER, libc::SEEK_SET) };
}
