//! How is the process at the far end started, told and heard?

use super::{PATIENCE, io};
use crate::trial::limits;
use crate::trial::transform::{tls, tls::Broker, undo};
use crate::trial::wire::{
    Counted, Lines, NoLine, ReceiverSpec, Spec, Transform, Trouble, Undo, say,
};
use base64::Engine as _;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zclab_strategies::FarEnd;

/// A `zclab receive` or `zclab feed`, told and heard over pipes or a connection; ended when this is dropped.
pub(in crate::trial) struct Receiver {
    /// None on another host, where it ends with its connection.
    process: Option<Child>,
    pub(in crate::trial) orders: File,
    pub(in crate::trial) counts: Lines<File>,
    /// The broker that the consumers trust, where they want to be served by TLS.
    pub(super) broker: Option<Broker>,
    /// How long its connections or its counts may take.
    pub(super) patience: Duration,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have gone already; either way it is not left behind.
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Receiver {
    /// Tells a receiver where to connect, and how to receive.
    pub(super) fn tell(&mut self, spec: &Spec, address: &str) -> Result<(), Trouble> {
        let (broker, undo) = encryption(spec)?;
        self.broker = broker;
        self.patience = patience(spec);
        let spec = ReceiverSpec {
            address: address.to_owned(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            tls: decrypts(spec),
            cpus: spec.pin.as_ref().map(|(_, receiver)| receiver.clone()),
            undo,
            slow: spec.demand.slow,
            slow_rate_bytes: spec.demand.slow_rate_bytes,
            idling_ms: limits::idling(spec).as_millis() as u64,
        };
        say(&mut self.orders, &spec).map_err(|e| io("write", "the far end's pipe", &e))
    }

    /// Shakes hands on each of these connections, where the consumers want to be served by TLS.
    pub(super) fn greet(&mut self, sockets: &[OwnedFd]) -> Result<Vec<tls::Connection>, Trouble> {
        let Some(broker) = self.broker.take() else { return Ok(Vec::new()) };
        let mut connections = Vec::with_capacity(sockets.len());
        for (index, socket) in sockets.iter().enumerate() {
            let limit = TimeVal::seconds(PATIENCE.as_secs() as i64);
            setsockopt(socket, sockopt::ReceiveTimeout, &limit)
                .map_err(|errno| Trouble::call("setsockopt(SO_RCVTIMEO)", "sink", errno))?;
            match broker.greet(socket) {
                Ok(connection) => connections.push(Arc::new(Mutex::new(connection))),
                Err(error) => {
                    // Its last words, if it had any, say more than a connection that broke.
                    self.next()?;
                    return Err(Trouble::failed(format!("consumer {index}: {error:#}")));
                }
            }
        }
        Ok(connections)
    }

    /// Starts the far end that this hidden subcommand is, in the network namespace in which this thread
    /// is now; it has been told nothing yet.
    pub(in crate::trial) fn spawn(role: &str) -> Result<Receiver, Trouble> {
        let parent = nix::unistd::getpid();
        let mut command = Command::new(crate::trial::SELF);
        command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_parent(&mut command, parent);
        let mut process = command.spawn().map_err(|e| io("spawn", "the far end", &e))?;
        let (Some(orders), Some(counts)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the far end has no pipes"));
        };
        let orders = File::from(OwnedFd::from(orders));
        let counts = Lines::new(File::from(OwnedFd::from(counts)));
        let patience = PATIENCE;
        Ok(Receiver { process: Some(process), orders, counts, broker: None, patience })
    }

    /// The one that a sink on another host started for this connection.
    pub(in crate::trial) fn elsewhere(
        spec: &Spec,
        connection: TcpStream,
    ) -> Result<Receiver, Trouble> {
        let orders = File::from(OwnedFd::from(connection));
        let counts = orders.try_clone().map_err(|e| io("dup", "the receiver's connection", &e))?;
        let (broker, undo) = encryption(spec)?;
        let counts = Lines::new(counts);
        let patience = patience(spec);
        let mut receiver = Receiver { process: None, orders, counts, broker, patience };
        let spec = ReceiverSpec {
            address: String::new(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            tls: decrypts(spec),
            cpus: None,
            undo,
            slow: spec.demand.slow,
            slow_rate_bytes: spec.demand.slow_rate_bytes,
            idling_ms: limits::idling(spec).as_millis() as u64,
        };
        say(&mut receiver.orders, &spec)
            .map_err(|e| io("write", "the receiver's connection", &e))?;
        Ok(receiver)
    }

    /// Its process, where that is on this host.
    pub(in crate::trial) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// How it ended, if it has; of one on another host only its connection tells.
    pub(in crate::trial) fn try_wait(&mut self) -> std::io::Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Child::try_wait)
    }

    pub(in crate::trial) fn next(&mut self) -> Result<Counted, Trouble> {
        let counted: Counted = self.hear()?;
        match counted.error {
            Some(error) => Err(Trouble::failed(format!("the far end: {error}"))),
            None => Ok(counted),
        }
    }

    pub(in crate::trial) fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        let whose = match self.process {
            Some(_) => "the far end",
            None => "the far end on the sink's host",
        };
        self.counts.next(self.patience).map_err(|why| match why {
            NoLine::Closed => Trouble::failed(format!("{whose} ended before its time")),
            other => Trouble::failed(format!("{whose}: {other}")),
        })
    }
}

/// How long the far end may take to connect, or to count.
fn patience(spec: &Spec) -> Duration {
    PATIENCE + limits::connecting(spec) + limits::block(spec)
}

/// Whether the receiver's kernel has to decrypt what this strategy sends.
fn decrypts(spec: &Spec) -> bool {
    let strategy = zclab_strategies::find(&spec.strategy);
    strategy.is_some_and(|strategy| strategy.far_end() == FarEnd::KernelTls)
}

/// The broker that consumers are to trust, and how they undo what is done to the bytes.
fn encryption(spec: &Spec) -> Result<(Option<Broker>, Undo), Trouble> {
    let broker = match spec.transform {
        Transform::Tls => Some(Broker::new().map_err(|e| Trouble::failed(format!("{e:#}")))?),
        _ => None,
    };
    let undo = match &broker {
        Some(broker) => Undo::Tls {
            certificate: base64::engine::general_purpose::STANDARD.encode(broker.certificate()),
        },
        None => undo(spec.transform),
    };
    Ok((broker, undo))
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
