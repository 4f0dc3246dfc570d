//! Does it work for a user without privileges, and say what is refused to them and how to get it?

use crate::support::{rows, said, zclab};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// The number of `nobody`.
const NOBODY: u32 = 65534;

#[test]
fn nobody_is_told_what_is_refused_and_how_to_unlock_it() {
    if !nix::unistd::geteuid().is_root() {
        println!("SKIPPED: the doctor of another user: only root can become one");
        return;
    }
    // The user may not be able to reach the target folder, so that the program is copied.
    let dir = tempfile::tempdir().expect("a folder");
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(dir.path(), mode(0o755)).expect("chmod");
    let program = dir.path().join("zclab");
    std::fs::copy(zclab(), &program).expect("a copy");
    let own = dir.path().join("own");
    std::fs::create_dir(&own).expect("a folder");
    std::os::unix::fs::chown(&own, Some(NOBODY), Some(NOBODY)).expect("chown");
    let mut command = Command::new(&program);
    command.args(["doctor", "--json"]).args([&own, dir.path()]);
    // Changing the user drops every capability.
    command.uid(NOBODY).gid(NOBODY).current_dir(dir.path());
    let rows = rows(&mut command);

    let (state, value) = said(&rows, "bpf", "tracing");
    assert!(state == "no" && value.contains("BPF_PROG_LOAD"), "{state}: {value}");
    assert!(value.contains("EPERM") || value.contains("EACCES"), "{value}");
    let (state, value) = said(&rows, "bpf", "privileges");
    assert!(state == "no" && value.contains("cap_bpf"), "{state}: {value}");
    let unlock = |name: &str| crate::support::row(&rows, "bpf", name)["unlock"].to_string();
    let grant = "sudo setcap cap_bpf,cap_perfmon,cap_dac_read_search+ep";
    let container = "--cap-add";
    for name in ["tracing", "privileges"] {
        let how = unlock(name);
        assert!(how.contains(grant) || how.contains(container), "{name}: {how}");
    }
    let (state, value) = said(&rows, "isolation", "network_namespace");
    assert!(state == "no" && value.contains("EPERM"), "{state}: {value}");
    // What needs no privilege is there for nobody too.
    let (state, value) = said(&rows, "sockets", "tcp_loopback");
    assert_eq!(state, "yes", "{value}");
    let storage = |dir: &std::path::Path| format!("storage:{}", dir.display());
    let (state, value) = said(&rows, &storage(&own), "mincore");
    assert_eq!(state, "yes", "{value}");
    let (state, value) = said(&rows, &storage(dir.path()), "direct_io");
    assert!(state == "no" && value.contains("EACCES"), "{state}: {value}");
}
