//! What does a process hold while it serves thousands: memory and descriptors?
//!
//! All of it without privilege, from /proc. Nothing here is read while anything is timed.

use nix::sys::resource::{Resource, getrlimit};

/// The most memory that this process has had resident (`VmHWM`, `proc_pid_status(5)`).
#[must_use]
pub fn peak_rss_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Descriptors that this process has open, without the one that this look takes.
#[must_use]
pub fn descriptors() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(open.saturating_sub(1))
}

/// How many descriptors a process may have: what it has asked for, and what it may ask for.
#[must_use]
pub fn descriptor_limits() -> (u64, u64) {
    // It fails only for a bad pointer or a bad resource, and gets neither here.
    getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((0, 0))
}

/// Memory that all TCP sockets of this network namespace hold (`/proc/net/sockstat`, pages).
#[must_use]
pub fn tcp_memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/net/sockstat").ok()?;
    tcp_pages(&text).map(|pages| pages * crate::cache::PAGE_BYTES)
}

fn tcp_pages(sockstat: &str) -> Option<u64> {
    let line = sockstat.lines().find_map(|line| line.strip_prefix("TCP:"))?;
    let mut words = line.split_whitespace();
    words.find(|word| *word == "mem")?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_descriptors() {
        assert!(peak_rss_bytes().unwrap() > 100_000);
        let before = descriptors().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/proc/self/exe")).collect();
        // Other tests open and close theirs meanwhile.
        assert!(descriptors().unwrap() + 30 > before + files.len() as u64);
        let (soft, hard) = descriptor_limits();
        assert!(0 < soft && soft <= hard);
    }

    #[test]
    fn pages_of_tcp_are_found_in_sockstat() {
        let text =
            "sockets: used 17\nTCP: inuse 1 orphan 0 tw 0 alloc 1 mem 148\nUDP: inuse 0 mem 3\n";
        assert_eq!(tcp_pages(text), Some(148));
        assert_eq!(tcp_pages("UDP: inuse 0 mem 3\n"), None);
        assert!(tcp_memory_bytes().is_some());
    }
}
