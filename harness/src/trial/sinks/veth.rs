//! How do sender and receiver come to be on two hosts?
//!
//! The receiver is started on a host of its own, then the sender moves on to another one, and the two
//! are joined (see [`net`]). All that the sender opens from here on is on its host: its
//! listener, its connections, and the threads of a driver that has some. The log and the folder for
//! files are as they were: only the network is another.

use super::Sinks;
use super::receiver::Receiver;
use crate::net::{self, Host};
use crate::trial::wire::{Spec, Trouble, errno_name};
use zclab_report::record::Status;
use zclab_strategies::SinkKind;

impl Sinks {
    pub(super) fn veth(spec: &Spec) -> Result<Sinks, Trouble> {
        let far = Host::enter().map_err(trouble)?;
        let receiver = Receiver::spawn("receive")?;
        let near = Host::enter().map_err(trouble)?;
        let setup = near.join(&far, &spec.link).map_err(trouble)?;
        Sinks::tcp(spec, SinkKind::TcpVeth, net::NEAR, receiver, setup)
    }
}

fn trouble(refused: net::Refused) -> Trouble {
    let status = if refused.privilege { Status::Skipped } else { Status::Unsupported };
    let message = refused.to_string();
    let (call, errno) = (Some(refused.call), Some(errno_name(refused.errno)));
    Trouble { status, call, errno, message }
}
