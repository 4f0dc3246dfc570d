//! How does a trial get a receiver on another host?
//!
//! The sink starts one, and this side connects: once to tell and hear the receiver, and once for each
//! consumer. The clocks of two hosts say different times, so a slice ends here when the report of its
//! last byte arrives. How long a word to the receiver and back takes is measured first, and stands in
//! the cell's setup.

use super::connect::{ask_for_congestion, tune};
use super::receiver::Receiver;
use super::{PATIENCE, Sinks, io};
use crate::counters::now;
use crate::remote::greeting::{Hello, connect_with, greet};
use crate::trial::wire::{Echo, Spec, Trouble, say};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::json;
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use zclab_strategies::SinkKind;

/// Words whose round trips are timed; the median counts.
const ECHOES: u64 = 9;

impl Sinks {
    /// Opens connections to the sink of `--to`.
    pub(super) fn remote(spec: &Spec) -> Result<Sinks, Trouble> {
        let failed = |error: anyhow::Error| Trouble::failed(format!("{error:#}"));
        let remote = spec.remote.as_ref();
        let remote = remote.ok_or_else(|| Trouble::failed("no sink was named (--to HOST:PORT)"))?;
        let hello = Hello::Trial {
            ticket: remote.ticket.clone(),
            connections: spec.consumers,
            socket_buffer_bytes: spec.socket_buffer_bytes,
        };
        let (control, welcome) = greet(remote.address, &hello).map_err(failed)?;
        let mut setup = BTreeMap::new();
        let mut owned = Vec::with_capacity(spec.consumers as usize);
        for index in 0..spec.consumers {
            let hello = Hello::Consumer { ticket: welcome.ticket.clone(), index };
            let stream = connect_with(remote.address, &hello, ask_for_congestion::<OwnedFd>)
                .map_err(failed)?;
            tune(&stream, spec, &mut setup)?;
            give_up_in_time(&stream)?;
            owned.push(OwnedFd::from(stream));
        }
        give_up_in_time(&control)?;
        let receiver = Receiver::elsewhere(spec, control)?;
        let mut sinks = Sinks::connected(owned, SinkKind::TcpRemote, spec.spins, receiver, setup)?;
        let (trip_ns, process) = sinks.round_trip()?;
        sinks.near = Some(process).filter(|_| remote.near);
        sinks.setup.insert("control_round_trip_ns".into(), json!(trip_ns));
        sinks.setup.insert("slice_end".into(), json!("the report of the last byte arrives"));
        sinks.setup.extend(remote.facts.clone());
        Ok(sinks)
    }

    /// The median time that a word takes to the receiver's process and back, and that process.
    fn round_trip(&mut self) -> Result<(u64, u32), Trouble> {
        let Some(receiver) = &mut self.receiver else { return Ok((0, 0)) };
        let mut process = 0;
        let mut trips = Vec::with_capacity(ECHOES as usize);
        for echo in 0..ECHOES {
            let begin_ns = now().0;
            say(&mut receiver.orders, &Echo { echo, process: 0 })
                .map_err(|e| io("write", "the receiver's connection", &e))?;
            let heard: Echo = receiver.hear()?;
            if heard.echo != echo {
                return Err(Trouble::failed("the receiver answered out of turn"));
            }
            process = heard.process;
            trips.push(now().0.saturating_sub(begin_ns));
        }
        trips.sort_unstable();
        Ok((trips[trips.len() / 2], process))
    }
}

/// Bytes that nobody acknowledges for so long end the connection (tcp(7): `TCP_USER_TIMEOUT`).
fn give_up_in_time(stream: &TcpStream) -> Result<(), Trouble> {
    let millis = PATIENCE.as_millis() as u32;
    setsockopt(stream, sockopt::TcpUserTimeout, &millis)
        .map_err(|errno| Trouble::call("setsockopt(TCP_USER_TIMEOUT)", "sink", errno))
}
