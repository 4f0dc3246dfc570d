//! Where do the bytes go, and how is the far end made to count them?
//!
//! The sender plays the broker: it listens, the receiver process connects. Files and `/dev/null` have
//! no receiver; a file's length, and on demand its content, is read back.

use super::wire::{
    Content, Counted, Expect, FarEnd, Lines, NoLine, ReadBack, ReceiverSpec, Spec, Trouble, say,
};
use base64::Engine as _;
use nix::errno::Errno;
use nix::sys::socket::{
    SockaddrIn as SocketAddr4, getpeername, getsockname, getsockopt, setsockopt, sockopt,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
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
    receive_buffer_bytes: u64,
}

struct Receiver {
    process: Child,
    orders: ChildStdin,
    counts: Lines<ChildStdout>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have gone already; either way it is not left behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
            SinkKind::TcpLoopback => Sinks::tcp(spec),
            SinkKind::UnixStream => Sinks::unix(spec),
            SinkKind::File => Sinks::files(spec),
            SinkKind::Null => Sinks::null(spec),
        }
    }

    fn tcp(spec: &Spec) -> Result<Sinks, Trouble> {
        let listener = TcpListener::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))
            .map_err(|error| io("bind", "127.0.0.1", &error))?;
        let address = listener.local_addr().map_err(|e| io("getsockname", "listener", &e))?;
        deepen_backlog(&listener, spec.consumers)?;
        let mut receiver = Receiver::start(spec, &address.to_string())?;
        let mut setup = BTreeMap::new();
        let accept = || listener.accept().map(|(stream, _)| stream);
        let streams = accept_all(&listener, spec.consumers, &mut receiver, accept)?;
        let mut owned = Vec::new();
        for stream in streams {
            tune(&stream, spec, &mut setup)?;
            owned.push(OwnedFd::from(stream));
        }
        Sinks::connected(owned, SinkKind::TcpLoopback, spec.spins, receiver, setup)
    }

    fn unix(spec: &Spec) -> Result<Sinks, Trouble> {
        let name = format!("zclab-{}", uuid::Builder::from_random_bytes(random_bytes()?).as_uuid());
        let address =
            SocketAddr::from_abstract_name(&name).map_err(|e| io("abstract address", &name, &e))?;
        let listener =
            UnixListener::bind_addr(&address).map_err(|e| io("bind", "unix stream", &e))?;
        deepen_backlog(&listener, spec.consumers)?;
        let mut receiver = Receiver::start(spec, &format!("@{name}"))?;
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
        let hello = receiver.next()?;
        let waits = if spins { "spins" } else { "sleeps" };
        setup.insert("receiver_waits".into(), json!(waits));
        setup.insert("receive_buffer_bytes".into(), json!(hello.receive_buffer_bytes));
        let sinks = owned.iter().map(|fd| Sink { fd: fd.as_raw_fd(), kind }).collect();
        let receive_buffer_bytes = hello.receive_buffer_bytes;
        let receiver = Some(receiver);
        Ok(Sinks { sinks, setup, owned, files: Vec::new(), receiver, receive_buffer_bytes })
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
        Ok(Sinks::without_receiver(sinks, Vec::new(), files))
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
        let setup = BTreeMap::new();
        Sinks { sinks, setup, owned, files, receiver: None, receive_buffer_bytes: 0 }
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
        if self.receive_buffer_bytes > 0 {
            let bytes = json!(self.receive_buffer_bytes);
            buffers.insert("receive_buffer_bytes".to_owned(), bytes);
        }
        buffers
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
            receiver: self.receiver.as_ref().map(|receiver| receiver.process.id()),
            ports: self.owned.iter().map(tcp).filter(|ports| *ports != (0, 0)).collect(),
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

    /// What the far end counted. For files: their lengths, and the checksums of their content.
    ///
    /// # Errors
    /// A receiver that has gone, fell silent, or saw the connection end early.
    pub fn count(&mut self, expect: Expect) -> Result<Option<Counted>, Trouble> {
        if let Some(receiver) = &mut self.receiver {
            let counted = receiver.next()?;
            self.receive_buffer_bytes = counted.receive_buffer_bytes;
            return Ok(Some(counted));
        }
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut counted = Counted::default();
        for file in &self.files {
            counted.bytes +=
                file.metadata().map_err(|error| io("fstat", "sink file", &error))?.len();
            if expect.content {
                counted.crcs.push(checksum(file)?);
            }
        }
        Ok(Some(counted))
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

impl Receiver {
    fn start(spec: &Spec, address: &str) -> Result<Receiver, Trouble> {
        let parent = nix::unistd::getpid();
        let mut command = Command::new(super::SELF);
        command.arg("receive").stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_parent(&mut command, parent);
        let mut process = command.spawn().map_err(|e| io("spawn", "zclab receive", &e))?;
        let (Some(orders), Some(counts)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the receiver has no pipes"));
        };
        let mut receiver = Receiver { process, orders, counts: Lines::new(counts) };
        let spec = ReceiverSpec {
            address: address.to_owned(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            cpu: spec.pin.map(|(_, receiver)| receiver),
        };
        say(&mut receiver.orders, &spec).map_err(|e| io("write", "the receiver's pipe", &e))?;
        Ok(receiver)
    }

    fn next(&mut self) -> Result<Counted, Trouble> {
        let counted: Counted = self.hear()?;
        match counted.error {
            Some(error) => Err(Trouble::failed(format!("the receiver: {error}"))),
            None => Ok(counted),
        }
    }

    fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        self.counts.next(PATIENCE).map_err(|why| match why {
            NoLine::Closed => Trouble::failed("the receiver ended before its time"),
            other => Trouble::failed(format!("the receiver: {other}")),
        })
    }
}

/// Makes a child die when the process that started it does, so that nothing is left running.
pub fn die_with_parent(command: &mut Command, parent: nix::unistd::Pid) {
    let before_exec = move || {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // The parent may have died before the line above took effect.
        if nix::unistd::getppid() != parent {
            return Err(std::io::Error::from(Errno::ESRCH));
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes only prctl and getppid calls, which are
    // async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(before_exec) };
}

/// Accepts as many connections as there are consumers, in the order of the index that each begins with.
fn accept_all<S: Read, L: AsRawFd>(
    listener: &L,
    count: u32,
    receiver: &mut Receiver,
    accept: impl Fn() -> std::io::Result<S>,
) -> Result<Vec<S>, Trouble> {
    let mut slots: Vec<Option<S>> = (0..count).map(|_| None).collect();
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..count {
        wait_for_connection(listener, receiver, deadline)?;
        let mut stream = accept().map_err(|error| io("accept", "listener", &error))?;
        let mut index = [0u8; 4];
        stream.read_exact(&mut index).map_err(|error| io("read", "a new connection", &error))?;
        let slot = slots.get_mut(u32::from_le_bytes(index) as usize);
        *slot.ok_or_else(|| Trouble::failed("a stranger connected to the sink's port"))? =
            Some(stream);
    }
    slots
        .into_iter()
        .collect::<Option<Vec<S>>>()
        .ok_or_else(|| Trouble::failed("two consumers came with the same index"))
}

fn wait_for_connection<L: AsRawFd>(
    listener: &L,
    receiver: &mut Receiver,
    deadline: Instant,
) -> Result<(), Trouble> {
    loop {
        let mut wait = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `wait` lives on this stack frame; the kernel writes its `revents` during the call.
        let ready = unsafe { libc::poll(&raw mut wait, 1, 200) };
        if ready > 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(Trouble::failed(format!("the receiver did not connect in {PATIENCE:?}")));
        }
        if let Ok(Some(status)) = receiver.process.try_wait() {
            // Its last words, if it had any, say more than its exit status.
            receiver.next()?;
            return Err(Trouble::failed(format!("the receiver ended: {status}")));
        }
    }
}

/// Thousands of consumers connect before the first is accepted.
fn deepen_backlog<L: AsRawFd>(listener: &L, consumers: u32) -> Result<(), Trouble> {
    let backlog = consumers.clamp(128, 65_535) as libc::c_int;
    // SAFETY: listen takes two integers; the descriptor is open for the whole call.
    let answer = unsafe { libc::listen(listener.as_raw_fd(), backlog) };
    Errno::result(answer).map(drop).map_err(|errno| Trouble::call("listen", "listener", errno))
}

fn tune(
    stream: &TcpStream,
    spec: &Spec,
    setup: &mut BTreeMap<String, Value>,
) -> Result<(), Trouble> {
    let asked = CONGESTION
        .iter()
        .find(|name| setsockopt(stream, sockopt::TcpCongestion, &OsString::from(name)).is_ok());
    let congestion = getsockopt(stream, sockopt::TcpCongestion)
        .map_err(|errno| Trouble::call("getsockopt(TCP_CONGESTION)", "sink", errno))?;
    let congestion = congestion.to_string_lossy().trim_end_matches('\0').to_owned();
    let how = if asked.is_some() { "set" } else { "the system's own: neither could be set" };
    setup.insert("congestion".into(), json!(congestion));
    setup.insert("congestion_source".into(), json!(how));
    // Headers go out with MSG_MORE, so Nagle has nothing to wait for but the end of a fetch.
    setsockopt(stream, sockopt::TcpNoDelay, &true)
        .map_err(|errno| Trouble::call("setsockopt(TCP_NODELAY)", "sink", errno))?;
    setup.insert("nodelay".into(), json!(true));
    stream
        .set_write_timeout(Some(PATIENCE))
        .map_err(|e| io("setsockopt(SO_SNDTIMEO)", "sink", &e))?;
    send_buffer(stream, spec, setup)
}

fn send_buffer<S: std::os::fd::AsFd>(
    stream: &S,
    spec: &Spec,
    setup: &mut BTreeMap<String, Value>,
) -> Result<(), Trouble> {
    if spec.socket_buffer_bytes > 0 {
        setsockopt(stream, sockopt::SndBuf, &(spec.socket_buffer_bytes as usize))
            .map_err(|errno| Trouble::call("setsockopt(SO_SNDBUF)", "sink", errno))?;
    }
    let got = getsockopt(stream, sockopt::SndBuf)
        .map_err(|errno| Trouble::call("getsockopt(SO_SNDBUF)", "sink", errno))?;
    setup.insert("send_buffer_bytes".into(), json!(got));
    Ok(())
}

fn checksum(file: &File) -> Result<u32, Trouble> {
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

fn random_bytes() -> Result<[u8; 16], Trouble> {
    let mut bytes = [0u8; 16];
    let mut source =
        File::open("/dev/urandom").map_err(|error| io("open", "/dev/urandom", &error))?;
    source.read_exact(&mut bytes).map_err(|error| io("read", "/dev/urandom", &error))?;
    Ok(bytes)
}

/// The trouble behind a standard library error.
pub fn io(call: &str, on: &str, error: &std::io::Error) -> Trouble {
    match error.raw_os_error() {
        Some(raw) => Trouble::call(call, on, Errno::from_raw(raw)),
        None => Trouble::failed(format!("{call} on {on}: {error}")),
    }
}
