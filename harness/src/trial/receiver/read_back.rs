//! What had arrived when the aliasing probe asks for it?

use super::connections::{has_bytes, receive};
use super::{Receiver, SILENCE};
use crate::trial::wire::{Content, ReadBack};
use anyhow::{Context, bail};
use base64::Engine as _;
use nix::sys::socket::MsgFlags;

impl Receiver {
    /// Reads what was queued so far: the aliasing probe's end. Nothing here is timed.
    pub(super) fn read_back(&mut self, wanted: ReadBack) -> Content {
        let unsealed = self.unseal();
        let read = || -> anyhow::Result<Vec<u8>> {
            unsealed?;
            let connection = self.connections.get(wanted.connection as usize);
            let connection = connection.context("no such connection")?;
            let mut bytes = vec![0; wanted.read_back_bytes as usize];
            let mut read = 0;
            while read < bytes.len() {
                match receive(connection, self.pipes, &mut bytes[read..], MsgFlags::empty()) {
                    Ok(0) => bail!("the sender closed the connection after {read} bytes"),
                    Ok(got) => read += got,
                    Err(nix::errno::Errno::EINTR) => {}
                    Err(nix::errno::Errno::EAGAIN) if self.pipes && has_bytes(connection) => {}
                    Err(nix::errno::Errno::EAGAIN) => bail!("no byte came for {SILENCE:?}"),
                    Err(errno) => bail!("recv: {errno}"),
                }
            }
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => {
                let data = base64::engine::general_purpose::STANDARD.encode(bytes);
                Content { data, error: None }
            }
            Err(error) => Content { data: String::new(), error: Some(format!("{error:#}")) },
        }
    }
}
