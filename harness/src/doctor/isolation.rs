//! May this process make namespaces and memory limits for its trials?
//!
//! Namespaces are made in earnest: this group is asked in a thread that ends with it, and a network
//! or mount namespace belongs to one thread. A user namespace needs a process of one thread, so it is
//! made in a child between fork and exec, which never gets as far as exec. The memory controller is
//! only looked at, since to make a group there would be to write.

use super::{Capability, Found, privileges, read, refused};
use crate::net::{Host, Link};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{AccessFlags, access};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A namespace of this thread alone. Without the privilege, a user namespace around zclab gives it.
fn namespace(flag: CloneFlags, call: &str, sysctl: &str, wrapper: &str, user: &Found) -> Found {
    let Err(errno) = unshare(flag) else { return Found::Yes(call.to_owned()) };
    let unlock = match (errno, user) {
        (Errno::EPERM, Found::Yes(_)) => format!("{wrapper} zclab …"),
        (Errno::EPERM, _) => privileges::grant(&[privileges::SYS_ADMIN]),
        (Errno::ENOSPC | Errno::EUSERS, _) => format!("sudo sysctl {sysctl}=1024"),
        _ => "a kernel built with CONFIG_NAMESPACES=y and CONFIG_NET_NS=y".to_owned(),
    };
    Found::No(refused(call, errno), unlock)
}

fn network_namespace(user: &Found) -> Found {
    let call = "unshare(CLONE_NEWNET)";
    let sysctl = "user.max_net_namespaces";
    namespace(CloneFlags::CLONE_NEWNET, call, sysctl, "unshare --map-root-user --net", user)
}

/// Two hosts in earnest, as the sink `tcp-veth` makes them. They end with this thread.
fn two_hosts(network: &Found, user: &Found) -> Found {
    match (network, user) {
        // zclab makes the namespace of users itself, in a child; this process has many threads.
        (Found::No(..), Found::Yes(how)) => return Found::Yes(format!("within {how}")),
        (Found::No(..), _) => return network.clone(),
        _ => {}
    }
    let joined = Host::enter()
        .and_then(|far| Host::enter().and_then(|near| near.join(&far, &Link::default())));
    match joined {
        Ok(_) => Found::Yes("netlink(RTM_NEWLINK, veth) between two network namespaces".to_owned()),
        Err(why) => {
            let unlock = "sudo modprobe veth # of a kernel built with CONFIG_VETH";
            Found::No(refused(&why.call, why.errno), unlock.to_owned())
        }
    }
}

fn mount_namespace(user: &Found) -> Found {
    let call = "unshare(CLONE_NEWNS)";
    let sysctl = "user.max_mnt_namespaces";
    namespace(CloneFlags::CLONE_NEWNS, call, sysctl, "unshare --map-root-user --mount", user)
}

/// Makes a user namespace with a network of its own in a child. What the child finds comes back as
/// the error of its start; `ECANCELED`, which `unshare` never gives, stands for success.
fn user_namespace() -> Result<(), Errno> {
    let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET;
    let before_exec = move || {
        unshare(both)?;
        Err::<(), _>(std::io::Error::from(Errno::ECANCELED))
    };
    let mut command = Command::new("/proc/self/exe");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: between fork and exec the closure makes one unshare call, which is
    // async-signal-safe, and allocates nothing: both errors are made of a number.
    unsafe { command.pre_exec(before_exec) };
    match command.spawn() {
        Err(error) => match error.raw_os_error() {
            Some(libc::ECANCELED) => Ok(()),
            raw => Err(raw.map_or(Errno::UnknownErrno, Errno::from_raw)),
        },
        // It cannot get here, since the closure always ends in an error; no child is left behind.
        Ok(mut child) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Errno::UnknownErrno)
        }
    }
}

fn user_namespace_found() -> Found {
    let call = "unshare(CLONE_NEWUSER | CLONE_NEWNET) in a child";
    let errno = match user_namespace() {
        Ok(()) => return Found::Yes(call.to_owned()),
        Err(errno) => errno,
    };
    // Distributions forbid it in ways of their own; the one that this kernel has is named.
    let settings = [
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel/unprivileged_userns_clone", "0", "1"),
        ("user/max_user_namespaces", "0", "15000"),
    ];
    let forbids = settings
        .iter()
        .find(|(path, value, _)| read(format!("/proc/sys/{path}")).is_ok_and(|set| set == *value));
    let unlock = match forbids {
        Some((path, _, to)) => format!("sudo sysctl {}={to}", path.replace('/', ".")),
        None => "a kernel built with CONFIG_USER_NS=y; in a container, a seccomp profile that \
                 allows unshare"
            .to_owned(),
    };
    Found::No(refused(call, errno), unlock)
}

/// Where cgroup v2 is mounted, from the text of `/proc/self/mountinfo`.
fn unified_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        right.starts_with("cgroup2 ").then_some(())?;
        left.split(' ').nth(4).map(PathBuf::from)
    })
}

/// This process's own group below that mount, from the text of `/proc/self/cgroup`.
fn own_group(cgroups: &str) -> Option<&str> {
    cgroups.lines().find_map(|line| line.strip_prefix("0::/"))
}

fn memory_limit() -> Found {
    let scope = "systemd-run --user --scope -p Delegate=yes zclab doctor".to_owned();
    let boot = "boot with systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=memory".to_owned();
    let tables = read("/proc/self/mountinfo").and_then(|m| Ok((m, read("/proc/self/cgroup")?)));
    let (mounts, groups) = match tables {
        Ok(tables) => tables,
        Err(reason) => return Found::No(reason, "mount -t proc proc /proc".to_owned()),
    };
    let Some(mount) = unified_mount(&mounts) else {
        return Found::No("/proc/self/mountinfo: no cgroup2 is mounted".to_owned(), boot);
    };
    let Some(own) = own_group(&groups) else {
        return Found::No("/proc/self/cgroup: no line of cgroup v2".to_owned(), boot);
    };
    in_group(&mount.join(own), scope, boot)
}

fn in_group(dir: &Path, scope: String, boot: String) -> Found {
    let path = dir.join("cgroup.controllers");
    let controllers = match read(&path) {
        Ok(controllers) => controllers,
        Err(reason) => return Found::No(reason, scope),
    };
    if !controllers.split(' ').any(|name| name == "memory") {
        let value = format!("{}: no memory controller (\"{controllers}\")", path.display());
        return Found::No(value, boot);
    }
    match access(dir, AccessFlags::W_OK) {
        Ok(()) => Found::Yes(format!("{} is writable and has the controller", dir.display())),
        Err(errno) => {
            let call = format!("access({}, W_OK)", dir.display());
            Found::Partly(format!("the controller is there; {}", refused(&call, errno)), scope)
        }
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let veth = "routes between network namespaces (veth)";
    let rootless = "routes between network namespaces without root";
    let memory = "conditions with little memory: a limit by cgroup v2";
    // The user namespace comes first: it is made from a process that has no namespaces of its own.
    let user = user_namespace_found();
    let network = network_namespace(&user);
    vec![
        Capability::new("network_namespace", veth, network.clone()),
        Capability::new("two_hosts", "the sink tcp-veth", two_hosts(&network, &user)),
        Capability::new("user_namespace", rootless, user.clone()),
        Capability::new(
            "mount_namespace",
            "file systems that only one trial sees",
            mount_namespace(&user),
        ),
        Capability::new("memory_limit", memory, memory_limit()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unified_hierarchy_is_found_among_others() {
        let mounts = "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      31 1 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(unified_mount(mounts), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(unified_mount("1 1 0:1 / / rw - ext4 /dev/vda rw\n"), None);
        assert_eq!(own_group("4:memory:/x\n0::/user.slice/a\n"), Some("user.slice/a"));
        assert_eq!(own_group("0::/\n"), Some(""));
        assert_eq!(own_group("4:memory:/x\n"), None);
    }

    #[test]
    fn a_group_without_the_controller_says_which_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let ask = || in_group(dir.path(), "scope".into(), "boot".into());
        assert!(matches!(ask(), Found::No(reason, _) if reason.contains("ENOENT")));
        let write = |text| std::fs::write(dir.path().join("cgroup.controllers"), text).unwrap();
        write("cpu hugetlb\n");
        assert!(matches!(ask(), Found::No(reason, how)
            if reason.contains("\"cpu hugetlb\"") && how == "boot"));
        write("cpu memory\n");
        assert!(matches!(ask(), Found::Yes(_)));
    }
}
