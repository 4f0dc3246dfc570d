//! Why can a server not be watched, or only in part, and what would help?

use super::server::{Process, Server, find as search, process};
use crate::ledger::object::Unavailable;
use anyhow::bail;
use std::collections::BTreeMap;

/// Those who serve a port, and the process that was named.
///
/// # Errors
/// Nobody does, or nobody who can be looked into.
pub fn find(port: u16, pid: Option<u32>) -> anyhow::Result<(Server, Option<Process>)> {
    let only = match pid {
        Some(pid) => match process(pid) {
            Some(process) => Some(process),
            None => bail!("--pid {pid}: there is no such process"),
        },
        None => None,
    };
    let server = search(port, only.as_ref());
    if !server.listens {
        bail!(
            "nobody listens on TCP port {port}\n  \
             what listens:          ss -tlnp   (or: grep ' 0A ' /proc/net/tcp /proc/net/tcp6)\n  \
             a server in a container has the port that it has inside: root looks there, too\n  \
             start the server first: zclab watches what runs, and starts nothing"
        );
    }
    if server.processes.is_empty() {
        match &only {
            Some(only) if !server.others.is_empty() => bail!(
                "--pid {}: {} does not listen on port {port}; those that do: {}",
                only.pid,
                only.name,
                list(&server.others)
            ),
            _ => bail!(
                "port {port} is served by processes of user {} that cannot be looked into\n{}",
                users(&server),
                unlock()
            ),
        }
    }
    Ok((server, only))
}

fn list(processes: &[Process]) -> String {
    let each: Vec<String> =
        processes.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
    zclab_report::format::list(&each)
}

fn users(server: &Server) -> String {
    let users: Vec<String> = server.hidden.iter().map(u32::to_string).collect();
    zclab_report::format::list(&users)
}

/// The commands that give what is missing.
fn unlock() -> String {
    let program = std::env::current_exe().map(|path| path.display().to_string());
    let program = program.unwrap_or_else(|_| "zclab".to_owned());
    let words: Vec<String> = std::env::args().skip(1).collect();
    format!(
        "  as root:      sudo {program} {}\n  or for good:  sudo setcap \
         cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep {program}\n  \
         (with the latter the programs' own cost stays unknown: that takes cap_sys_admin)",
        words.join(" ")
    )
}

/// Why the programs were not loaded.
#[must_use]
pub fn no_ledger(why: &Unavailable) -> anyhow::Error {
    let lockdown = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return anyhow::anyhow!(
            "{why}\n  the kernel is locked down (confidentiality): no program may read its memory; \
             boot with lockdown=integrity or none"
        );
    }
    anyhow::anyhow!("{why}\n{}", unlock())
}

/// What holds only in part, by name.
pub fn caveats(server: &Server, gaps: &mut BTreeMap<String, String>) {
    if !server.others.is_empty() {
        let why = format!(
            "{} listen on the port, too: bytes are those of the port, calls those of the watched \
             processes",
            list(&server.others)
        );
        gaps.insert("other-listeners".to_owned(), why);
    }
    if !server.hidden.is_empty() {
        let why = format!(
            "processes of user {} listen on the port, too, and cannot be looked into: their bytes are \
             counted, their calls are not",
            users(server)
        );
        gaps.insert("hidden-listeners".to_owned(), why);
    }
    // The first namespace of processes has this number in every kernel (PROC_PID_INIT_INO).
    let own = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if own.to_str() != Some("pid:[4026531836]") {
        let why = "zclab runs in a pid namespace of its own, where processes have other numbers than \
                   in the kernel: calls and switches are missing or somebody else's";
        gaps.insert("pid-namespace".to_owned(), why.to_owned());
    }
}
