//! How does a log come to lie on a file system that this machine has no disk for?
//!
//! Root makes one: an image without a name in the folder of logs, a loop device that reads it by direct
//! I/O (or else its file's page cache would answer for a cold device), the file system's own `mkfs`, and
//! a mount in a mount namespace that only this run and its children live in. Nothing of it has a name
//! outside, and all of it is held by processes: whatever ends them ends mount, loop device and image.
//! The mount points stay, as empty folders: removing one would take the mount away from another run.

mod loop_device;

pub use loop_device::below;

use crate::scenario::{FileSystem, LogChoice, Scenario};
use crate::trial::sinks::{die_with_parent, io};
use crate::trial::wire::Trouble;
use loop_device::LoopDevice;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use zclab_report::record::Status;

/// An image has at least so many bytes: mkfs.xfs takes no less than 300 MiB.
const IMAGE_BYTES_MIN: u64 = 512 << 20;

/// What a file system needs beside the logs: journals, and copies for the aliasing probe.
const SPARE_BYTES: u64 = 256 << 20;

/// No `mkfs` takes longer, or it is killed.
const MKFS_LIMIT: Duration = Duration::from_secs(60);

/// The file systems of a run, made when they are first asked for.
pub struct Volumes {
    logs: PathBuf,
    needs: HashMap<FileSystem, u64>,
    apart: Option<Result<(), Trouble>>,
    places: HashMap<FileSystem, Result<PathBuf, Trouble>>,
}

impl Volumes {
    /// Those that these scenarios ask for. Nothing is made yet.
    #[must_use]
    pub fn new(logs: &Path, scenarios: &[Scenario]) -> Volumes {
        let mut wanted: Vec<(FileSystem, &LogChoice)> = Vec::new();
        for condition in scenarios.iter().flat_map(|scenario| &scenario.conditions) {
            let one = (condition.filesystem, &condition.log);
            if !wanted.contains(&one) {
                wanted.push(one);
            }
        }
        let mut needs = HashMap::new();
        for (filesystem, log) in wanted {
            let LogChoice::Kafka(spec) = log else { continue };
            *needs.entry(filesystem).or_insert(0) += spec.total_bytes;
        }
        Volumes { logs: logs.to_owned(), needs, apart: None, places: HashMap::new() }
    }

    /// A folder for logs on this file system.
    ///
    /// # Errors
    /// Why there is none: `skipped` where a privilege or a program is missing.
    pub fn place(&mut self, filesystem: FileSystem) -> Result<PathBuf, Trouble> {
        if filesystem == FileSystem::Here {
            return Ok(self.logs.clone());
        }
        if let Some(place) = self.places.get(&filesystem) {
            return place.clone();
        }
        let place = self.apart.get_or_insert_with(apart).clone();
        let place = place.and_then(|()| self.make(filesystem));
        self.places.insert(filesystem, place.clone());
        place
    }

    fn make(&self, filesystem: FileSystem) -> Result<PathBuf, Trouble> {
        let name = filesystem.name();
        let point = self.logs.join("filesystems").join(name);
        let shown = point.display().to_string();
        std::fs::create_dir_all(&point).map_err(|error| io("mkdir", &shown, &error))?;
        let needs = self.needs.get(&filesystem).copied().unwrap_or(0);
        let bytes = (needs + needs / 4 + SPARE_BYTES).max(IMAGE_BYTES_MIN);
        if filesystem == FileSystem::Tmpfs {
            let size = format!("size={bytes}");
            let none = Some("zclab");
            mount(none, &point, Some(name), MsFlags::empty(), Some(size.as_str()))
                .map_err(|errno| skipped(Trouble::call("mount(tmpfs)", &shown, errno)))?;
            return Ok(point);
        }
        let folder = self.logs.display().to_string();
        let image =
            tempfile::tempfile_in(&self.logs).map_err(|error| io("open", &folder, &error))?;
        image.set_len(bytes).map_err(|error| io("ftruncate", "an image", &error))?;
        let device = LoopDevice::attach(&image).map_err(skipped)?;
        make_filesystem(filesystem, &device.path)?;
        mount(Some(&device.path), &point, Some(name), MsFlags::empty(), None::<&str>)
            .map_err(|errno| skipped(Trouble::call(&format!("mount({name})"), &shown, errno)))?;
        // From here on the mount holds the device, and the device the image.
        Ok(point)
    }
}

/// Gives this process mounts of its own. It still sees what others mount and unmount.
fn apart() -> Result<(), Trouble> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| skipped(Trouble::call("unshare(CLONE_NEWNS)", "this process", errno)))?;
    let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
        .map_err(|errno| skipped(Trouble::call("mount(MS_SLAVE)", "/", errno)))
}

/// A file system that cannot be made here is no failure of a strategy.
fn skipped(trouble: Trouble) -> Trouble {
    let message =
        format!("{}; other file systems are made by root, with loop devices", trouble.message);
    Trouble { status: Status::Skipped, message, ..trouble }
}

/// The program that makes a file system, its arguments, and the Debian package that has it.
fn program(filesystem: FileSystem) -> (&'static str, &'static [&'static str], &'static str) {
    match filesystem {
        // Tables that are filled in later would be written while something is measured.
        FileSystem::Ext4 => (
            "mkfs.ext4",
            &["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"],
            "e2fsprogs",
        ),
        FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f"], "xfsprogs"),
        FileSystem::Btrfs => ("mkfs.btrfs", &["-q", "-f"], "btrfs-progs"),
        FileSystem::Here | FileSystem::Tmpfs => ("true", &[], "coreutils"),
    }
}

fn make_filesystem(filesystem: FileSystem, device: &Path) -> Result<(), Trouble> {
    let (name, arguments, package) = program(filesystem);
    // Root's own programs are not on everybody's path.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut command = Command::new(name);
    command.args(arguments).arg(device).env("PATH", path);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    die_with_parent(&mut command, nix::unistd::getpid());
    let mut process = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("{name} is not installed: the package {package} has it");
            return Err(Trouble { status: Status::Skipped, ..Trouble::failed(message) });
        }
        spawned => spawned.map_err(|error| io("spawn", name, &error))?,
    };
    let status = within(&mut process, MKFS_LIMIT).map_err(|error| io("wait", name, &error))?;
    if status == Some(true) {
        return Ok(());
    }
    let mut words = String::new();
    if let Some(stderr) = &mut process.stderr {
        // Its last words are a help, not a need.
        let _ = stderr.read_to_string(&mut words);
    }
    let how = if status.is_none() { "took too long" } else { "failed" };
    Err(Trouble::failed(format!("{name} {how}: {}", words.trim().replace('\n', "; "))))
}

/// Whether a process ended well; nothing when it had to be killed.
fn within(process: &mut Child, limit: Duration) -> std::io::Result<Option<bool>> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status.success()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    process.kill()?;
    process.wait()?;
    Ok(None)
}
