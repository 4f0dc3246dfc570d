//! Are the kernel's numbers read as they are written, is a limit a limit, and is nothing left behind?

use super::*;

#[test]
fn numbers_are_read_by_their_whole_name() {
    let text = "cache 12\ncache_x 13\nrss 7\nrss_huge 0\noom_kill_disable 0\noom_kill 3\n";
    assert_eq!(field(text, "cache"), Some(12));
    assert_eq!(field(text, "rss"), Some(7));
    assert_eq!(field(text, "oom_kill"), Some(3));
    assert_eq!(field(text, "file"), None);
}

#[test]
fn a_name_says_who_made_it() {
    assert_eq!(maker("zclab-12-3456-0"), Some((12, 3456)));
    assert_eq!(maker("zclab-12-3456-self"), Some((12, 3456)));
    assert_eq!(maker("zclab-x-1-0"), None);
    assert_eq!(maker("user.slice"), None);
    let own = std::process::id();
    assert!(started_at(own).is_some_and(|ticks| ticks > 0));
    assert_eq!(started_at(u32::MAX), None);
}

/// The place, or nothing where no group can be made here.
fn place() -> Option<Place> {
    match Place::open() {
        Ok(place) => Some(place),
        Err(refusal) => {
            println!("SKIPPED: groups with little memory: {refusal}");
            None
        }
    }
}

#[test]
fn a_process_in_a_group_has_no_more_page_cache_than_its_limit() {
    let Some(place) = place() else { return };
    let dir = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, vec![7u8; 32 << 20]).unwrap();
    crate::cache::Watched::open(&path).unwrap().evict().unwrap();
    let group = match Group::make(&place, Some(16 << 20)) {
        Ok(group) => group,
        Err(refusal) => return println!("SKIPPED: a group: {refusal}"),
    };
    assert_eq!(group.limit_bytes(), Some(16 << 20));
    // It waits for its first line, so that it can be moved before it reads.
    let mut reader = std::process::Command::new("sh")
        .arg("-c")
        .arg("read go; cat \"$0\" >/dev/null; echo done; read go")
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    group.add(reader.id()).unwrap();
    use std::io::{Read, Write};
    reader.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut done = [0u8; 5];
    reader.stdout.as_mut().unwrap().read_exact(&mut done).unwrap();
    let stat = group.stat();
    let file = stat.file_bytes.unwrap();
    assert!((1 << 20..=16 << 20).contains(&file), "{stat:?}");
    assert!(stat.peak_bytes.is_none_or(|peak| peak <= 16 << 20), "{stat:?}");
    assert!(stat.limit_hits.unwrap() > 0, "{stat:?}");
    assert_eq!(stat.killed.unwrap_or(0), 0, "{stat:?}");
    reader.kill().unwrap();
    reader.wait().unwrap();
    let dir = group.dir().to_owned();
    drop(group);
    assert!(!dir.exists(), "{} is left", dir.display());
}

#[test]
fn groups_of_the_dead_are_swept_and_those_of_the_living_stay() {
    let Some(place) = place() else { return };
    let Ok(group) = Group::make(&place, Some(16 << 20)) else { return };
    // No process has this id: it exceeds what kernels give out.
    let dead = place.dir().join("zclab-4194999-1-0");
    std::fs::create_dir(&dead).unwrap();
    let said = sweep(&place);
    assert!(said.iter().any(|line| line.contains("zclab-4194999-1-0")), "{said:?}");
    assert!(!dead.exists() && group.dir().exists());
}
