//! How is the process at the far end started, told and heard?

use super::{PATIENCE, io};
use crate::trial::transform::{tls, tls::Broker, undo};
use crate::trial::wire::{
    Counted, Lines, NoLine, ReceiverSpec, Spec, Transform, Trouble, Undo, say,
};
use base64::Engine as _;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::de::DeserializeOwned;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use zclab_strategies::FarEnd;

/// A `zclab receive` or `zclab feed`, ended when this is dropped.
pub(in crate::trial) struct Receiver {
    pub(in crate::trial) process: Child,
    pub(in crate::trial) orders: ChildStdin,
    pub(in crate::trial) counts: Lines<ChildStdout>,
    /// The broker that the consumers trust, where they want to be served by TLS.
    pub(super) broker: Option<Broker>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have gone already; either way it is not left behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Receiver {
    pub(super) fn start(spec: &Spec, address: &str) -> Result<Receiver, Trouble> {
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
        let strategy = zclab_strategies::find(&spec.strategy);
        let tls = strategy.is_some_and(|strategy| strategy.far_end() == FarEnd::KernelTls);
        let mut receiver = Receiver::spawn("receive")?;
        receiver.broker = broker;
        let spec = ReceiverSpec {
            address: address.to_owned(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            tls,
            cpu: spec.pin.map(|(_, receiver)| receiver),
            undo,
        };
        say(&mut receiver.orders, &spec).map_err(|e| io("write", "the far end's pipe", &e))?;
        Ok(receiver)
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

    /// Starts the far end that this hidden subcommand is; it has been told nothing yet.
    pub(in crate::trial) fn spawn(role: &str) -> Result<Receiver, Trouble> {
        let parent = nix::unistd::getpid();
        let mut command = Command::new(crate::trial::SELF);
        command.arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_parent(&mut command, parent);
        let mut process = command.spawn().map_err(|e| io("spawn", "the far end", &e))?;
        let (Some(orders), Some(counts)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the far end has no pipes"));
        };
        Ok(Receiver { process, orders, counts: Lines::new(counts), broker: None })
    }

    pub(in crate::trial) fn next(&mut self) -> Result<Counted, Trouble> {
        let counted: Counted = self.hear()?;
        match counted.error {
            Some(error) => Err(Trouble::failed(format!("the far end: {error}"))),
            None => Ok(counted),
        }
    }

    pub(in crate::trial) fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        self.counts.next(PATIENCE).map_err(|why| match why {
            NoLine::Closed => Trouble::failed("the far end ended before its time"),
            other => Trouble::failed(format!("the far end: {other}")),
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
