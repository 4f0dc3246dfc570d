//! Does io_uring work here, and which of its operations?
//!
//! A ring is set up and torn down; the kernel itself lists the operations that it has
//! (`IORING_REGISTER_PROBE`). Containers often forbid the call by seccomp, and a sysctl can switch it
//! off; both show as an errno of the setup.

use super::{Capability, Found, failed, limits, read, refused, sysctl};
use io_uring::{IoUring, Probe, opcode};
use nix::errno::Errno;

/// Operations of strategies that are there or planned. `WRITE` serves sinks that are no sockets.
const OPERATIONS: [(&str, u8); 11] = [
    ("READ", opcode::Read::CODE),
    ("WRITE", opcode::Write::CODE),
    ("SEND", opcode::Send::CODE),
    ("READ_FIXED", opcode::ReadFixed::CODE),
    ("WRITE_FIXED", opcode::WriteFixed::CODE),
    ("SPLICE", opcode::Splice::CODE),
    ("TEE", opcode::Tee::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("SEND_ZC", opcode::SendZc::CODE),
    ("SENDMSG_ZC", opcode::SendMsgZc::CODE),
    ("ASYNC_CANCEL", opcode::AsyncCancel::CODE),
];

fn how_to_unlock(error: &std::io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => match read("/proc/sys/kernel/io_uring_disabled") {
            Ok(setting) if setting != "0" => "sudo sysctl kernel.io_uring_disabled=0".to_owned(),
            _ => "a seccomp profile that allows io_uring (docker run --security-opt \
                  seccomp=PROFILE)"
                .to_owned(),
        },
        Some(Errno::ENOMEM) => limits::pin_more(),
        _ => "a kernel built with CONFIG_IO_URING=y".to_owned(),
    }
}

/// Whether a ring can be set up.
#[must_use]
pub fn setup() -> Capability {
    let found = match IoUring::new(2) {
        Ok(_) => Found::Yes(format!("io_uring_setup; {}", sysctl("kernel.io_uring_disabled"))),
        Err(error) => Found::No(failed("io_uring_setup", &error), how_to_unlock(&error)),
    };
    Capability::new("setup", "uring-read-send, and direct-write with reads ahead", found)
}

fn operations() -> Found {
    let mut probe = Probe::new();
    let asked = IoUring::new(2).map_err(|error| ("io_uring_setup", error)).and_then(|ring| {
        let asked = ring.submitter().register_probe(&mut probe);
        asked.map_err(|error| ("io_uring_register(IORING_REGISTER_PROBE)", error))
    });
    if let Err((call, error)) = asked {
        return Found::No(failed(call, &error), how_to_unlock(&error));
    }
    let names = |want: bool| {
        let of = OPERATIONS.iter().filter(|(_, code)| probe.is_supported(*code) == want);
        of.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    };
    let missing = names(false);
    match missing.is_empty() {
        true => Found::Yes(names(true)),
        false => Found::Partly(
            format!("{}; missing: {missing}", names(true)),
            "a newer kernel (Linux 6.1 has all of them)".to_owned(),
        ),
    }
}

/// Whether the kernel would poll the queue in a thread of its own; that thread ends with the ring.
fn polling() -> Found {
    let ring: std::io::Result<IoUring> = IoUring::builder().setup_sqpoll(1).build(2);
    match ring {
        Ok(_) => Found::Yes("io_uring_setup(IORING_SETUP_SQPOLL)".to_owned()),
        Err(error) => {
            let call = "io_uring_setup(IORING_SETUP_SQPOLL)";
            let unlock = match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EPERM) => "Linux 5.13, where SQPOLL needs no privilege".to_owned(),
                _ => how_to_unlock(&error),
            };
            Found::No(failed(call, &error), unlock)
        }
    }
}

/// Whether buffers can be registered, which pins them and counts against `RLIMIT_MEMLOCK`.
fn buffers() -> Found {
    let call = "io_uring_register(IORING_REGISTER_BUFFERS)";
    let ring = match IoUring::new(2) {
        Ok(ring) => ring,
        Err(error) => return Found::No(failed("io_uring_setup", &error), how_to_unlock(&error)),
    };
    let mut buffer = vec![0u8; 64 << 10];
    let vector = [libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() }];
    // SAFETY: `buffer` outlives the registration, which the next call but one ends; no operation is
    // submitted meanwhile, so the kernel only pins its pages and never writes to them.
    let registered = unsafe { ring.submitter().register_buffers(&vector) };
    let released = registered.and_then(|()| ring.submitter().unregister_buffers());
    match released {
        Ok(()) => Found::Yes(format!("{call} of 64 KiB")),
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {
            Found::No(refused(call, Errno::ENOMEM), limits::pin_more())
        }
        Err(error) => Found::No(failed(call, &error), how_to_unlock(&error)),
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let fixed = "reads into registered buffers: no pinning for each call";
    vec![
        setup(),
        Capability::new("operations", "one strategy or option for each of them", operations()),
        Capability::new("sqpoll", "submission without system calls, by a kernel thread", polling()),
        Capability::new("registered_buffers", fixed, buffers()),
    ]
}
