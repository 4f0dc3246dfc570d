//! Is the catalogue what lists, help and pages may rely on, and are the claims what a byte can do?

use std::collections::HashSet;
use std::path::PathBuf;
use zclab_strategies::ingest::{ALL, find};
use zclab_strategies::{Entry, Family, IngestRoute, Mover, OptionValue, Pages, Place, SinkKind};

#[test]
fn names_are_unique_among_all_families() {
    let names: Vec<&str> =
        Family::ALL.iter().flat_map(|family| family.entries()).map(Entry::name).collect();
    assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    for strategy in ALL {
        let name = strategy.name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        assert_eq!(find(name).map(|found| found.name()), Some(name));
        let family = Entry::find(name).map(Entry::family);
        assert_eq!(family == Some(Family::Ingest), strategy.keeps(), "{name}");
    }
    assert!(find("no-such-strategy").is_none());
}

#[test]
fn a_file_opens_with_its_question() {
    for strategy in ALL {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/ingest");
        let file = folder.join(strategy.name().replace('-', "_")).with_extension("rs");
        let text = std::fs::read_to_string(&file).unwrap();
        let first = text.lines().next().unwrap();
        assert_eq!(first, format!("//! {}", strategy.question()), "{}", file.display());
        assert!(text.contains("\n//! Timed: "), "{}: what is timed?", file.display());
    }
}

#[test]
fn options_accept_their_defaults_and_refuse_what_is_out_of_bounds() {
    for spec in ALL.iter().flat_map(|strategy| strategy.options()) {
        assert_eq!(spec.check(&spec.default_value()), Ok(()), "{}", spec.name);
        assert!(spec.check(&OptionValue::Number(u64::MAX)).is_err());
        assert!(spec.check(&OptionValue::Word("no such word".to_owned())).is_err());
    }
}

/// CPU copies per byte on this side, from packets of shares of pages.
const COPIES: [(&str, f64); 6] = [
    ("recv-write", 2.0),
    ("mmap-recv", 1.0),
    ("splice-in", 1.0),
    ("uring-recv-write", 2.0),
    ("recv-drop", 1.0),
    ("zerocopy-receive", 1.0),
];

#[test]
fn hops_follow_each_other_from_the_wire_to_the_device() {
    assert_eq!(ALL.len(), COPIES.len());
    for (name, copies) in COPIES {
        let strategy = find(name).unwrap();
        for source in [SinkKind::TcpLoopback, SinkKind::UnixStream] {
            for (pages, durable) in [(Pages::None, false), (Pages::All, false), (Pages::None, true)]
            {
                let route = IngestRoute { source, pages, durable };
                let path = strategy.path(&route);
                let what = format!("{name} on {route:?}: {path:#?}");
                assert!(path.hops.windows(2).all(|pair| pair[0].to == pair[1].from), "{what}");
                let mapped = name == "zerocopy-receive" && pages == Pages::All;
                let copies = if mapped { 0.0 } else { copies };
                assert_eq!(path.sender_copies_per_byte() + 0.0, copies, "{what}");
                let first = path.hops.first().unwrap().from;
                let wire = source == SinkKind::TcpLoopback;
                assert_eq!(first, if wire { Place::Wire } else { Place::SocketBuffer }, "{what}");
                let last = path.hops.last().unwrap();
                let end = match (strategy.keeps(), durable) {
                    (false, _) => Place::UserBuffer,
                    (true, false) => Place::PageCache,
                    (true, true) => Place::Disk,
                };
                assert_eq!(last.to, end, "{what}");
                assert_eq!(last.by == Mover::Device, end == Place::Disk, "{what}");
            }
        }
    }
}
