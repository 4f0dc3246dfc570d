//! Where do the bytes go, and how is the far end made to count them?
//!
//! The sender plays the broker: it listens, the receiver process connects. Files and `/dev/null` have
//! no receiver; a file's length, and on demand its content, is read back.

pub(super) mod connect;
mod pipe;
pub(super) mod receiver;
mod remote;
mod veth;

pub use pipe::PIPES;
pub use receiver::die_with_parent;

use super::receiver::decode;
use super::transform::{tls, undo};
use super::wire::{Content, Counted, Expect, FarEnd, ReadBack, Spec, Trouble, Undo, say};
use base64::Engine as _;
use connect::{accept_all, ask_for_congestion, deepen_backlog, random_bytes, send_buffer, tune};
use nix::errno::Errno;
use nix::sys::socket::{Shutdown, SockaddrIn as SocketAddr4, shutdown};
use nix::sys::socket::{getpeername, getsockname, getsockopt, sockopt};
use receiver::Receiver;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Duration;
use zclab_strategies::{Sink, SinkKind};

/// No wait for a receiver is longer.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Congestion controls to ask for, in this order: unpaced ones, since a paced one such as bbr distorts
/// loopback. The one that was set is read back and recorded.
pub const CONGESTION: [&str; 2] = ["cubic", "reno"];

/// The open sinks of a trial, and the process at their far end.
pub struct Sinks {
    /// The sinks, in the order of lanes.
    pub sinks: Vec<Sink>,
    /// What was set and read back.
    pub setup: BTreeMap<String, Value>,
    owned: Vec<OwnedFd>,
    files: Vec<File>,
    receiver: Option<Receiver>,
    /// What the receiver said last.
    heard: Counted,
    /// The receiver's process where a sink of `--to` is on this very host.
    near: Option<u32>,
    /// What was done to the bytes that files hold.
    undo: Undo,
    /// The encrypted connections, after their handshakes, until somebody takes them.
    pub encrypted: Vec<tls::Connection>,
}

impl Sinks {
    /// Opens the sinks and starts the receiver that they need.
    ///
    /// # Errors
    /// The call that failed; the status of the cell that results.
    pub fn open(spec: &Spec) -> Result<Sinks, Trouble> {
        let kind = SinkKind::parse(&spec.sink)
            .ok_or_else(|| Trouble::failed(format!("unknown sink {}", spec.sink)))?;
        match kind {
            SinkKind::TcpRemote => Sinks::remote(spec),
            SinkKind::TcpLoopback => Sinks::loopback(spec),
            SinkKind::TcpVeth => Sinks::veth(spec),
            SinkKind::UnixStream => Sinks::unix(spec),
            SinkKind::Pipe => Sinks::pipes(spec),
            SinkKind::File => Sinks::files(spec),
            SinkKind::Null => Sinks::null(spec),
        }
    }

    fn loopback(spec: &Spec) -> Result<Sinks, Trouble> {
        let receiver = Receiver::spawn("receive")?;
        Sinks::tcp(spec, SinkKind::TcpLoopback, Ipv4Addr::LOCALHOST, receiver, BTreeMap::new())
    }

    /// Listens on an address, lets the receiver connect to it, and tunes what it connects.
    fn tcp(
        spec: &Spec,
        kind: SinkKind,
        address: Ipv4Addr,
        mut receiver: Receiver,
        mut setup: BTreeMap<String, Value>,
    ) -> Result<Sinks, Trouble> {
        let listener = TcpListener::bind(SocketAddrV4::new(address, 0))
            .map_err(|error| io("bind", &address.to_string(), &error))?;
        let address = listener.local_addr().map_err(|e| io("getsockname", "listener", &e))?;
        ask_for_congestion(&listener);
        deepen_backlog(&listener, spec.consumers)?;
        receiver.tell(spec, &address.to_string())?;
        let accept = || listener.accept().map(|(stream, _)| stream);
        let streams = accept_all(&listener, spec.consumers, &mut receiver, accept)?;
        let mut owned = Vec::new();
        for stream in streams {
            tune(&stream, spec, &mut setup)?;
            owned.push(OwnedFd::from(stream));
        }
        Sinks::connected(owned, kind, spec.spins, receiver, setup)
    }

    fn unix(spec: &Spec) -> Result<Sinks, Trouble> {
        let name = format!("zclab-{}", uuid::Builder::from_random_bytes(random_bytes()?).as_uuid());
        let address =
            SocketAddr::from_abstract_name(&name).map_err(|e| io("abstract address", &name, &e))?;
        let listener =
            UnixListener::bind_addr(&address).map_err(|e| io("bind", "unix stream", &e))?;
        deepen_backlog(&listener, spec.consumers)?;
        let mut receiver = Receiver::spawn("receive")?;
        receiver.tell(spec, &format!("@{name}"))?;
        let accept = || listener.accept().map(|(stream, _)| stream);
        let streams = accept_all(&listener, spec.consumers, &mut receiver, accept)?;
        let mut setup = BTreeMap::new();
        let mut owned = Vec::new();
        for stream in streams {
            send_buffer(&stream, spec, &mut setup)?;
            stream
                .set_write_timeout(Some(PATIENCE))
                .map_err(|e| io("setsockopt(SO_SNDTIMEO)", "sink", &e))?;
            owned.push(OwnedFd::from(stream));
        }
        Sinks::connected(owned, SinkKind::UnixStream, spec.spins, receiver, setup)
    }

    fn connected(
        owned: Vec<OwnedFd>,
        kind: SinkKind,
        spins: bool,
        mut receiver: Receiver,
        mut setup: BTreeMap<String, Value>,
    ) -> Result<Sinks, Trouble> {
        let encrypted = receiver.greet(&owned)?;
        let hello = receiver.next()?;
        let waits = if spins { "spins" } else { "sleeps" };
        setup.insert("receiver_waits".into(), json!(waits));
        if let Some(first) = encrypted.first().and_then(|first| first.lock().ok()) {
            setup.insert("tls".into(), json!(tls::agreed(&first)));
        }
        if hello.receive_buffer_bytes > 0 {
            setup.insert("receive_buffer_bytes".into(), json!(hello.receive_buffer_bytes));
        }
        let sinks = owned.iter().map(|fd| Sink { fd: fd.as_raw_fd(), kind }).collect();
        let receiver = Some(receiver);
        let (files, undo, near) = (Vec::new(), Undo::Nothing, None);
        Ok(Sinks { sinks, setup, owned, files, receiver, near, heard: hello, undo, encrypted })
    }

    fn files(spec: &Spec) -> Result<Sinks, Trouble> {
        // Without a name: whatever ends this process, nothing is left behind.
        let open = |_| {
            let file = tempfile::tempfile_in(&spec.scratch);
            file.map_err(|error| io("open", &spec.scratch.display().to_string(), &error))
        };
        let files = (0..spec.consumers).map(open).collect::<Result<Vec<File>, Trouble>>()?;
        let sink = |file: &File| Sink { fd: file.as_raw_fd(), kind: SinkKind::File };
        let sinks = files.iter().map(sink).collect();
        let undo = undo(spec.transform);
        Ok(Sinks { undo, ..Sinks::without_receiver(sinks, Vec::new(), files) })
    }

    fn null(spec: &Spec) -> Result<Sinks, Trouble> {
        let open = |_| {
            let file = File::options().write(true).open("/dev/null");
            file.map(OwnedFd::from).map_err(|error| io("open", "/dev/null", &error))
        };
        let owned = (0..spec.consumers).map(open).collect::<Result<Vec<OwnedFd>, Trouble>>()?;
        let sink = |fd: &OwnedFd| Sink { fd: fd.as_raw_fd(), kind: SinkKind::Null };
        let sinks = owned.iter().map(sink).collect();
        Ok(Sinks::without_receiver(sinks, owned, Vec::new()))
    }

    fn without_receiver(sinks: Vec<Sink>, owned: Vec<OwnedFd>, files: Vec<File>) -> Sinks {
        Sinks {
            sinks,
            setup: BTreeMap::new(),
            owned,
            files,
            receiver: None,
            near: None,
            heard: Counted::default(),
            undo: Undo::Nothing,
            encrypted: Vec::new(),
        }
    }

    /// The buffers of the first connection, as they are now.
    #[must_use]
    pub fn buffers(&self) -> BTreeMap<String, Value> {
        let mut buffers = BTreeMap::new();
        let Some(first) = self.owned.first().filter(|_| self.has_receiver()) else {
            return buffers;
        };
        if let Ok(bytes) = getsockopt(first, sockopt::SndBuf) {
            buffers.insert("send_buffer_bytes".to_owned(), json!(bytes));
        }
        if self.heard.receive_buffer_bytes > 0 {
            let bytes = json!(self.heard.receive_buffer_bytes);
            buffers.insert("receive_buffer_bytes".to_owned(), bytes);
        }
        buffers
    }

    /// The buffers as they are now, and what the far end holds.
    #[must_use]
    pub fn at_end(&self) -> BTreeMap<String, Value> {
        let mut setup = self.buffers();
        let Counted { peak_rss_bytes, descriptors, tcp_memory_bytes, .. } = self.heard;
        for (name, value) in [
            ("receiver_peak_rss_bytes", Some(peak_rss_bytes).filter(|&bytes| bytes > 0)),
            ("receiver_descriptors", Some(descriptors).filter(|&count| count > 0)),
            ("tcp_memory_peak_bytes", tcp_memory_bytes),
        ] {
            setup.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        setup
    }

    /// What tells these connections from all others.
    #[must_use]
    pub fn far_end(&self) -> FarEnd {
        let port = |address: Option<SocketAddr4>| address.map_or(0, |address| address.port());
        let tcp = |fd: &OwnedFd| {
            let (local, remote) =
                (getsockname(fd.as_raw_fd()).ok(), getpeername(fd.as_raw_fd()).ok());
            (port(local), port(remote))
        };
        FarEnd {
            receiver: self.receiver.as_ref().and_then(Receiver::id).or(self.near),
            ports: self.owned.iter().map(tcp).filter(|ports| *ports != (0, 0)).collect(),
            instead: Vec::new(),
        }
    }

    /// Whether a receiver counts the bytes.
    #[must_use]
    pub fn has_receiver(&self) -> bool {
        self.receiver.is_some()
    }

    /// How many descriptors the trial holds for its sinks.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        self.owned.len() + self.files.len()
    }

    /// Tells the far end what to expect, and does not return before it listens. Files are emptied.
    ///
    /// # Errors
    /// A receiver that has gone, or a file that could not be emptied.
    pub fn prepare(&mut self, expect: Expect) -> Result<(), Trouble> {
        for file in &mut self.files {
            file.set_len(0).map_err(|error| io("ftruncate", "sink file", &error))?;
            std::io::Seek::rewind(file).map_err(|error| io("lseek", "sink file", &error))?;
        }
        let Some(receiver) = &mut self.receiver else { return Ok(()) };
        say(&mut receiver.orders, &expect).map_err(|e| io("write", "the receiver's pipe", &e))?;
        receiver.next().map(drop)
    }

    /// What the far end counted, any transform undone. For files: their lengths, and the checksums of
    /// their content.
    ///
    /// # Errors
    /// A receiver that has gone, fell silent, or saw the connection end early.
    pub fn count(&mut self, expect: Expect) -> Result<Option<Counted>, Trouble> {
        if let Some(receiver) = &mut self.receiver {
            let mut counted = receiver.next()?;
            if receiver.id().is_none() {
                // It reads another host's clock.
                counted.end_ns = crate::counters::now().0;
            }
            // Sockets' memory is looked at while content is checked, and at no other time.
            let tcp_memory_bytes = counted.tcp_memory_bytes.max(self.heard.tcp_memory_bytes);
            self.heard = Counted { crcs: Vec::new(), tcp_memory_bytes, ..counted.clone() };
            return Ok(Some(counted));
        }
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut counted = Counted::default();
        for file in &self.files {
            if self.undo == Undo::Nothing && !expect.content {
                counted.bytes +=
                    file.metadata().map_err(|error| io("fstat", "sink file", &error))?.len();
                continue;
            }
            let (bytes, crc) = decode::file(&self.undo, file, expect.bytes_each)
                .map_err(|error| Trouble::failed(format!("sink file: {error:#}")))?;
            counted.bytes += bytes;
            if expect.content {
                counted.crcs.push(crc);
            }
        }
        Ok(Some(counted))
    }

    /// A connection that the far end closed is its trouble: what it said last, before what we saw.
    pub fn explain(&mut self, seen: Trouble) -> Trouble {
        let gone = matches!(seen.errno.as_deref(), Some("EPIPE" | "ECONNRESET"));
        match self.receiver.as_mut().filter(|_| gone).map(Receiver::next) {
            Some(Err(said)) => {
                Trouble { message: format!("{}; {}", said.message, seen.message), ..seen }
            }
            _ => seen,
        }
    }

    /// Closes the connections for sending: a receiver that counts until then reports.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn close(&self) -> Result<(), Trouble> {
        for connection in &self.owned {
            shutdown(connection.as_raw_fd(), Shutdown::Write)
                .map_err(|errno| Trouble::call("shutdown(SHUT_WR)", "sink", errno))?;
        }
        Ok(())
    }

    /// Lets the receiver read what one connection has queued, and hand it over.
    ///
    /// # Errors
    /// A sink without a receiver, one that has gone, fell silent, or talks nonsense.
    pub fn read_back(&mut self, wanted: ReadBack) -> Result<Vec<u8>, Trouble> {
        let Some(receiver) = &mut self.receiver else {
            return Err(Trouble::failed("this sink has no receiver that could read back"));
        };
        say(&mut receiver.orders, &wanted).map_err(|e| io("write", "the receiver's pipe", &e))?;
        let content: Content = receiver.hear()?;
        match content.error {
            Some(error) => Err(Trouble::failed(format!("the receiver: {error}"))),
            None => base64::engine::general_purpose::STANDARD
                .decode(content.data)
                .map_err(|error| Trouble::failed(format!("the receiver's bytes: {error}"))),
        }
    }
}

/// CRC-32C of everything that a file has.
pub(super) fn checksum(file: &File) -> Result<u32, Trouble> {
    let (mut crc, mut at_bytes) = (0, 0u64);
    let mut buffer = vec![0u8; 256 << 10];
    loop {
        match file.read_at(&mut buffer, at_bytes) {
            Ok(0) => return Ok(crc),
            Ok(got) => {
                crc = crc32c::crc32c_append(crc, &buffer[..got]);
                at_bytes += got as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io("pread", "sink file", &error)),
        }
    }
}

/// The trouble behind a standard library error.
pub fn io(call: &str, on: &str, error: &std::io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(raw) => Trouble::call(call, on, Errno::from_raw(raw)),
        None => Trouble::failed(format!("{call} on {on}: {error}")),
    }
}
