//! May this process make namespaces and memory limits for its trials?
//!
//! Namespaces are made in earnest: this group is asked in a thread that ends with it, and a network
//! or mount namespace belongs to one thread. A user namespace needs a process of one thread, so it is
//! made in a child between fork and exec, which never gets as far as exec. The memory controller is
//! only looked at, since to make a group there would be to write.

use super::{Capability, Found, privileges, read, refused};
use crate::cgroup::Refusal;
use crate::cgroup::place::{Place, Version};
use crate::net::{Host, Link};
use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::os::unix::process::CommandExt;
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

/// Where groups with little memory would be made; only looked for, since to make one would be to write.
fn memory_limit() -> Found {
    match Place::find() {
        Ok(place) => {
            let version = match place.version() {
                Version::One => "v1",
                Version::Two => "v2",
            };
            let dir = place.dir().display();
            Found::Yes(format!("cgroup {version} memory: {dir} is writable"))
        }
        Err(Refusal { call, on, errno, unlock }) => {
            Found::No(refused(&format!("{call} {}", on.display()), errno), unlock)
        }
    }
}

/// The rows of this group.
#[must_use]
pub fn rows() -> Vec<Capability> {
    let veth = "routes between network namespaces (veth)";
    let rootless = "routes between network namespaces without root";
    let memory = "conditions with little memory ([pressure]): a group of the memory controller";
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
