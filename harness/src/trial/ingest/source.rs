//! Where do a follower's bytes come from, and how is the far end made to send them?
//!
//! The child listens, the feeder connects, as a leader's socket is reached by its follower the other
//! way round: who connected makes no difference to a stream. A feeder is told the ranges of a block and
//! brings them into memory; it sends when it is told to go, and then reports what that cost.

use super::super::fetches::Block;
use super::super::sinks::connect::{accept_all, random_bytes};
use super::super::sinks::receiver::Receiver;
use super::super::sinks::{PATIENCE, io};
use super::super::wire::{Counted, FarEnd, Spec, Trouble, say};
use super::feeder::{FeederSpec, Go, Load};
use crate::cache::PAGE_BYTES;
use crate::scenario::ingest::{Feed, Intake as Ask};
use nix::sys::socket::{SockaddrIn, getpeername, getsockname, getsockopt, setsockopt, sockopt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use zclab_strategies::{SinkKind, Source};

/// A packet of so many bytes holds seven whole pages and the twelve bytes of a time stamp: what a
/// follower asks for that would rather map pages than copy. Kernels take no larger request.
const WHOLE_PAGES_SEGMENT_BYTES: u32 = 7 * PAGE_BYTES as u32 + 12;

/// The connection and the process at its far end.
pub struct Far {
    /// The near end.
    pub source: Source,
    /// What was set and read back.
    pub setup: BTreeMap<String, Value>,
    socket: OwnedFd,
    feeder: Receiver,
    send_buffer_bytes: u64,
}

impl Far {
    /// Starts the feeder and accepts its connection.
    ///
    /// # Errors
    /// The call that failed.
    pub fn open(spec: &Spec, ask: Ask) -> Result<Far, Trouble> {
        let mut setup = BTreeMap::new();
        let (socket, mut feeder) = match ask.source {
            SinkKind::UnixStream => unix(spec, ask)?,
            _ => tcp(spec, ask, &mut setup)?,
        };
        let hello = feeder.next()?;
        let waits = if spec.spins { "spins" } else { "sleeps" };
        setup.insert("sender_waits".into(), json!(waits));
        let source = Source { fd: socket.as_raw_fd(), kind: ask.source };
        let send_buffer_bytes = hello.receive_buffer_bytes;
        let mut far = Far { source, setup, socket, feeder, send_buffer_bytes };
        let buffers = far.buffers();
        far.setup.extend(buffers);
        Ok(far)
    }

    /// The buffers as they are now.
    #[must_use]
    pub fn buffers(&self) -> BTreeMap<String, Value> {
        let mut buffers = BTreeMap::new();
        if let Ok(bytes) = getsockopt(&self.socket, sockopt::RcvBuf) {
            buffers.insert("receive_buffer_bytes".to_owned(), json!(bytes));
        }
        buffers.insert("send_buffer_bytes".to_owned(), json!(self.send_buffer_bytes));
        buffers
    }

    /// What tells the packets of this connection from all others: they are the feeder's.
    #[must_use]
    pub fn far_end(&self) -> FarEnd {
        let fd = self.socket.as_raw_fd();
        let port = |address: Option<SockaddrIn>| address.map_or(0, |address| address.port());
        let ports = (port(getpeername(fd).ok()), port(getsockname(fd).ok()));
        let known = ports != (0, 0);
        let ports = known.then_some(ports).into_iter().collect();
        FarEnd { ports, ..FarEnd::default() }
    }

    /// The feeder's process.
    pub fn feeder_id(&self) -> Option<u32> {
        self.feeder.id()
    }

    /// Tells the feeder what to send, and returns when it has it in memory.
    ///
    /// # Errors
    /// A feeder that has gone or cannot read the log.
    pub fn load(&mut self, block: &Block) -> Result<(), Trouble> {
        let pieces = block.fetches.iter().flatten();
        let load =
            Load { pieces: pieces.map(|p| (p.segment, p.offset_bytes, p.len_bytes)).collect() };
        self.tell(&load)?;
        self.feeder.next().map(drop)
    }

    /// Lets it send.
    ///
    /// # Errors
    /// A feeder that has gone.
    pub fn go(&mut self) -> Result<(), Trouble> {
        self.tell(&Go { go: true })
    }

    /// What the sending cost.
    ///
    /// # Errors
    /// A feeder that has gone or could not send.
    pub fn sent(&mut self) -> Result<Counted, Trouble> {
        let sent = self.feeder.next()?;
        self.send_buffer_bytes = sent.receive_buffer_bytes;
        Ok(sent)
    }

    fn tell<T: serde::Serialize>(&mut self, what: &T) -> Result<(), Trouble> {
        say(&mut self.feeder.orders, what).map_err(|e| io("write", "the feeder's pipe", &e))
    }
}

fn start(spec: &Spec, ask: Ask, address: &str) -> Result<Receiver, Trouble> {
    let mut feeder = Receiver::spawn("feed")?;
    let told = FeederSpec {
        address: address.to_owned(),
        segments: spec.segments.iter().map(|(path, _)| path.clone()).collect(),
        feed: ask.feed,
        spins: spec.spins,
        socket_buffer_bytes: spec.socket_buffer_bytes,
        cpus: spec.pin.as_ref().map(|(_, far)| far.clone()),
    };
    say(&mut feeder.orders, &told).map_err(|e| io("write", "the feeder's pipe", &e))?;
    Ok(feeder)
}

fn tcp(
    spec: &Spec,
    ask: Ask,
    setup: &mut BTreeMap<String, Value>,
) -> Result<(OwnedFd, Receiver), Trouble> {
    let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
        .map_err(|error| io("bind", "127.0.0.1", &error))?;
    let call = |call: &str, errno| Trouble::call(call, "listener", errno);
    if spec.socket_buffer_bytes > 0 {
        setsockopt(&listener, sockopt::RcvBuf, &(spec.socket_buffer_bytes as usize))
            .map_err(|errno| call("setsockopt(SO_RCVBUF)", errno))?;
    }
    if ask.feed == Feed::Zerocopy {
        setsockopt(&listener, sockopt::TcpMaxSeg, &WHOLE_PAGES_SEGMENT_BYTES)
            .map_err(|errno| call("setsockopt(TCP_MAXSEG)", errno))?;
        setup.insert("maxseg_bytes".into(), json!(WHOLE_PAGES_SEGMENT_BYTES));
    }
    let address = listener.local_addr().map_err(|e| io("getsockname", "listener", &e))?;
    let mut feeder = start(spec, ask, &address.to_string())?;
    let accept = || listener.accept().map(|(stream, _)| stream);
    let stream: TcpStream = only(accept_all(&listener, 1, &mut feeder, accept)?)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|e| io("setsockopt(SO_RCVTIMEO)", "source", &e))?;
    Ok((stream.into(), feeder))
}

fn unix(spec: &Spec, ask: Ask) -> Result<(OwnedFd, Receiver), Trouble> {
    let name = format!("zclab-{}", uuid::Builder::from_random_bytes(random_bytes()?).as_uuid());
    let address =
        SocketAddr::from_abstract_name(&name).map_err(|e| io("abstract address", &name, &e))?;
    let listener = UnixListener::bind_addr(&address).map_err(|e| io("bind", "unix stream", &e))?;
    let mut feeder = start(spec, ask, &format!("@{name}"))?;
    let accept = || listener.accept().map(|(stream, _)| stream);
    let stream: UnixStream = only(accept_all(&listener, 1, &mut feeder, accept)?)?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|e| io("setsockopt(SO_RCVTIMEO)", "source", &e))?;
    Ok((stream.into(), feeder))
}

fn only<S>(streams: Vec<S>) -> Result<S, Trouble> {
    streams.into_iter().next().ok_or_else(|| Trouble::failed("nobody connected"))
}
