//! What is left of zero copy when the kernel encrypts?
//!
//! `sendfile` into a socket over which kernel TLS is laid: the page cache's pages go into the socket
//! by reference as ever, and there the kernel encrypts them into pages of its own, record by record
//! of 16 KiB. That is one pass of the CPU over every byte, as a copy is, and a much dearer one; but no
//! second one, no user buffer and no call for each record. It wins over encryption in user space
//! (read, encrypt, write: three passes) wherever data goes out encrypted and is not looked at; it
//! loses to `sendfile` by the encryption. A device that encrypts by itself would save that, too.
//!
//! The lab lays TLS over the connection with one fixed test key at both ends, without a handshake (see
//! `tls`): the receiver's kernel decrypts, so that the bytes are checked as with any other strategy.
//! Each `sendfile` ends a record, as does the end of a fetch; a header joins its record by `MSG_MORE`.
//!
//! On Linux 6.1 it may hang where packets are large and the send buffer is that of a young connection:
//! records wait unsent for the rest of a packet, while `tls_sw_do_sendpage` waits for room that only
//! sending would make, and does not push them as `do_tcp_sendpages` does before it waits. No byte is
//! lost, and a larger send buffer (`socket_buffer`) keeps clear of it.
//!
//! A kernel without TLS says `ENOENT` when it is asked for the layer; a sink that is not TCP has an
//! errno of its own.
//!
//! Sources: Documentation/networking/tls.rst; `tls_sw_sendmsg_locked`, `tls_push_record` in
//! `net/tls/tls_sw.c`, `splice_to_socket` in `fs/splice.c`.
//!
//! Timed: the calls. Not timed: laying TLS over the connections.

use super::sendfile::sendfile;
use crate::tls::{Direction, lay};
use crate::{
    CallError, Engine, FarEnd, Hop, Mover, OpenError, Part, Path, Place, Queue, Route, Setup, Step,
    Strategy,
};
use nix::errno::Errno;
use std::os::fd::{AsRawFd, RawFd};

/// See the module.
pub struct KtlsSendfile;

impl Strategy for KtlsSendfile {
    fn name(&self) -> &'static str {
        "ktls-sendfile"
    }

    fn question(&self) -> &'static str {
        "What is left of zero copy when the kernel encrypts?"
    }

    fn path(&self, on: &Route) -> Path {
        let mut hops = on.fill();
        let why = "sendfile puts page references into the task's own pipe";
        hops.push(Hop::new(Place::PageCache, Place::Pipe, Mover::Reference, why));
        let why = "tls_push_record encrypts into pages of its own";
        hops.push(Hop::new(Place::Pipe, Place::KernelPages, Mover::CpuCopy, why));
        // From there on they are the kernel's own pages, as those of a plain send are.
        let why = "the socket's queue takes over the encrypted pages";
        let mut rest = on.into_sink(Place::KernelPages, Mover::CpuCopy, why);
        if let Some(first) = rest.first_mut().filter(|first| first.to == Place::SocketBuffer) {
            first.by = Mover::Reference;
        }
        hops.extend(rest);
        Path { hops }
    }

    fn far_end(&self) -> FarEnd {
        FarEnd::KernelTls
    }

    fn transforms(&self) -> Result<(), &'static str> {
        Err("needs user space: what this strategy does to the bytes, the kernel does")
    }

    fn open(&self, setup: &Setup) -> Result<Box<dyn Engine>, OpenError> {
        for sink in setup.sinks {
            lay(sink.fd, Direction::Send).map_err(|(call, errno)| OpenError::Unsupported {
                call,
                errno,
                hint: match errno {
                    Errno::ENOENT => "this kernel has no TLS (CONFIG_TLS; modprobe tls)",
                    _ => "kernel TLS is a layer over TCP",
                },
            })?;
        }
        let log = setup.segments.iter().map(|segment| segment.file.as_raw_fd()).collect();
        Ok(Box::new(Sender { log }))
    }
}

struct Sender {
    log: Vec<RawFd>,
}

impl Engine for Sender {
    fn step(&mut self, queue: &mut Queue) -> Result<Step, CallError> {
        let Some(job) = queue.next_job() else { return Ok(queue.idle()) };
        match job.part {
            Part::Header(header) => queue.send_header(job, header),
            Part::Log(piece) => {
                sendfile(queue, job, piece, self.log[piece.segment as usize]).map(|_| Step::Moved)
            }
        }
    }
}
