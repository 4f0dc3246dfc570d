//! How does the receiver come to the other ends of the pipes?
//!
//! It inherits them: they are the only descriptors that the sender leaves open across an exec, and it
//! closes them once the receiver has been started, so that a receiver that ends leaves nobody to read
//! (`EPIPE`). A pipe knows no time limit for sends; a sender that waits for room waits until its
//! receiver reads or ends.

use super::Sinks;
use super::receiver::Receiver;
use crate::trial::wire::{Spec, Trouble};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use serde_json::json;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use zclab_report::record::Status;
use zclab_strategies::SinkKind;

/// What the address of inherited pipes begins with; the descriptors' numbers follow.
pub const PIPES: &str = "inherited:";

impl Sinks {
    pub(super) fn pipes(spec: &Spec) -> Result<Sinks, Trouble> {
        let mut setup = BTreeMap::new();
        let (mut far, mut near) = (Vec::new(), Vec::new());
        for _ in 0..spec.consumers {
            let (out, into) = pipe(spec)?;
            far.push(out);
            near.push(into);
        }
        if let Some(first) = near.first() {
            let bytes = fcntl(first, FcntlArg::F_GETPIPE_SZ)
                .map_err(|errno| Trouble::call("fcntl(F_GETPIPE_SZ)", "sink", errno))?;
            setup.insert("pipe_bytes".to_owned(), json!(bytes));
        }
        let numbers: Vec<String> = far.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
        let mut receiver = Receiver::spawn("receive")?;
        drop(far);
        receiver.tell(spec, &format!("{PIPES}{}", numbers.join(",")))?;
        Sinks::connected(near, SinkKind::Pipe, spec.spins, receiver, setup)
    }
}

/// A pipe whose reading end a child inherits. `socket_buffer` sets its size.
fn pipe(spec: &Spec) -> Result<(OwnedFd, OwnedFd), Trouble> {
    let failed = |call: &'static str| move |errno: Errno| Trouble::call(call, "sink", errno);
    let (out, into) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
    fcntl(&out, FcntlArg::F_SETFD(FdFlag::empty())).map_err(failed("fcntl(F_SETFD)"))?;
    if spec.socket_buffer_bytes > 0 {
        let bytes = spec.socket_buffer_bytes.min(i32::MAX as u64) as i32;
        fcntl(&into, FcntlArg::F_SETPIPE_SZ(bytes)).map_err(|errno| {
            failed("fcntl(F_SETPIPE_SZ)")(errno).with_status(Status::Unsupported)
        })?;
    }
    Ok((out, into))
}
