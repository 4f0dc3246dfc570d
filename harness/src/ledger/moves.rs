//! Which calls moved bytes, from what to what?

/// Requests of io_uring are numbered from here in the programs (`CALL_URING`).
const REQUESTS: u16 = 1024;

/// What a descriptor leads to, in the order of `enum end` in `harness/bpf/calls.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Not known.
    Unknown,
    /// Memory of the caller.
    User,
    /// The log.
    Log,
    /// Another regular file.
    File,
    /// A pipe.
    Pipe,
    /// A socket; while watching, one of the server's port.
    Socket,
    /// Anything else: a device, a socket of another port.
    Other,
}

/// All ends, in order.
pub const ENDS: [(End, &str); 7] = [
    (End::Unknown, "unknown"),
    (End::User, "user"),
    (End::Log, "log"),
    (End::File, "file"),
    (End::Pipe, "pipe"),
    (End::Socket, "socket"),
    (End::Other, "other"),
];

impl End {
    fn of(number: u8) -> End {
        ENDS.get(number as usize).map_or(End::Unknown, |(end, _)| *end)
    }

    fn name(self) -> &'static str {
        ENDS.iter().find(|(end, _)| *end == self).map_or("unknown", |(_, name)| name)
    }
}

/// What moved bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A system call, by number.
    System(u16),
    /// A request of io_uring, by operation.
    Request(u8),
}

/// Operations of io_uring that move bytes (include/uapi/linux/io_uring.h).
const OPERATIONS: [(u8, &str); 14] = [
    (1, "readv"),
    (2, "writev"),
    (4, "read_fixed"),
    (5, "write_fixed"),
    (9, "sendmsg"),
    (10, "recvmsg"),
    (22, "read"),
    (23, "write"),
    (26, "send"),
    (27, "recv"),
    (30, "splice"),
    (33, "tee"),
    (47, "send_zc"),
    (48, "sendmsg_zc"),
];

impl Call {
    /// From the number in a key.
    #[must_use]
    pub fn of(number: u16) -> Call {
        match number.checked_sub(REQUESTS) {
            Some(operation) => Call::Request(operation as u8),
            None => Call::System(number),
        }
    }

    /// Its name: `sendfile`, `uring_send`.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Call::System(number) => super::counts::syscall_name(u32::from(number)),
            Call::Request(operation) => {
                let known = OPERATIONS.iter().find(|(number, _)| *number == operation);
                match known {
                    Some((_, name)) => format!("uring_{name}"),
                    None => format!("uring_{operation}"),
                }
            }
        }
    }

    /// Whether it hands over what it is given by reference where it can, rather than copying.
    #[must_use]
    pub fn splices(self) -> bool {
        let name = self.name();
        ["sendfile", "splice", "tee", "copy_file_range", "uring_splice", "uring_tee"]
            .contains(&name.as_str())
    }
}

/// Calls of one kind, from one kind of end to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// What moved the bytes.
    pub call: Call,
    /// From where.
    pub from: End,
    /// To where.
    pub to: End,
    /// The source was opened with `O_DIRECT`.
    pub direct: bool,
    /// Sent with `MSG_ZEROCOPY`, or by `SEND_ZC`.
    pub zerocopy: bool,
    /// What was sent began with the header of a TLS record; looked at while watching only.
    pub tls: bool,
    /// How many calls returned bytes.
    pub calls: u64,
    /// The bytes that they returned.
    pub bytes: u64,
}

impl Move {
    /// From a key's fields as the programs write them.
    #[must_use]
    pub fn of(call: u16, [from, to, flags]: [u8; 3], calls: u64, bytes: u64) -> Move {
        Move {
            call: Call::of(call),
            from: End::of(from),
            to: End::of(to),
            direct: flags & 1 != 0,
            zerocopy: flags & 2 != 0,
            tls: flags & 4 != 0,
            calls,
            bytes,
        }
    }

    /// Its name in records: `pread64_log_user`, `sendfile_log_socket`, `sendto_user_socket_zerocopy`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut name = format!("{}_{}_{}", self.call.name(), self.from.name(), self.to.name());
        if self.direct {
            name.push_str("_direct");
        }
        if self.zerocopy {
            name.push_str("_zerocopy");
        }
        if self.tls {
            name.push_str("_tls");
        }
        name
    }
}
