//! Is it said by rule what a cold scan does to hot consumers, and shown what it rests on?

#[path = "support/html.rs"]
mod html;
mod support;

use support::pressed;
use zclab_report::hot::{DURING, Hot};
use zclab_report::record::{Line, Measured, Record, reading};
use zclab_report::{page, study, verdict};

fn cell<'a>(record: &'a Record, label: &str) -> &'a Measured {
    let of = |one: &&Measured| one.cell.as_ref().is_some_and(|cell| cell.label == label);
    record.cells.iter().find(of).expect("the cell")
}

fn sentence(record: &Record) -> String {
    let studies = study::studies(record);
    verdict::answer(&studies[0]).panels[0].sentence.clone()
}

#[test]
fn numbers_are_those_of_the_record() {
    let record = pressed(5).record();
    let hot = Hot::of(cell(&record, "read-write")).expect("hot consumers");
    let p99 = hot.during().p99().expect("five launches");
    assert_eq!(p99.launches, 5);
    assert!((17.0e6..19.0e6).contains(&p99.point), "{p99:?}");
    let before = hot.phases[0].p99().expect("five launches");
    assert!((380e3..420e3).contains(&before.point), "{before:?}");
    let share = hot.phases[DURING].share().expect("readings");
    assert!((share.point - 0.34).abs() < 0.001, "{share:?}");
    assert_eq!(hot.during().stayed(), Some(false));
    let past = Hot::of(cell(&record, "direct-write depth=8")).expect("hot consumers");
    assert_eq!(past.during().stayed(), Some(true));
    assert_eq!(hot.phases[2].latency.as_ref().expect("a histogram").fetches, 5000);
}

#[test]
fn a_cell_without_hot_consumers_has_none() {
    let record = support::showcase().record();
    assert!(record.cells.iter().all(|cell| Hot::of(cell).is_none()));
    let pages = page::site(&record);
    assert!(pages.iter().all(|(_, text)| !text.contains("hot consumers")));
}

#[test]
fn the_answer_names_who_spares_them_and_what_the_others_push_out() {
    let said = sentence(&pressed(5).record());
    let begin = "Hot consumers wait least beside a scan by direct-write depth=8: p99 ";
    assert!(said.starts_with(begin), "{said}");
    assert!(said.contains("times less than beside read-write ("), "{said}");
    let end = "direct-write depth=8 leaves the hot set in memory; at worst the others push out of it: \
               sendfile 100\u{a0}%, mmap-write 95\u{a0}%";
    assert!(said.contains(end), "{said}");
    assert!(said.ends_with("read-write 66\u{a0}%."), "{said}");
}

#[test]
fn one_launch_names_nobody() {
    let said = sentence(&pressed(1).record());
    assert_eq!(
        said,
        "No winner can be named: the intervals of the hot consumers' p99 during the scan overlap."
    );
}

#[test]
fn a_scan_too_short_to_be_looked_at_claims_nothing_of_residency() {
    let mut builder = pressed(5);
    for line in &mut builder.lines {
        if let Line::Sample(sample) = line {
            sample.readings.remove(reading::HOT_RESIDENT_BYTES_DURING);
        }
    }
    let record = builder.record();
    let said = sentence(&record);
    assert!(said.contains("wait least") && !said.contains("hot set"), "{said}");
    let text = &page::site(&record)[1].1;
    assert!(text.contains("nobody looked in this phase"), "the table says why");
}

#[test]
fn the_page_shows_the_phases_and_the_floor() {
    let pages = page::site(&pressed(5).record());
    if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
        let folder = std::path::Path::new(&folder).join("pressed");
        std::fs::create_dir_all(&folder).expect("a folder");
        for (file, text) in &pages {
            std::fs::write(folder.join(file), text).expect("a file");
        }
    }
    let text = &pages[1].1;
    html::read(text);
    for words in ["p0-hot-p99", "p0-hot-resident", "share 96 MiB of memory", "1000 each second"] {
        assert!(text.contains(words), "{words}");
    }
    assert!(text.contains("Beside null, which reads nothing, the p99 is"), "the floor");
    assert!(text.contains("The scan itself: "), "and what the scan costs");
    insta::assert_snapshot!("pressed_page", html::skeleton(text));
}
