//! Is everything that goes wrong reported as one call, one place in the file and one errno?

use crate::world::{Manner, Near, SOURCES, Set, Watchdog, drive, file, noise, open, say};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;
use zclab_strategies::ingest::ALL;
use zclab_strategies::{CallError, Ingest, Intake, SinkKind};

/// An ingest that is expected to fail: the error, and how far the file came.
fn failing(
    strategy: &dyn Ingest,
    (kind, manner): (SinkKind, Manner),
    file: &File,
    fetches: &[u64],
) -> Option<(CallError, u64)> {
    let what = format!("{} from {kind:?} {manner:?}", strategy.name());
    let _watchdog = Watchdog::over(what.clone());
    let total: u64 = fetches.iter().sum();
    let near = Near::open(kind, manner, noise(total as usize, 7));
    let most = fetches.iter().copied().max().unwrap_or(0);
    let mut engine = open(strategy, near.source, file, [total, most], &Set::new())?;
    let mut intake = Intake::new(near.source);
    fetches.iter().for_each(|&len| intake.push(len));
    let Err(error) = drive(&mut *engine, &mut intake) else { panic!("{what}: did not fail") };
    let kept = total - intake.remaining().0;
    assert_eq!((error.segment, error.offset_bytes), (0, kept), "{what}: {error}");
    drop(engine);
    near.close();
    Some((error, kept))
}

#[test]
fn a_sender_that_leaves() {
    for strategy in ALL {
        for kind in SOURCES {
            for nonblocking in [false, true] {
                for left in [0, 1, 70_001, 100_000] {
                    let (file, _) = file(env!("CARGO_TARGET_TMPDIR"), 0);
                    let leaves_after = Some(left as usize);
                    let manner = Manner { leaves_after, nonblocking, ..Manner::PLAIN };
                    let fetches = [70_000, 60_000];
                    let Some((error, kept)) = failing(*strategy, (kind, manner), &file, &fetches)
                    else {
                        continue;
                    };
                    let what = format!("{} {kind:?} after {left}: {error}", strategy.name());
                    let gone = [Errno::ENODATA, Errno::ECONNRESET].contains(&error.errno);
                    assert!(gone, "{what}");
                    assert_eq!(kept, left, "{what}: what came before is in the file");
                    if strategy.keeps() {
                        let mut found = vec![0; kept as usize];
                        file.read_exact_at(&mut found, 0).unwrap();
                        assert!(found == noise(130_000, 7)[..found.len()], "{what}");
                    }
                }
            }
        }
    }
}

/// A file system of a mebibyte, in memory, that goes with the test.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Result<Small, Errno> {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = CString::new(dir.path().as_os_str().as_bytes()).unwrap();
        let (kind, size) = (c"tmpfs".as_ptr(), c"size=1m".as_ptr());
        // SAFETY: all four texts end in zero and outlive the call, which only reads them.
        let answer = unsafe { libc::mount(kind, path.as_ptr(), kind, 0, size.cast()) };
        Errno::result(answer).map(|_| Small(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let path = CString::new(self.path().as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends in zero and outlives the call, which only reads it.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

#[test]
fn a_disk_that_is_full() {
    let small = match Small::new() {
        Ok(small) => small,
        Err(errno) => {
            return say(&format!("SKIPPED: a full disk: mount(tmpfs): {errno}: needs root"));
        }
    };
    for strategy in ALL.iter().filter(|strategy| strategy.keeps()) {
        for kind in SOURCES {
            let file = tempfile::tempfile_in(small.path()).unwrap();
            let failed = failing(*strategy, (kind, Manner::PLAIN), &file, &[3 << 20]);
            let Some((error, kept)) = failed else { continue };
            let what = format!("{} {kind:?}: {error}", strategy.name());
            // Through a mapping only the kernel touches the page that cannot be had.
            let full = if strategy.needs_length() { Errno::EFAULT } else { Errno::ENOSPC };
            assert_eq!(error.errno, full, "{what}");
            assert!((512 << 10..=1 << 20).contains(&kept), "{what}: {kept} bytes are in the file");
            let mut found = vec![0; kept as usize];
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(found == noise(3 << 20, 7)[..found.len()], "{what}: what the file has");
        }
    }
}
