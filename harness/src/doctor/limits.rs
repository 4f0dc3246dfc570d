//! Which limits would a large run meet?
//!
//! Each has a value from which on nothing in zclab meets it; below, a row is `partly` there.

use super::{Capability, Found, privileges, read, refused};
use nix::sys::resource::{Resource, getrlimit};
use std::fmt::Display;

/// Bytes that a pipe should be able to hold for splice to move a large fetch at once.
const PIPE_BYTES: u64 = 1 << 20;
/// Pages that a user's pipes may hold: the kernel's default, 64 MiB of them.
const PIPE_PAGES: u64 = 16384;
/// Memory to register with io_uring or to pin for `MSG_ZEROCOPY`: the default of newer kernels.
const PINNED_BYTES: u64 = 8 << 20;
/// Descriptors: 1,024 consumers with a pipe each, and some to spare.
const DESCRIPTORS: u64 = 4096;
/// Memory for notifications of one socket: the default of newer kernels.
const NOTIFICATION_BYTES: u64 = 128 << 10;

/// A limit that reads as a number, against what is enough.
fn enough(what: impl Display, value: u64, least: u64, unlock: String) -> Found {
    match value >= least {
        true => Found::Yes(what.to_string()),
        false => Found::Partly(format!("{what}, less than {least}"), unlock),
    }
}

/// A limit kept by a file below `/proc/sys`.
fn by_file(name: &str, least: u64, unlimited: Option<u64>) -> Found {
    let path = format!("/proc/sys/{}", name.replace('.', "/"));
    let value = read(&path)
        .and_then(|text| text.parse::<u64>().map_err(|error| format!("{path}: {text:?}: {error}")));
    match value {
        Ok(value) if Some(value) == unlimited => Found::Yes(format!("{value}: unlimited")),
        Ok(value) => enough(value, value, least, format!("sudo sysctl {name}={least}")),
        Err(reason) => Found::No(reason, "a kernel that has this setting".to_owned()),
    }
}

fn pipe_pages() -> Found {
    let found = by_file("fs.pipe-user-pages-soft", PIPE_PAGES, Some(0));
    match found {
        Found::Partly(value, _) if privileges::has(privileges::SYS_RESOURCE) => {
            Found::Yes(format!("{value}, but cap_sys_resource lifts it"))
        }
        found => found,
    }
}

/// The command that raises a limit for this shell and what it starts: the hard limit takes root.
fn raise(name: &str, least: u64) -> String {
    format!("sudo prlimit --pid $$ --{name}={least}:{least}")
}

/// The command that lets a process pin enough memory.
#[must_use]
pub fn pin_more() -> String {
    raise("memlock", PINNED_BYTES)
}

/// A resource limit; `raised` where trials raise the soft one to the hard one themselves.
fn by_resource(resource: Resource, name: &str, least: u64, raised: bool) -> Found {
    let words = |limit: u64| match limit {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        limit => limit.to_string(),
    };
    let unlock = raise(name, least);
    match getrlimit(resource) {
        Ok((soft, hard)) => {
            let what = format!("soft {}, hard {}", words(soft), words(hard));
            enough(what, if raised { hard } else { soft }, least, unlock)
        }
        Err(errno) => Found::No(refused(&format!("getrlimit({name})"), errno), unlock),
    }
}

fn memlock() -> Found {
    let found = by_resource(Resource::RLIMIT_MEMLOCK, "memlock", PINNED_BYTES, false);
    match found {
        Found::Partly(value, _) if privileges::has(privileges::IPC_LOCK) => {
            Found::Yes(format!("{value}, but cap_ipc_lock lifts it"))
        }
        found => found,
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let descriptors = by_resource(Resource::RLIMIT_NOFILE, "nofile", DESCRIPTORS, true);
    let pipe = by_file("fs.pipe-max-size", PIPE_BYTES, None);
    let optmem = by_file("net.core.optmem_max", NOTIFICATION_BYTES, None);
    vec![
        Capability::new("pipe_max_size", "splice: bytes that one pipe may hold", pipe),
        Capability::new("pipe_user_pages_soft", "splice: pages of all pipes", pipe_pages()),
        Capability::new("memlock", "bytes that io_uring and MSG_ZEROCOPY may pin", memlock()),
        Capability::new("nofile", "many consumers: open descriptors", descriptors),
        Capability::new("optmem_max", "MSG_ZEROCOPY: bytes of notifications", optmem),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_below_what_is_enough_says_both_and_how() {
        assert_eq!(enough(10, 10, 10, "x".into()), Found::Yes("10".into()));
        let found = enough("soft 9, hard 9", 9, 10, "ulimit -n 10".into());
        let what = "soft 9, hard 9, less than 10".to_owned();
        assert_eq!(found, Found::Partly(what, "ulimit -n 10".into()));
        let gone = by_file("fs.no-such-setting", 1, None);
        assert!(matches!(gone, Found::No(reason, _) if reason.contains("ENOENT")));
    }
}
