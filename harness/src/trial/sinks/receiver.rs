//! How is the process at the far end started, told and heard?

use super::{PATIENCE, io};
use crate::trial::limits;
use crate::trial::wire::{Counted, Lines, NoLine, ReceiverSpec, Spec, Trouble, say};
use nix::errno::Errno;
use serde::de::DeserializeOwned;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;
use zclab_strategies::FarEnd;

/// A `zclab receive`, ended when this is dropped.
pub(super) struct Receiver {
    pub(super) process: Child,
    pub(super) orders: ChildStdin,
    pub(super) counts: Lines<ChildStdout>,
    /// How long its connections or its counts may take.
    pub(super) patience: Duration,
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
        let parent = nix::unistd::getpid();
        let mut command = Command::new(crate::trial::SELF);
        command.arg("receive").stdin(Stdio::piped()).stdout(Stdio::piped());
        die_with_parent(&mut command, parent);
        let mut process = command.spawn().map_err(|e| io("spawn", "zclab receive", &e))?;
        let (Some(orders), Some(counts)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Trouble::failed("the receiver has no pipes"));
        };
        let strategy = zclab_strategies::find(&spec.strategy);
        let tls = strategy.is_some_and(|strategy| strategy.far_end() == FarEnd::KernelTls);
        let mut receiver = Receiver {
            process,
            orders,
            counts: Lines::new(counts),
            patience: PATIENCE + limits::connecting(spec) + limits::block(spec),
        };
        let spec = ReceiverSpec {
            address: address.to_owned(),
            connections: spec.consumers,
            discard: spec.discard,
            spins: spec.spins,
            socket_buffer_bytes: spec.socket_buffer_bytes,
            tls,
            cpu: spec.pin.map(|(_, receiver)| receiver),
            slow: spec.demand.slow,
            slow_rate_bytes: spec.demand.slow_rate_bytes,
            idling_ms: limits::idling(spec).as_millis() as u64,
        };
        say(&mut receiver.orders, &spec).map_err(|e| io("write", "the receiver's pipe", &e))?;
        Ok(receiver)
    }

    pub(super) fn next(&mut self) -> Result<Counted, Trouble> {
        let counted: Counted = self.hear()?;
        match counted.error {
            Some(error) => Err(Trouble::failed(format!("the receiver: {error}"))),
            None => Ok(counted),
        }
    }

    pub(super) fn hear<T: DeserializeOwned>(&mut self) -> Result<T, Trouble> {
        self.counts.next(self.patience).map_err(|why| match why {
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
