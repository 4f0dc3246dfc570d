//! The scenarios that come with zclab are right, say what they ask, and fit their purpose.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use zclab::scenario::{Scenario, load, load_shipped, shipped_names, shipped_text};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn all() -> Vec<Scenario> {
    load_shipped().unwrap_or_else(|bad| panic!("{bad}"))
}

fn group(name: &str) -> Vec<Scenario> {
    let prefix = format!("{name}/");
    all().into_iter().filter(|scenario| scenario.name.starts_with(&prefix)).collect()
}

#[test]
fn every_one_is_right_and_says_what_it_asks() {
    let all = all();
    assert_eq!(all.len(), shipped_names().len());
    for scenario in &all {
        let name = &scenario.name;
        assert!(scenario.question.ends_with('?'), "{name}: {}", scenario.question);
        assert!(scenario.analysis.len() > 100, "{name} has no analysis");
        let ids: BTreeSet<String> = scenario.cells().map(|cell| cell.id()).collect();
        assert_eq!(ids.len(), scenario.cells().count(), "{name}");
        let baseline = scenario.contenders.iter().find(|one| one.label == scenario.baseline);
        assert!(baseline.is_some_and(|one| one.strategy.moves_the_log()), "{name}");
    }
}

#[test]
fn those_in_the_program_are_those_on_disk() {
    let on_disk = load(&[folder().to_str().expect("UTF-8").to_owned()]).expect("they load");
    let names: Vec<&str> = on_disk.iter().map(|scenario| scenario.name.as_str()).collect();
    assert_eq!(names, shipped_names());
    for scenario in &on_disk {
        assert_eq!(shipped_text(&scenario.name), Some(scenario.source.as_str()));
    }
}

#[test]
fn groups_and_names_lead_to_them() {
    let load = |name: &str| load(&[name.to_owned()]).expect("it loads").len();
    assert_eq!(load("quick"), 4);
    assert_eq!(load("quick/"), 4);
    assert_eq!(load("quick/size"), 1);
    assert!(load("consume") >= 4);
}

#[test]
fn the_quick_ones_share_a_log_and_take_two_minutes() {
    let quick = group("quick");
    let logs: Vec<_> = quick.iter().flat_map(Scenario::generated_logs).collect();
    assert!(logs.iter().all(|log| *log == logs[0]), "{logs:#?}");
    assert!(logs[0].total_bytes <= 256 << 20);
    let seconds: u64 = quick.iter().map(|one| one.estimate().wall_ns / 1_000_000_000).sum();
    assert!(seconds <= 120, "{seconds} s");
}

#[test]
fn the_checks_are_small_and_use_the_whole_catalogue() {
    for scenario in group("check") {
        for log in scenario.generated_logs() {
            assert!(log.total_bytes <= 16 << 20, "{}", scenario.name);
        }
        // A family has few members, the whole catalogue many: the one is bounded by cells, the other by
        // conditions.
        let few = scenario.cells().count() <= 150 || scenario.conditions.len() <= 21;
        assert!(few, "{}", scenario.name);
    }
}

#[test]
fn overhead_pairs_every_bare_loop_with_its_strategy() {
    let group = group("overhead");
    assert_eq!(group.len(), zclab::trial::bare::NAMES.len());
    for scenario in group {
        let (bare, full): (Vec<_>, Vec<_>) = scenario.contenders.iter().partition(|one| one.bare);
        assert_eq!((bare.len(), full.len()), (1, 1), "{}", scenario.name);
        assert_eq!(bare[0].strategy.name(), full[0].strategy.name(), "{}", scenario.name);
        assert_eq!(scenario.baseline, bare[0].label, "{}", scenario.name);
    }
}

#[test]
fn every_sink_receiver_and_kind_of_access_and_cache_is_checked() {
    let seen: BTreeSet<String> = [group("check"), group("routes")]
        .iter()
        .flatten()
        .flat_map(|scenario| scenario.conditions.clone())
        .flat_map(|condition| {
            [
                condition.sink.name().to_owned(),
                condition.receiver.name().to_owned(),
                condition.access.name(),
                condition.cache.name(),
                condition.filesystem.name().to_owned(),
            ]
        })
        .collect();
    for sink in zclab_strategies::SinkKind::ALL {
        assert!(seen.contains(sink.name()), "{} in {seen:?}", sink.name());
    }
    for word in [
        "ext4",
        "xfs",
        "btrfs",
        "tmpfs",
        "copy",
        "discard",
        "sequential",
        "random",
        "zipf:1.1",
        "warm",
        "cold",
        "partial:0.5",
    ] {
        assert!(seen.contains(word), "{word} in {seen:?}");
    }
}
