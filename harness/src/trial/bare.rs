//! What does the lab itself add to the system calls that it measures?
//!
//! For four strategies there is a bare loop of the same system calls: no queue, no engine, no clock per
//! fetch. It takes turns with the strategy in the same rotation (`bare:sendfile` in a scenario), and
//! the paired ratio of their CPU times is the harness's tax. The loops are written for the blocking
//! sinks of a trial and for nothing else, and they are never listed.

use super::fetches::Block;
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};
use zclab_strategies::{CallError, Calls, Setup, Sink, sys};

/// The strategies that have a bare loop.
pub const NAMES: [&str; 4] = ["read-write", "mmap-write", "sendfile", "splice"];

/// A bare loop and what it works with.
pub struct Bare {
    kind: Kind,
    log: Vec<RawFd>,
    sinks: Vec<Sink>,
}

enum Kind {
    ReadWrite(Vec<u8>),
    MmapWrite(Vec<memmap2::MmapRaw>),
    Sendfile,
    Splice { pipe: (std::os::fd::OwnedFd, std::os::fd::OwnedFd), room_bytes: usize },
}

impl Bare {
    /// The bare loop that imitates this strategy.
    ///
    /// # Errors
    /// A strategy without one, or a call that failed.
    pub fn open(name: &str, setup: &Setup) -> Result<Bare, String> {
        let failed = |call: &'static str| move |error: std::io::Error| format!("{call}: {error}");
        let kind = match name {
            "read-write" => {
                let buffer = setup.options.number("buffer").min(setup.fetch_bytes_max.0);
                Kind::ReadWrite(vec![0; buffer as usize])
            }
            "mmap-write" => {
                let map = |segment: &zclab_strategies::Segment| {
                    memmap2::MmapOptions::new().map_raw_read_only(&segment.file)
                };
                let maps = setup.segments.iter().map(map).collect::<Result<_, _>>();
                Kind::MmapWrite(maps.map_err(failed("mmap"))?)
            }
            "sendfile" if setup.options.word("join") == "more" => Kind::Sendfile,
            "splice" => {
                let pipe = nix::unistd::pipe().map_err(|errno| format!("pipe: {errno}"))?;
                let wish = setup.options.number("pipe") as i32;
                let resize = nix::fcntl::FcntlArg::F_SETPIPE_SZ(wish);
                let room_bytes = nix::fcntl::fcntl(&pipe.1, resize)
                    .map_err(|errno| format!("fcntl(F_SETPIPE_SZ): {errno}"))?;
                Kind::Splice { pipe, room_bytes: room_bytes as usize }
            }
            _ => return Err(format!("{name} has no bare loop with these options")),
        };
        let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect();
        Ok(Bare { kind, log, sinks: setup.sinks.to_vec() })
    }

    /// Moves a block, fetch by fetch, sink by sink.
    ///
    /// # Errors
    /// The call that failed, with segment and offset.
    pub fn run(&mut self, block: &Block, header: &[u8], calls: &Calls) -> Result<(), CallError> {
        for pieces in &block.fetches {
            for lane in 0..self.sinks.len() {
                let sink = self.sinks[lane];
                send_all(calls, sink, header, true).map_err(at("send(header)", 0, 0))?;
                let last = pieces.len().wrapping_sub(1);
                for (index, piece) in pieces.iter().enumerate() {
                    let from = (piece.segment, piece.offset_bytes, piece.len_bytes as usize);
                    self.piece(calls, sink, from, index < last)?;
                }
            }
        }
        Ok(())
    }

    fn piece(
        &mut self,
        calls: &Calls,
        sink: Sink,
        (segment, start, len): (u32, u64, usize),
        more: bool,
    ) -> Result<(), CallError> {
        let fd = self.log[segment as usize];
        let mut done = 0;
        while done < len {
            let offset = start + done as u64;
            let moved =
                match &mut self.kind {
                    Kind::ReadWrite(buffer) => {
                        let want = buffer.len().min(len - done);
                        let got = sys::pread(calls, fd, &mut buffer[..want], offset)
                            .map_err(at("pread", segment, offset))?;
                        let more = more || done + got < len;
                        send_all(calls, sink, &buffer[..got], more)
                            .map_err(at("send", segment, offset))?;
                        got
                    }
                    Kind::MmapWrite(maps) => {
                        let pointer = maps[segment as usize].as_ptr().wrapping_add(offset as usize);
                        // SAFETY: the range lies in the mapping that `maps` owns for as long as `self`
                        // lives; only the kernel touches it, and only during the call.
                        unsafe { sys::send_raw(calls, sink, pointer, len - done, more) }
                            .map_err(at("send(mapping)", segment, offset))?
                    }
                    Kind::Sendfile => sys::sendfile(calls, sink.fd, fd, offset, len - done)
                        .map_err(at("sendfile", segment, offset))?,
                    Kind::Splice { pipe, room_bytes } => {
                        let want = (*room_bytes).min(len - done);
                        let fill = pipe.1.as_raw_fd();
                        let got = sys::splice(calls, fd, Some(offset), fill, want, 0)
                            .map_err(at("splice(log, pipe)", segment, offset))?;
                        let more = more || done + got < len;
                        drain(calls, pipe.0.as_raw_fd(), sink, got, more).map_err(at(
                            "splice(pipe, sink)",
                            segment,
                            offset,
                        ))?;
                        got
                    }
                };
            if moved == 0 {
                return Err(at("end of segment", segment, offset)(Errno::ENODATA));
            }
            done += moved;
        }
        Ok(())
    }
}

fn at(call: &'static str, segment: u32, offset_bytes: u64) -> impl Fn(Errno) -> CallError {
    move |errno| CallError { call, segment, offset_bytes, errno }
}

fn send_all(calls: &Calls, sink: Sink, mut bytes: &[u8], more: bool) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let sent = sys::send(calls, sink, bytes, more)?;
        bytes = &bytes[sent..];
    }
    Ok(())
}

fn drain(calls: &Calls, pipe: RawFd, sink: Sink, mut left: usize, more: bool) -> Result<(), Errno> {
    let flags = if more { libc::SPLICE_F_MORE } else { 0 };
    while left > 0 {
        left -= sys::splice(calls, pipe, None, sink.fd, left, flags)?;
    }
    Ok(())
}
