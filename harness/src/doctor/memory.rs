//! Does this kernel leave cached pages alone, and which pages does it use?
//!
//! DAMON may reclaim pages while memory is free; its threads are called `kdamond`. Where processes of
//! other users are hidden they cannot be seen, and then it is not known.

use super::{Capability, Found, failed, read};

/// Whether a DAMON thread runs.
///
/// # Errors
/// Why it cannot be told.
pub fn proactive_reclaim() -> Result<bool, String> {
    let entries = std::fs::read_dir("/proc").map_err(|error| failed("/proc", &error))?;
    let (mut threads, mut kernel_seen) = (false, false);
    for entry in entries.flatten() {
        // A process that ended meanwhile has no name any more, and is not the one looked for.
        let Ok(name) = read(entry.path().join("comm")) else { continue };
        threads |= name.starts_with("kdamond");
        kernel_seen |= name == "kthreadd";
    }
    match threads || kernel_seen {
        true => Ok(threads),
        false => Err("/proc shows no threads of the kernel here (a container, or hidepid)".into()),
    }
}

fn reclaim() -> Found {
    match proactive_reclaim() {
        Ok(false) => Found::Yes("no thread of DAMON runs".to_owned()),
        Ok(true) => Found::Partly(
            "a thread of DAMON runs (kdamond): cached pages may go at any time".to_owned(),
            "echo off | sudo tee /sys/kernel/mm/damon/admin/kdamonds/*/state".to_owned(),
        ),
        Err(reason) => Found::No(
            reason,
            "ask the machine that runs the container: ps -e | grep kdamond".to_owned(),
        ),
    }
}

fn huge_pages() -> Found {
    match read("/sys/kernel/mm/transparent_hugepage/enabled") {
        Ok(setting) => Found::Yes(setting),
        Err(reason) => {
            Found::No(reason, "a kernel built with CONFIG_TRANSPARENT_HUGEPAGE=y".to_owned())
        }
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let stay = "warm pages that stay: no proactive reclaim";
    let huge = "buffers and mappings of huge pages (recorded with every run)";
    vec![
        Capability::new("undisturbed_cache", stay, reclaim()),
        Capability::new("transparent_hugepages", huge, huge_pages()),
    ]
}
