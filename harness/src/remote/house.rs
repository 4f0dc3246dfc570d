//! How does a sink serve the runs of another host?
//!
//! One run at a time: its first connection lasts as long as the run does. Each of its trials gets a
//! `zclab receive` of its own, which inherits the trial's connections, so that its CPU time and its
//! switches are its own; all of them end with the run. A greeting is heard in a thread of its own, so
//! that a stranger who says nothing keeps nobody waiting.

use super::greeting::{GREETING, Hello, Welcome, hear, mismatch, watch};
use super::{PROTOCOL, random, same};
use crate::run::interrupt;
use crate::trial::sinks::{PATIENCE, die_with_parent};
use crate::trial::wire::{INHERITED, say};
use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// So many greetings are heard at once; who comes later waits in the listener's queue.
const GREETINGS_MAX: usize = 64;

/// A trial has no more consumers: each is a descriptor.
const CONSUMERS_MAX: u32 = 65_536;

/// How often a thread that waits looks up: for Ctrl-C, and for the end of its run.
const GLANCE: Duration = Duration::from_millis(100);

/// A sink that listens.
pub struct House {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    token: String,
    state: Mutex<State>,
    changed: Condvar,
    greetings: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// The ticket of the run that is served.
    run: Option<String>,
    /// How many runs have ended.
    served: u64,
    /// Receivers that live.
    receivers: u32,
    /// Trials whose consumers are still to come, by ticket.
    waiting: HashMap<String, Vec<Option<TcpStream>>>,
    /// `SO_RCVBUF` that the next connections need, and what the listener has.
    wanted_bytes: u64,
    buffer_bytes: u64,
}

impl House {
    /// Begins to listen.
    ///
    /// # Errors
    /// The call that failed.
    pub fn open(address: SocketAddr, token: String) -> anyhow::Result<House> {
        let listener = listen(address, 0)?;
        let address = listener.local_addr().context("getsockname")?;
        let shared = Arc::new(Shared {
            token,
            state: Mutex::default(),
            changed: Condvar::new(),
            greetings: AtomicUsize::new(0),
        });
        Ok(House { listener, address, shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until Ctrl-C; with `once`, until the first run has ended.
    ///
    /// # Errors
    /// A listener that cannot go on.
    pub fn serve(self, once: bool) -> anyhow::Result<()> {
        let House { mut listener, address, shared } = self;
        let mut buffer_bytes = 0;
        while !(interrupt::asked() || once && shared.is_over()) {
            let wanted_bytes = shared.state().wanted_bytes;
            if wanted_bytes != buffer_bytes {
                // The window of a connection is settled as it is made, so its buffer comes from the
                // listener; and a size that was set once is left to the kernel again only by another.
                drop(listener);
                listener = listen(address, wanted_bytes)?;
                buffer_bytes = wanted_bytes;
                shared.state().buffer_bytes = wanted_bytes;
                shared.changed.notify_all();
            }
            if shared.greetings.load(Ordering::Relaxed) >= GREETINGS_MAX {
                std::thread::sleep(GLANCE);
                continue;
            }
            let mut wait = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(GLANCE).unwrap_or(PollTimeout::ZERO);
            match poll(&mut wait, timeout) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno).context("poll the listener"),
            }
            match listener.accept() {
                Ok((stream, peer)) => hear_apart(&shared, stream, peer),
                // One who went again before we looked; the listener is well.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error).context("accept"),
            }
        }
        Ok(())
    }
}

fn hear_apart(shared: &Arc<Shared>, mut stream: TcpStream, peer: SocketAddr) {
    let shared = Arc::clone(shared);
    shared.greetings.fetch_add(1, Ordering::Relaxed);
    std::thread::spawn(move || {
        let heard = hear::<Hello>(&mut stream);
        shared.greetings.fetch_sub(1, Ordering::Relaxed);
        let served = heard.and_then(|hello| shared.answer(hello, stream, peer));
        if let Err(error) = served {
            eprintln!("zclab: {peer}: {error:#}");
        }
    });
}

fn listen(address: SocketAddr, buffer_bytes: u64) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| format!("bind {address}"))?;
    if buffer_bytes > 0 {
        setsockopt(&listener, sockopt::RcvBuf, &(buffer_bytes as usize))
            .context("setsockopt(SO_RCVBUF)")?;
    }
    // SAFETY: listen takes two integers; the descriptor is open for the whole call.
    let answer = unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    nix::errno::Errno::result(answer).context("listen")?;
    listener.set_nonblocking(true).context("fcntl(O_NONBLOCK)")?;
    Ok(listener)
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether a run has been served, and nothing of it is left.
    fn is_over(&self) -> bool {
        let state = self.state();
        state.served > 0 && state.run.is_none() && state.receivers == 0
    }

    fn answer(&self, hello: Hello, stream: TcpStream, peer: SocketAddr) -> anyhow::Result<()> {
        match hello {
            Hello::Run { protocol, version, token } => {
                self.run(stream, peer, (protocol, &version), &token)
            }
            Hello::Trial { ticket, connections, socket_buffer_bytes } => {
                self.trial(stream, &ticket, connections, socket_buffer_bytes)
            }
            Hello::Consumer { ticket, index } => {
                let mut state = self.state();
                let slots = state.waiting.get_mut(&ticket).context("a consumer of no trial")?;
                *slots.get_mut(index as usize).context("a consumer too many")? = Some(stream);
                drop(state);
                self.changed.notify_all();
                Ok(())
            }
        }
    }

    /// Serves a run until its connection ends.
    fn run(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        sender: (u32, &str),
        token: &str,
    ) -> anyhow::Result<()> {
        let own = (PROTOCOL, env!("CARGO_PKG_VERSION"));
        let ticket = random()?;
        let busy = || {
            let mut state = self.state();
            match state.run {
                Some(_) => Some("it serves another run: one at a time".to_owned()),
                None => {
                    state.run = Some(ticket.clone());
                    None
                }
            }
        };
        // The version comes first: a token of another protocol may not be where this one has it.
        let error = mismatch(own, sender)
            .or_else(|| {
                (!same(token, &self.token)).then(|| "the token is not the sink's".to_owned())
            })
            .or_else(busy);
        let refused = error.clone();
        let kernel = crate::doctor::read("/proc/sys/kernel/osrelease").unwrap_or_default();
        let welcome = Welcome {
            protocol: own.0,
            version: own.1.to_owned(),
            revision: env!("ZCLAB_REVISION").to_owned(),
            kernel,
            ticket: if refused.is_none() { ticket } else { String::new() },
            error,
        };
        let said = say(&mut stream, &welcome);
        if let Some(why) = refused {
            bail!("refused: {why}");
        }
        println!("a run from {peer} begins");
        let ended = said.map_err(anyhow::Error::from).and_then(|()| until_closed(&stream));
        let mut state = self.state();
        state.run = None;
        state.waiting.clear();
        state.served += 1;
        drop(state);
        self.changed.notify_all();
        println!("the run from {peer} has ended");
        ended
    }

    /// Starts a receiver once all consumers of a trial are there, and waits for its end.
    fn trial(
        &self,
        mut control: TcpStream,
        run: &str,
        connections: u32,
        socket_buffer_bytes: u64,
    ) -> anyhow::Result<()> {
        let ticket = random()?;
        let begun = self.begin(run, &ticket, connections, socket_buffer_bytes);
        let error = begun.as_ref().err().map(|error| format!("{error:#}"));
        let welcome = Welcome { ticket: ticket.clone(), error, ..Welcome::default() };
        say(&mut control, &welcome).context("answering a trial")?;
        begun?;
        watch(&control)?;
        let consumers = self.consumers(run, &ticket)?;
        let child = receiver(control, consumers);
        let ended = child.and_then(|child| self.until_ended(child, run));
        self.state().receivers -= 1;
        ended
    }

    fn begin(
        &self,
        run: &str,
        ticket: &str,
        connections: u32,
        socket_buffer_bytes: u64,
    ) -> anyhow::Result<()> {
        if connections > CONSUMERS_MAX {
            bail!("{connections} consumers: a sink takes no more than {CONSUMERS_MAX}");
        }
        let mut state = self.state();
        if !state.run.as_deref().is_some_and(|served| same(served, run)) {
            bail!("a trial of no run that is served");
        }
        state.waiting.insert(ticket.to_owned(), (0..connections).map(|_| None).collect());
        state.wanted_bytes = socket_buffer_bytes;
        let ready = |state: &mut State| state.buffer_bytes != socket_buffer_bytes;
        let waited = self.changed.wait_timeout_while(state, GREETING, ready);
        let (state, late) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        drop(state);
        if late.timed_out() {
            bail!("the listener did not get its buffer of {socket_buffer_bytes} bytes");
        }
        Ok(())
    }

    /// All consumers of a trial, whose receiver counts as alive from now on.
    fn consumers(&self, run: &str, ticket: &str) -> anyhow::Result<Vec<TcpStream>> {
        let missing = |state: &mut State| {
            let slots = state.waiting.get(ticket);
            slots.is_some_and(|slots| slots.iter().any(Option::is_none))
        };
        let waited = self.changed.wait_timeout_while(self.state(), PATIENCE, missing);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        let slots = state.waiting.remove(ticket);
        if state.run.as_deref() != Some(run) {
            bail!("the run ended before its trial began");
        }
        let all = slots.and_then(|slots| slots.into_iter().collect::<Option<Vec<_>>>());
        let all = all.with_context(|| format!("not all consumers came within {PATIENCE:?}"))?;
        state.receivers += 1;
        Ok(all)
    }

    /// Waits for a receiver, and ends it when its run has ended first.
    fn until_ended(&self, mut child: Child, run: &str) -> anyhow::Result<()> {
        loop {
            if child.try_wait().context("wait for a receiver")?.is_some() {
                return Ok(());
            }
            if self.state().run.as_deref() != Some(run) {
                break;
            }
            std::thread::sleep(GLANCE);
        }
        // Its orders have ended, so it ends by itself; one that is stuck is not left behind.
        let deadline = Instant::now() + GREETING;
        while Instant::now() < deadline && child.try_wait().ok().flatten().is_none() {
            std::thread::sleep(GLANCE);
        }
        let _ = child.kill();
        child.wait().map(drop).context("wait for a receiver")
    }
}

/// Nothing is said on a run's own connection: it ends, or the kernel finds the other host gone.
fn until_closed(stream: &TcpStream) -> anyhow::Result<()> {
    watch(stream)?;
    let mut byte = [0u8];
    loop {
        match std::io::Read::read(&mut &*stream, &mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("the run's connection"),
        }
    }
}

/// A `zclab receive` that takes its orders from one connection and its bytes from others.
fn receiver(control: TcpStream, consumers: Vec<TcpStream>) -> anyhow::Result<Child> {
    let orders = control.try_clone().context("dup")?;
    let numbers: Vec<RawFd> = consumers.iter().map(AsRawFd::as_raw_fd).collect();
    let list: Vec<String> = numbers.iter().map(RawFd::to_string).collect();
    let mut command = Command::new(crate::trial::SELF);
    command.arg("receive").env(INHERITED, list.join(","));
    command.stdin(Stdio::from(OwnedFd::from(orders))).stdout(Stdio::from(OwnedFd::from(control)));
    let inherit = move || {
        for &number in &numbers {
            // SAFETY: the descriptor is open in this child, a copy of one that the parent owns until
            // spawn returns.
            let answer = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
            nix::errno::Errno::result(answer)?;
        }
        Ok(())
    };
    die_with_parent(&mut command, nix::unistd::getpid());
    // SAFETY: between fork and exec the closure makes only fcntl calls, which are async-signal-safe,
    // and allocates nothing.
    unsafe { command.pre_exec(inherit) };
    let child = command.spawn().context("spawn zclab receive");
    drop(consumers);
    child
}
