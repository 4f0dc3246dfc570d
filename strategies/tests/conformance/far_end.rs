//! Where do the bytes end up, and how does that end behave?

use nix::sys::socket::{setsockopt, sockopt};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use zclab_strategies::{Sink, SinkKind};

const TINY_RECEIVE_BYTES: usize = 8192;

/// The kinds that these tests open. To an engine a connection over veth is one over loopback, and the
/// two hosts that it takes are the harness's to make.
pub const KINDS: [SinkKind; 5] =
    [SinkKind::TcpLoopback, SinkKind::UnixStream, SinkKind::Pipe, SinkKind::File, SinkKind::Null];

/// Those of them that are full when nobody reads.
pub const QUEUES: [SinkKind; 3] = [SinkKind::TcpLoopback, SinkKind::UnixStream, SinkKind::Pipe];

/// How the receiver takes its bytes.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    Eager,
    /// Small reads with pauses between them.
    Slow,
    /// Not before the sender has had time to fill every buffer.
    Late,
    /// Takes about this many bytes, then closes.
    Leaves(usize),
}

/// How a sink is set up.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub pace: Pace,
    pub nonblocking: bool,
    /// The least send buffer that the kernel allows, and a small receive buffer; a pipe of a page.
    pub tiny: bool,
}

impl Manner {
    pub const PLAIN: Manner = Manner { pace: Pace::Eager, nonblocking: false, tiny: false };
}

/// One sink together with whatever is behind it.
pub struct FarEnd {
    pub sink: Sink,
    near: OwnedFd,
    behind: Behind,
}

enum Behind {
    Reader(JoinHandle<Vec<u8>>),
    File(PathBuf),
    Nothing,
}

impl FarEnd {
    pub fn open(kind: SinkKind, manner: Manner, dir: &Path, id: usize) -> FarEnd {
        let (near, behind): (OwnedFd, Behind) = match kind {
            SinkKind::TcpVeth => panic!("not one of KINDS"),
            SinkKind::TcpLoopback | SinkKind::TcpRemote => {
                let (near, far) = tcp_pair(manner.tiny);
                (near.into(), Behind::Reader(reader(far, manner.pace)))
            }
            SinkKind::UnixStream => {
                let (near, far) = UnixStream::pair().unwrap();
                if manner.tiny {
                    setsockopt(&near, sockopt::SndBuf, &1).unwrap();
                }
                (near.into(), Behind::Reader(reader(far, manner.pace)))
            }
            SinkKind::Pipe => {
                let (far, near) = std::io::pipe().unwrap();
                if manner.tiny {
                    let page = nix::fcntl::FcntlArg::F_SETPIPE_SZ(1);
                    nix::fcntl::fcntl(&near, page).unwrap();
                }
                (near.into(), Behind::Reader(reader(far, manner.pace)))
            }
            SinkKind::File => {
                let path = dir.join(format!("sink-{id}"));
                (File::create(&path).unwrap().into(), Behind::File(path))
            }
            SinkKind::Null => {
                let null = File::options().write(true).open("/dev/null").unwrap();
                (null.into(), Behind::Nothing)
            }
        };
        if manner.nonblocking {
            set_nonblocking(&near);
        }
        FarEnd { sink: Sink { fd: near.as_raw_fd(), kind }, near, behind }
    }

    /// Closes the near end and returns what arrived; nothing is known of `/dev/null`.
    pub fn received(self) -> Option<Vec<u8>> {
        drop(self.near);
        match self.behind {
            Behind::Reader(reader) => Some(reader.join().unwrap()),
            Behind::File(path) => Some(fs::read(path).unwrap()),
            Behind::Nothing => None,
        }
    }
}

fn set_nonblocking(fd: &OwnedFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap());
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK)).unwrap();
}

/// A connected pair: the sender's end, the receiver's end.
pub fn tcp_pair(tiny: bool) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    if tiny {
        // A receive window below one small packet would leave the sender to its persist timer.
        setsockopt(&listener.as_fd(), sockopt::RcvBuf, &TINY_RECEIVE_BYTES).unwrap();
    }
    // The default may be one that paces itself with timers, and a connection that began with it keeps
    // them; this one is always there.
    let reno = std::ffi::OsString::from("reno");
    setsockopt(&listener.as_fd(), sockopt::TcpCongestion, &reno).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    near.set_nodelay(true).unwrap();
    if tiny {
        setsockopt(&near, sockopt::SndBuf, &1).unwrap();
    }
    (near, far)
}

fn reader(mut far: impl Read + Send + 'static, pace: Pace) -> JoinHandle<Vec<u8>> {
    let started = Arc::new(Barrier::new(2));
    let ready = started.clone();
    let reader = thread::spawn(move || {
        ready.wait();
        if let Pace::Late = pace {
            thread::sleep(Duration::from_millis(40));
        }
        let (chunk, pause) = match pace {
            Pace::Slow => (5000, Duration::from_micros(100)),
            _ => (1 << 18, Duration::ZERO),
        };
        let mut received = Vec::new();
        let mut buffer = vec![0; chunk];
        loop {
            match far.read(&mut buffer) {
                Ok(0) => return received,
                Ok(got) => received.extend_from_slice(&buffer[..got]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return received,
            }
            if let Pace::Leaves(after) = pace
                && received.len() >= after
            {
                return received;
            }
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    });
    started.wait();
    reader
}
