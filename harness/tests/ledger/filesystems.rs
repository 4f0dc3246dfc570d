//! Is the log told from other files on every file system, and its share on the wire right?
//!
//! Loop devices and mounts live in a mount namespace of the test's own: they go with its thread.

use crate::lab::{finish, lines, of_kind, scenario, zclab};
use crate::support::ledger;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Runs a command of the set-up; false, with a line, when it cannot be done here.
fn can(what: &str, command: &str) -> bool {
    let output = Command::new("sh").args(["-ec", command]).output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
        println!("SKIPPED: a log on {what}: {said}");
    }
    output.status.success()
}

/// In a thread with mounts of its own.
fn apart(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        let flags = nix::sched::CloneFlags::CLONE_NEWNS | nix::sched::CloneFlags::CLONE_FS;
        if let Err(errno) = nix::sched::unshare(flags) {
            println!("SKIPPED: a log on other file systems: unshare(CLONE_NEWNS): {errno}");
        } else if can("other file systems", "mount --make-rprivate /") {
            test();
        }
    })
    .join()
    .unwrap();
}

/// Asks `doctor --prove` about this folder, whose answer has to be yes.
fn proven(on: &Path, what: &str) {
    let mut command = zclab();
    command.args(["doctor", "--prove", "--json"]).arg(on);
    let (output, out, err) = finish(&mut command, Duration::from_secs(120));
    assert_eq!(output.status.code(), Some(0), "{what}: {out}{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["zero_copy"], "yes", "{what}: {out}");
    let proofs = said["places"][0]["proofs"].as_array().unwrap();
    for proof in proofs.iter().filter(|proof| proof["strategy"] == "sendfile") {
        // A device that may not gather fragments gets a copy of them, whatever the file system.
        let gathers = proof["route"] != "tcp-veth no-gather";
        let expected = if gathers { "shared" } else { "copied" };
        assert_eq!(proof["found"], expected, "{what}: {proof}");
    }
}

/// Checks read-write, sendfile and splice on a log in this folder: each agrees, and all of what was
/// spliced is of the log.
fn observed(on: &Path, what: &str) {
    let scenarios = tempfile::tempdir().unwrap();
    let strategies = "\"read-write\", \"sendfile\", \"splice\"";
    let budget = "launches = 1\nturns = 1\nslice = \"2 MiB\"";
    let file = scenario(scenarios.path(), "fs", strategies, "fetch = \"64 KiB\"", budget);
    let mut command = zclab();
    command.arg("check").arg(file).arg("--quiet").arg("--results").arg(on);
    let (output, out, err) = finish(&mut command, Duration::from_secs(120));
    assert_eq!(output.status.code(), Some(0), "{what}: {out}{err}");
    proven(on, what);
    let record = out.lines().find_map(|line| line.strip_prefix("record: ")).unwrap();
    let record = lines(Path::new(record));
    let ledgers = of_kind(&record, "ledger");
    assert_eq!(ledgers.len(), 3);
    for ledger in ledgers {
        let cell = ledger["cell"].as_str().unwrap();
        if ledger["agreement"] == "unobserved" {
            // Older kernels cannot name the file that has an overlay's pages; nothing else may be open.
            let reason = ledger["reason"].as_str().unwrap();
            assert!(
                what.contains("overlayfs") && reason.contains("tracepoints"),
                "{what}: {reason}"
            );
            println!("SKIPPED: a log on {what}: {reason}");
            continue;
        }
        assert_eq!(ledger["agreement"], "agrees", "{what}, {cell}: {ledger}");
        let wire = |class: &str| -> u64 {
            let bytes: &Value = &ledger["counts"][format!("wire_{class}_bytes")];
            bytes.as_u64().unwrap_or(0)
        };
        let payload = ledger["payload_bytes"].as_u64().unwrap();
        let expected = if cell.contains("/read-write/") { 0 } else { payload };
        assert_eq!((wire("log"), wire("file")), (expected, 0), "{what}, {cell}");
    }
}

fn on_a_loop_device(what: &'static str, mkfs: &'static str, inside: &'static str) {
    if ledger(what).is_none() {
        return;
    }
    apart(move || {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let at = dir.path().display();
        let made = format!(
            "truncate -s 512M {at}/image; {mkfs} {at}/image; mkdir {at}/mnt; \
             mount -o loop {at}/image {at}/mnt; {}",
            inside.replace("MNT", &format!("{at}/mnt"))
        );
        if can(what, &made) {
            observed(&dir.path().join("mnt/results"), what);
        }
        // The loop device clears itself when its mount goes.
        let _ = Command::new("umount").arg("-l").arg(dir.path().join("mnt")).status();
    });
}

#[test]
fn ext4() {
    on_a_loop_device("ext4", "mkfs.ext4 -q", "mkdir MNT/results");
}

#[test]
fn xfs() {
    on_a_loop_device("xfs", "mkfs.xfs -q", "mkdir MNT/results");
}

#[test]
fn btrfs_in_a_subvolume() {
    on_a_loop_device("btrfs", "mkfs.btrfs -q", "btrfs subvolume create MNT/results >/dev/null");
}

#[test]
fn tmpfs() {
    if ledger("tmpfs").is_none() {
        return;
    }
    apart(|| {
        let dir = tempfile::tempdir().unwrap();
        if can("tmpfs", &format!("mount -t tmpfs none {}", dir.path().display())) {
            observed(dir.path(), "tmpfs");
            let _ = Command::new("umount").arg("-l").arg(dir.path()).status();
        }
    });
}

#[test]
fn overlayfs_above_and_below() {
    if ledger("overlayfs").is_none() {
        return;
    }
    apart(|| {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let at = dir.path().display();
        let made = format!(
            "mkdir {at}/lower {at}/layers {at}/over; mount -t tmpfs none {at}/layers; \
             mkdir {at}/layers/upper {at}/layers/work"
        );
        let mounted = format!(
            "mount -t overlay none -o lowerdir={at}/lower,upperdir={at}/layers/upper,\
             workdir={at}/layers/work {at}/over"
        );
        if !can("overlayfs", &made) {
            return;
        }
        // The log is made below the overlay first, and found there through it.
        observed(&dir.path().join("lower"), "a file system to be overlaid");
        if can("overlayfs", &mounted) {
            observed(&dir.path().join("over"), "overlayfs, a log in the lower layer");
            std::fs::remove_dir_all(dir.path().join("over/logs")).unwrap();
            observed(&dir.path().join("over"), "overlayfs, a log in the upper layer");
        }
        for mount in ["over", "layers"] {
            let _ = Command::new("umount").arg("-l").arg(dir.path().join(mount)).status();
        }
    });
}
