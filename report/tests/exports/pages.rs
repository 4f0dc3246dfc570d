//! Do the formats that people read (JUnit, GitHub, Markdown) say the verdict, escaped and bounded?

use crate::made_up::Made;
use crate::support::HOSTILE;
use crate::support::gate::{Gate, Truth};
use zclab_report::export::{self, ANNOTATIONS_MAX, Format, SUMMARY_BYTES_MAX};

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[test]
fn junit_counts_what_it_holds() {
    for made in Made::all() {
        let xml = made.text(Format::Junit);
        let head = xml.lines().nth(1).expect("the root");
        let number = |name: &str| -> usize {
            let rest = head.split_once(&format!(" {name}=\"")).expect("the attribute").1;
            rest.split('"').next().expect("a value").parse().expect("a number")
        };
        assert_eq!(number("tests"), count(xml, "<testcase "), "{}", made.name);
        assert_eq!(number("failures"), count(xml, "<failure "), "{}", made.name);
        assert_eq!(number("errors"), count(xml, "<error "), "{}", made.name);
        assert!(number("tests") > 0, "{}", made.name);
        assert!(!xml.contains(HOSTILE) && !xml.contains("<img") && !xml.contains('\u{1}'));
    }
}

#[test]
fn junit_says_why_something_was_skipped() {
    let xml = Made::named("regression").text(Format::Junit);
    assert!(xml.contains(
        "<failure type=\"regression\" message=\"regression: base 16, head 17, slack 0\">"
    ));
    assert!(
        xml.contains(
            "<error type=\"invalid\" message=\"invalid: head over base 1.060 (1.056–1.064)"
        )
    );
    assert!(xml.contains("<skipped type=\"inconclusive\""));
    assert!(
        xml.contains("<skipped type=\"unsupported\" message=\"unsupported: O_DIRECT: EINVAL\">")
    );
}

#[test]
fn a_summary_begins_with_the_verdict_and_folds_its_tables() {
    let summary = Made::named("regression").text(Format::Github);
    insta::assert_snapshot!(summary);
    assert!(summary.starts_with("# ❌ zclab gate: regression\n\nSender CPU rose by 6 %"));
    for made in Made::all() {
        let text = made.text(Format::Github);
        assert_eq!(count(text, "<details>"), count(text, "</details>"), "{}", made.name);
        assert!(text.len() <= SUMMARY_BYTES_MAX);
        for sign in ["<img", "<b>", "@", "</script"] {
            assert!(!text.contains(sign), "{}: {sign}", made.name);
        }
    }
}

#[test]
fn every_row_has_as_many_cells_as_its_header() {
    for made in Made::all() {
        for format in [Format::Github, Format::Markdown] {
            let text = made.text(format);
            let mut columns = None;
            let mut rows = 0;
            for line in text.lines() {
                let bare = line.replace("\\\\", "").replace("\\|", "");
                let cells = bare.starts_with('|').then(|| count(&bare, "|"));
                if let (Some(cells), Some(columns)) = (cells, columns) {
                    assert_eq!(cells, columns, "{}: {line}", made.name);
                    rows += 1;
                }
                columns = cells;
            }
            assert!(rows > 0, "{}", made.name);
        }
    }
}

/// A gate of 6,000 cells without samples, each of which has got worse.
fn huge() -> Made {
    let mut gate = Gate::default().sized(0, 0);
    for n in 0..6000 {
        gate.cell(&format!("many/{}", n / 500), &format!("sendfile-{n}"), &Truth::default());
    }
    Made::gate("huge", &gate.end())
}

#[test]
fn a_summary_never_gets_as_large_as_github_drops() {
    let huge = huge();
    let text = huge.text(Format::Github);
    assert!(text.len() <= SUMMARY_BYTES_MAX && text.len() > SUMMARY_BYTES_MAX / 2);
    assert_eq!(count(text, "<details>"), count(text, "</details>"));
    let note = text.lines().last().expect("a note");
    assert!(note.contains("lines were left out"), "{note}");
    let left_out: usize = note.split(' ').next().expect("a number").parse().expect("a number");
    let shown =
        text.lines().filter(|line| line.starts_with("* ") || line.starts_with("| ")).count();
    assert!(left_out > 1000 && shown > 1000, "{left_out} {shown}");
    assert_eq!(count(huge.text(Format::Markdown), "\n| ❌"), 1200);
}

#[test]
fn annotations_are_escaped_and_not_more_than_github_shows() {
    let commands = export::commands(&huge().suite);
    let of = |level: &str| commands.lines().filter(|line| line.starts_with(level)).count();
    assert_eq!(of("::error title="), ANNOTATIONS_MAX);
    assert_eq!(of("::warning title="), ANNOTATIONS_MAX);
    assert_eq!(commands.lines().count(), 2 * ANNOTATIONS_MAX);

    let record = export::commands(&Made::named("regression").suite);
    let first = record.lines().next().expect("an error");
    let (properties, message) =
        first.strip_prefix("::error ").and_then(|rest| rest.split_once("::")).expect("a command");
    assert_eq!(properties, "title=zclab%3A regression of sendfile");
    assert!(
        message.starts_with(
            "quick/size/sendfile/cache=warm,fetch=65536: sendfile: 6 %25 more, | said"
        )
    );
    let hostile = export::commands(&Made::named("hostile gate").suite);
    assert!(hostile.lines().all(|line| line.starts_with("::")), "a line of its own: {hostile}");
}
