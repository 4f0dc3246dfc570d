//! How is the process at the far end started, told and heard?

use super::{PATIENCE, io};
use crate::trial::wire::{Counted, Lines, NoLine, ReceiverSpec, Spec, Trouble, say};
use nix::errno::Errno;
use serde::de::DeserializeOwned;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use zclab_strategies::FarEnd;

/// A `zclab receive` or `zclab feed`, ended when this is dropped.
pub(in crate::trial) struct Receiver {
    pub(in crate::trial) process: Child,
    pub(in crate::trial) orders: ChildStdin,
    pub(in crate::trial) counts: Lines<ChildStdout>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have gone already; either way it is not left behind.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Receiver {
    /// Tells a receiver where to connect, and how to receive.
    pub(super) fn tell(&mut self, spec: &Spec, address: &str) -> Result<(), Trouble> {
        let strategy = zclab_strategies::find(&spec.strategy);
        let tls = strategy.is_some_and(|strategy| strategy.far_end() == FarEnd::KernelTls);
        let spec = ReceiverSpec {
            address: address.to_owned(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            tls,
            cpu: spec.pin.map(|(_, receiver)| receiver),
        };
        say(&mut self.orders, &spec).map_err(|e| io("write", "the far end's pipe", &e))
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
        Ok(Receiver { process, orders, counts: Lines::new(counts) })
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
