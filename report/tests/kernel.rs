//! Do tables and exports say what the kernel was seen to do, and never 0 for what nobody saw?

mod support;

use zclab_report::metric::kernel::Witness;
use zclab_report::metric::{Metric, Provenance};
use zclab_report::record::{Line, Record};
use zclab_report::study::studies;
use zclab_report::{page, table};

fn row_of<'a>(page: &'a str, contender: &str, x: &str) -> &'a str {
    let table = page.split("-kernel\"").nth(1).expect("the kernel's table");
    let head = format!("<tr class=\"\" data-contender=\"{contender}\" data-x=\"{x}\"");
    let start = table.find(&head).unwrap_or_else(|| panic!("no row {head}"));
    table[start..].split("</tr>").next().expect("a row")
}

#[test]
fn the_kernels_table_has_copies_calls_and_judgement() {
    let pages = page::site(&support::witnessed().record());
    let size = &pages[1].1;
    let agrees = row_of(size, "read-write", "64 KiB");
    for text in [">2.00<", "✓ agrees", "sendto 32.0, pread64 16.0", ">96.0<", ">1.00<"] {
        assert!(agrees.contains(text), "{text}: {agrees}");
    }
    let wrong = row_of(size, "sendfile", "64 KiB");
    assert!(wrong.contains("0 claimed") && wrong.contains("✗ contradicts"), "{wrong}");
    let caption = size.split("What the kernel did, seen").nth(1).expect("a caption");
    let caption = caption.split("</caption>").next().expect("its end");
    assert!(caption.contains("Zero in every cell: wire: linear parts"), "{caption}");
    assert!(pages[2].1.contains("What the kernel did: unavailable"), "the others have none");
}

#[test]
fn mode_switches_are_the_kernels_where_it_has_them() {
    let record = support::witnessed().record();
    let studies = studies(&record);
    let at = |study: usize| studies[study].panels[0].points[0].row("read-write").expect("a row");
    let figure = |study: usize| at(study).figures[&Metric::ModeSwitches].clone();
    assert_eq!(figure(0).provenance(), Provenance::Observed);
    assert_eq!(figure(0).median(), Some(96.0));
    assert_eq!(figure(1).provenance(), Provenance::Counted);
}

/// The record with a hole: this kernel has no program for switches.
fn blind() -> Record {
    let mut builder = support::witnessed();
    for line in &mut builder.lines {
        if let Line::Ledger(ledger) = line {
            ledger.counts.retain(|name, _| !name.contains("switches"));
            ledger.gaps.insert("switch".into(), "sched_switch: no such tracepoint".into());
        }
    }
    builder.record()
}

#[test]
fn what_a_kernel_does_not_show_is_unavailable_not_zero() {
    let record = blind();
    let study = &studies(&record)[0];
    let row = study.panels[0].points[0].row("read-write").expect("a row");
    assert_eq!(row.witnessed[&Witness::Voluntary].median(), None);
    assert_eq!(row.witnessed[&Witness::FaultsKernel].median(), Some(0.0), "seen zero times");
    let json = table::cmp_json(std::slice::from_ref(&record));
    let cell = &json["records"][0]["scenarios"][0]["cells"][1];
    assert!(cell["observed_voluntary_switches_per_mib"].is_null());
    let reason = &cell["observed_voluntary_switches_per_mib_reason"];
    assert_eq!(reason, "sched_switch: no such tracepoint");
    assert_eq!(cell["observed_copies_per_byte"], 2.0);
    assert_eq!(cell["claimed_copies_per_byte"], 2.0);
    assert_eq!(cell["agreement"], "agrees");
    let page = &page::site(&record)[1].1;
    assert!(page.contains("unavailable: sched_switch: no such tracepoint"));
}

#[test]
fn cmp_has_a_column_of_copies_only_where_any_were_observed() {
    let text = table::cmp(&[support::witnessed().record()]);
    let parts: Vec<&str> = text.split("\n\n").collect();
    let of = |name: &str| parts.iter().find(|part| part.starts_with(name)).expect("a part");
    assert!(of("quick/size").contains("Copies") && of("quick/size").contains("1.00 (0 claimed)"));
    assert!(!of("quick/cache").contains("Copies"));
}

#[test]
fn the_index_has_copies_of_each_strategy() {
    let pages = page::site(&support::witnessed().record());
    let index = &pages[0].1;
    assert!(index.contains("<td class=\"n copies\">2.00</td>"));
    assert!(index.contains("<td class=\"n copies\">0.00 to 1.00</td>"), "sendfile");
    assert!(index.contains("✗ 1 of 42 cells contradict their claim"));
    assert!(!page::site(&support::showcase().record())[0].1.contains("n copies"));
}
