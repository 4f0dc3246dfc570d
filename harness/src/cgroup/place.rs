//! Where may this process make a group with a limit on memory, and if nowhere, what would unlock it?
//!
//! Version 1 has a hierarchy for memory alone, and a group may be made in whichever group one is. In
//! version 2 a group with children that have limits may not hold processes itself (the root may), and
//! it has to hand the controller down (`cgroup.subtree_control`). So a group is made, in this order: in
//! zclab's own group where that hands memory down or is the root; in its own group when zclab is the
//! only process in it, which then moves into a leaf beside its trials (a scope of systemd that was
//! delegated to it); in the nearest group above that hands memory down and may be written.
//!
//! [`Place::find`] only looks, so that the doctor may ask it. [`Place::open`] makes it ready.

use super::{PREFIX, errno, started_at};
use crate::trial::wire::{Trouble, errno_name};
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use std::path::{Path, PathBuf};
use zclab_report::record::Status;

/// How to come by a group of one's own.
const SCOPE: &str = "systemd-run --user --scope -p Delegate=yes zclab … (or run as root)";
/// How to come by the controller.
const BOOT: &str = "boot with systemd.unified_cgroup_hierarchy=1 cgroup_enable=memory";

/// Which controller manages memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// A hierarchy for memory alone.
    One,
    /// The one hierarchy for all.
    Two,
}

/// What has to be done before groups can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ready {
    /// Nothing.
    Yes,
    /// Memory has to be handed down.
    HandDown,
    /// The same, and this process has to move into a leaf before.
    MoveAndHandDown,
}

/// The group below which groups are made.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    mount: PathBuf,
    version: Version,
    ready: Ready,
    /// The leaf that this process moved into.
    leaf: Option<PathBuf>,
}

/// What was refused, and how to unlock it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} on {}: {errno}; to unlock it: {unlock}", on.display())]
pub struct Refusal {
    /// The call.
    pub call: String,
    /// The file or folder.
    pub on: PathBuf,
    /// What the kernel said.
    pub errno: Errno,
    /// How to get it.
    pub unlock: String,
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Trouble {
        Trouble {
            status: Status::Skipped,
            call: Some(refusal.call.clone()),
            errno: Some(errno_name(refusal.errno)),
            message: format!("no group with little memory can be made: {refusal}"),
        }
    }
}

pub(super) fn refusal(call: &str, on: &Path, error: &std::io::Error) -> Refusal {
    refused(call, on, errno(error), SCOPE)
}

fn refused(call: &str, on: &Path, errno: Errno, unlock: &str) -> Refusal {
    Refusal { call: call.to_owned(), on: on.to_owned(), errno, unlock: unlock.to_owned() }
}

fn read(path: &Path) -> Result<String, Refusal> {
    std::fs::read_to_string(path).map_err(|error| refusal("open", path, &error))
}

/// Where the hierarchy of a version is mounted, and which of its groups is shown there as the root,
/// from the text of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
fn mount(mountinfo: &str, version: Version) -> Option<(PathBuf, String)> {
    mountinfo
        .lines()
        .find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut right = right.split(' ');
            let (kind, options) = (right.next()?, right.nth(1).unwrap_or(""));
            let wanted = match version {
                Version::One => kind == "cgroup" && options.split(',').any(|one| one == "memory"),
                Version::Two => kind == "cgroup2",
            };
            let mut left = left.split(' ').skip(3);
            wanted.then(|| Some((left.next()?.to_owned(), PathBuf::from(left.next()?))))?
        })
        .map(|(root, mount)| (mount, root))
}

/// This process's own group in the hierarchy of a version, from the text of `/proc/self/cgroup`.
fn own(cgroups: &str, version: Version) -> Option<&str> {
    cgroups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let wanted = match version {
            Version::One => controllers.split(',').any(|one| one == "memory"),
            Version::Two => id == "0" && controllers.is_empty(),
        };
        wanted.then_some(path)
    })
}

/// Whether a file of a group names the controller.
fn names_memory(dir: &Path, file: &str) -> bool {
    let text = std::fs::read_to_string(dir.join(file)).unwrap_or_default();
    text.split_whitespace().any(|name| name == "memory")
}

impl Place {
    /// Looks for the place, and changes nothing.
    ///
    /// # Errors
    /// What is missing or refused, and how to unlock it.
    pub fn find() -> Result<Place, Refusal> {
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let groups = read(Path::new("/proc/self/cgroup"))?;
        Place::among(&mounts, &groups)
    }

    pub(super) fn among(mounts: &str, groups: &str) -> Result<Place, Refusal> {
        for version in [Version::One, Version::Two] {
            let Some((mount, root)) = mount(mounts, version) else { continue };
            let Some(own) = own(groups, version) else { continue };
            // Within a container the mount's root is a group of the host, which our own begins with.
            let below = own.strip_prefix(root.as_str()).unwrap_or(own).trim_start_matches('/');
            let dir = mount.join(below);
            return match version {
                Version::One => Place::writable(dir, mount, version, Ready::Yes),
                Version::Two => Place::unified(dir, mount),
            };
        }
        Err(refused(
            "find the memory controller",
            Path::new("/proc/self/mountinfo"),
            Errno::ENOENT,
            BOOT,
        ))
    }

    fn writable(
        dir: PathBuf,
        mount: PathBuf,
        version: Version,
        ready: Ready,
    ) -> Result<Place, Refusal> {
        match access(&dir, AccessFlags::W_OK) {
            Ok(()) => Ok(Place { dir, mount, version, ready, leaf: None }),
            Err(errno) => Err(refused("access(W_OK)", &dir, errno, SCOPE)),
        }
    }

    fn unified(own: PathBuf, mount: PathBuf) -> Result<Place, Refusal> {
        if !names_memory(&own, "cgroup.controllers") {
            let file = own.join("cgroup.controllers");
            return Err(refused("find memory in", &file, Errno::ENOENT, BOOT));
        }
        let ready = if names_memory(&own, "cgroup.subtree_control") {
            Some(Ready::Yes)
        } else if own == mount && !own.join("cgroup.type").exists() {
            // Only the root of the whole hierarchy has no type, and only it may hold processes, too.
            Some(Ready::HandDown)
        } else if alone_in(&own) {
            Some(Ready::MoveAndHandDown)
        } else {
            None
        };
        let here = match ready {
            Some(ready) => Place::writable(own.clone(), mount.clone(), Version::Two, ready),
            None => Err(refused(
                "write +memory to cgroup.subtree_control of",
                &own,
                Errno::EBUSY,
                SCOPE,
            )),
        };
        let hands_down = |dir: &&Path| names_memory(dir, "cgroup.subtree_control");
        let above = own.ancestors().skip(1).take_while(|dir| dir.starts_with(&mount));
        let above = above.filter(hands_down).find(|dir| access(*dir, AccessFlags::W_OK).is_ok());
        match (here, above) {
            (Err(_), Some(dir)) => Place::writable(dir.to_owned(), mount, Version::Two, Ready::Yes),
            (here, _) => here,
        }
    }

    /// Looks for the place and makes it ready.
    ///
    /// # Errors
    /// What is missing or refused, and how to unlock it.
    pub fn open() -> Result<Place, Refusal> {
        let mut place = Place::find()?;
        if place.ready == Ready::MoveAndHandDown {
            place.move_into_leaf()?;
        }
        if place.ready != Ready::Yes {
            write(&place.dir.join("cgroup.subtree_control"), "+memory")?;
        }
        Ok(place)
    }

    fn move_into_leaf(&mut self) -> Result<(), Refusal> {
        let id = std::process::id();
        let started = started_at(id).unwrap_or(0);
        let leaf = self.dir.join(format!("{PREFIX}{id}-{started}-self"));
        std::fs::create_dir(&leaf).map_err(|error| refusal("mkdir", &leaf, &error))?;
        let moved = write(&leaf.join("cgroup.procs"), &id.to_string());
        self.leaf = Some(leaf);
        moved
    }

    /// The group below which groups are made.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where its hierarchy is mounted.
    #[must_use]
    pub fn mount(&self) -> &Path {
        &self.mount
    }

    /// Which controller it is.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }
}

impl Drop for Place {
    /// Undoes a move into a leaf: the controller is taken back, or processes could not return.
    fn drop(&mut self) {
        let Some(leaf) = self.leaf.take() else { return };
        let id = std::process::id().to_string();
        let undone = write(&self.dir.join("cgroup.subtree_control"), "-memory")
            .and_then(|()| write(&self.dir.join("cgroup.procs"), &id))
            .and_then(|()| {
                std::fs::remove_dir(&leaf).map_err(|error| refusal("rmdir", &leaf, &error))
            });
        if let Err(refusal) = undone {
            eprintln!("zclab: {refusal}; the group goes with its scope");
        }
    }
}

/// Whether this is the only process of a group.
fn alone_in(group: &Path) -> bool {
    let processes = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    processes.split_whitespace().eq([std::process::id().to_string().as_str()])
}

fn write(path: &Path, text: &str) -> Result<(), Refusal> {
    std::fs::write(path, text).map_err(|error| refusal("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                          31 1 0:27 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n\
                          32 1 0:28 /docker/a /cg rw shared:5 - cgroup cgroup rw,cpu\n";

    #[test]
    fn hierarchies_are_found_among_others() {
        let found = mount(MOUNTS, Version::One);
        assert_eq!(found, Some(("/sys/fs/cgroup/memory".into(), "/".into())));
        let found = mount(MOUNTS, Version::Two);
        assert_eq!(found, Some(("/sys/fs/cgroup/unified".into(), "/".into())));
        assert_eq!(mount("1 1 0:1 / / rw - ext4 /dev/vda rw\n", Version::Two), None);
        let groups = "8:pids:/\n4:memory,hugetlb:/x/y\n0::/user.slice/a:b\n";
        assert_eq!(own(groups, Version::One), Some("/x/y"));
        assert_eq!(own(groups, Version::Two), Some("/user.slice/a:b"));
        assert_eq!(own("0::/\n", Version::One), None);
    }

    /// A folder that looks like a group of version 2.
    fn group(dir: &Path, hands_down: &str, processes: &str) -> PathBuf {
        std::fs::create_dir_all(dir).unwrap();
        let write = |file: &str, text: &str| std::fs::write(dir.join(file), text).unwrap();
        write("cgroup.controllers", "cpu memory pids\n");
        write("cgroup.subtree_control", hands_down);
        write("cgroup.procs", processes);
        write("cgroup.type", "domain\n");
        dir.to_owned()
    }

    #[test]
    fn a_group_that_hands_memory_down_is_used_as_it_is() {
        let top = tempfile::tempdir().unwrap();
        let mount = group(top.path(), "memory\n", "");
        let own = group(&mount.join("own"), "cpu memory\n", "1\n2\n");
        let place = Place::unified(own.clone(), mount).unwrap();
        assert_eq!((place.dir(), place.ready), (own.as_path(), Ready::Yes));
    }

    #[test]
    fn a_process_alone_in_its_scope_moves_aside() {
        let top = tempfile::tempdir().unwrap();
        let mount = group(top.path(), "memory\n", "");
        let own = group(&mount.join("scope"), "", &format!("{}\n", std::process::id()));
        let place = Place::unified(own.clone(), mount).unwrap();
        assert_eq!((place.dir(), place.ready), (own.as_path(), Ready::MoveAndHandDown));
    }

    #[test]
    fn in_company_the_next_group_above_is_used_and_else_it_is_refused() {
        let top = tempfile::tempdir().unwrap();
        let mount = group(top.path(), "memory\n", "");
        let slice = group(&mount.join("slice"), "memory\n", "");
        let own = group(&slice.join("session"), "", "1\n2\n");
        let place = Place::unified(own.clone(), mount.clone()).unwrap();
        assert_eq!((place.dir(), place.ready), (slice.as_path(), Ready::Yes));
        for dir in [&mount, &slice] {
            std::fs::write(dir.join("cgroup.subtree_control"), "cpu\n").unwrap();
        }
        let refusal = Place::unified(own.clone(), mount.clone()).unwrap_err();
        assert_eq!((refusal.errno, refusal.on), (Errno::EBUSY, own.clone()));
        assert!(refusal.unlock.contains("Delegate=yes"));
        std::fs::write(own.join("cgroup.controllers"), "cpu hugetlb\n").unwrap();
        let refusal = Place::unified(own, mount).unwrap_err();
        assert!(refusal.unlock.contains("boot with"), "{refusal}");
    }

    #[test]
    fn a_machine_without_the_controller_says_how_to_get_it() {
        let refusal = Place::among("1 1 0:1 / / rw - ext4 /dev/vda rw\n", "0::/\n").unwrap_err();
        assert!(refusal.unlock.contains("cgroup_enable=memory"), "{refusal}");
        let trouble = Trouble::from(refusal);
        assert_eq!((trouble.status, trouble.errno.as_deref()), (Status::Skipped, Some("ENOENT")));
    }
}
