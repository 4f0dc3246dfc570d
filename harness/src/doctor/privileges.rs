//! Which privileges has this process, and how are missing ones given to it?
//!
//! From `/proc/self/status`: what counts is the effective set, not the user's number (a root in a
//! container lacks most of them, a file capability gives some to anybody). The bounding set tells
//! whether a file capability could help at all.

use super::{Capability, Found, read};

/// A capability of `linux/capability.h`, by its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privilege {
    bit: u32,
    /// Its name as `setcap` knows it.
    pub name: &'static str,
}

/// Read and search where file modes forbid it: tracefs.
pub const DAC_READ_SEARCH: Privilege = Privilege { bit: 2, name: "cap_dac_read_search" };
/// Lock memory beyond the limit.
pub const IPC_LOCK: Privilege = Privilege { bit: 14, name: "cap_ipc_lock" };
/// Everything that has no privilege of its own.
pub const SYS_ADMIN: Privilege = Privilege { bit: 21, name: "cap_sys_admin" };
/// Exceed resource limits, of pipes among others.
pub const SYS_RESOURCE: Privilege = Privilege { bit: 24, name: "cap_sys_resource" };
/// See addresses of kernel symbols.
pub const SYSLOG: Privilege = Privilege { bit: 34, name: "cap_syslog" };
/// Observe the system's performance, kernel memory included.
pub const PERFMON: Privilege = Privilege { bit: 38, name: "cap_perfmon" };
/// Load BPF programs.
pub const BPF: Privilege = Privilege { bit: 39, name: "cap_bpf" };

/// What the ledger needs, as one setcap command gives it.
const LEDGER: [Privilege; 3] = [BPF, PERFMON, DAC_READ_SEARCH];

/// The two sets that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privileges {
    effective: u64,
    bounding: u64,
}

impl Privileges {
    /// Those of this process.
    ///
    /// # Errors
    /// What could not be read of `/proc/self/status`.
    pub fn of_self() -> Result<Privileges, String> {
        Privileges::parse(&read("/proc/self/status")?)
    }

    fn parse(status: &str) -> Result<Privileges, String> {
        let set = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let set = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
            set.ok_or_else(|| format!("/proc/self/status has no {name} in hexadecimal"))
        };
        Ok(Privileges { effective: set("CapEff:")?, bounding: set("CapBnd:")? })
    }

    /// Whether a privilege is in force.
    #[must_use]
    pub fn has(self, privilege: Privilege) -> bool {
        self.effective >> privilege.bit & 1 == 1
    }

    /// Whether a program could be given it by a file capability.
    fn may_get(self, privilege: Privilege) -> bool {
        self.bounding >> privilege.bit & 1 == 1
    }
}

/// Whether this process has a privilege; where that cannot be told it is not relied on.
#[must_use]
pub fn has(privilege: Privilege) -> bool {
    Privileges::of_self().is_ok_and(|own| own.has(privilege))
}

/// Whether this process has what loading the ledger takes, for the whole machine.
#[must_use]
pub fn has_ledgers() -> bool {
    of_the_machine() && (has(SYS_ADMIN) || (has(BPF) && has(PERFMON)))
}

/// Whether privileges hold for the whole machine. Those of a user namespace hold inside of it only;
/// such a namespace is known by mapping fewer users than there are.
fn of_the_machine() -> bool {
    // A kernel without that file has no user namespaces.
    read("/proc/self/uid_map").map_or(true, |map| maps_everybody(&map))
}

fn maps_everybody(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// How to get privileges that hold for the machine.
const OUTSIDE: &str =
    "run zclab outside of the user namespace (no unshare --map-root-user, no rootless container)";

/// The command that gives privileges to this program.
#[must_use]
pub fn grant(privileges: &[Privilege]) -> String {
    let names: Vec<&str> = privileges.iter().map(|privilege| privilege.name).collect();
    // Where the program cannot say where it lies, the place where `make build` puts it.
    let program = std::env::current_exe()
        .map_or_else(|_| "target/release/zclab".to_owned(), |path| path.display().to_string());
    format!("sudo setcap {}+ep {}", names.join(","), quoted(&program))
}

/// The command that gives the ledger what it needs.
#[must_use]
pub fn grant_ledger() -> String {
    match Privileges::of_self() {
        _ if !of_the_machine() => OUTSIDE.to_owned(),
        Ok(own) if !own.may_get(BPF) && !own.may_get(SYS_ADMIN) => {
            "start the container with more: docker run --cap-add BPF --cap-add PERFMON \
             --cap-add DAC_READ_SEARCH …"
                .to_owned()
        }
        _ => grant(&LEDGER),
    }
}

/// A word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The row of what the ledger needs.
pub(super) fn row() -> Capability {
    let enables = "the ledger without root: cap_bpf loads it, cap_perfmon reads kernel memory";
    let own = match Privileges::of_self() {
        Ok(own) => own,
        Err(reason) => {
            let how = "mount -t proc proc /proc".to_owned();
            return Capability::new("privileges", enables, Found::No(reason, how));
        }
    };
    let names = |want: bool, of: &[Privilege]| {
        let of = of.iter().filter(|privilege| own.has(**privilege) == want);
        of.map(|privilege| privilege.name).collect::<Vec<_>>().join(", ")
    };
    let all = [BPF, PERFMON, DAC_READ_SEARCH, SYS_ADMIN];
    let (there, missing) = (names(true, &all), names(false, &LEDGER));
    let found = if !of_the_machine() && !there.is_empty() {
        Found::No(format!("effective in a user namespace only: {there}"), OUTSIDE.to_owned())
    } else if own.has(SYS_ADMIN) || missing.is_empty() {
        Found::Yes(format!("effective: {there}"))
    } else if there.is_empty() {
        Found::No(format!("/proc/self/status: CapEff lacks {missing}"), grant_ledger())
    } else {
        Found::Partly(format!("effective: {there}; lacks {missing}"), grant_ledger())
    };
    Capability::new("privileges", enables, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_in_hexadecimal() {
        let status = "Name:\tx\nCapEff:\t000000c000000004\nCapBnd:\t000001ffffffffff\n";
        let own = Privileges::parse(status).unwrap();
        assert!(own.has(BPF) && own.has(PERFMON) && own.has(DAC_READ_SEARCH));
        assert!(!own.has(SYS_ADMIN) && own.may_get(SYS_ADMIN));
        assert!(maps_everybody("         0          0 4294967295\n"));
        assert!(!maps_everybody("         0       1000          1\n"));
        let error = Privileges::parse("CapEff:\tnone\n").unwrap_err();
        assert!(error.contains("CapEff:"), "{error}");
    }

    #[test]
    fn a_command_names_what_it_grants_and_to_whom() {
        let command = grant(&LEDGER);
        let start = "sudo setcap cap_bpf,cap_perfmon,cap_dac_read_search+ep ";
        assert!(command.starts_with(start) && command.len() > start.len(), "{command}");
        assert_eq!(quoted("/opt/a b"), "'/opt/a b'");
        assert_eq!(quoted("/opt/it's"), "'/opt/it'\\''s'");
    }
}
