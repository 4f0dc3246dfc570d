//! Do page and terminal table of a gate say what it found, and nothing that a browser would choke
//! on?

#[path = "support/html.rs"]
mod html;
mod support;

use std::sync::OnceLock;
use support::gates;
use zclab_report::gate::record::{self, Record};
use zclab_report::gate::{self, shown};
use zclab_report::{page, table};

/// Every made-up gate by name, made once.
fn gates() -> &'static [(&'static str, Record)] {
    static GATES: OnceLock<Vec<(&'static str, Record)>> = OnceLock::new();
    GATES.get_or_init(made_up)
}

fn made_up() -> Vec<(&'static str, Record)> {
    let mut empty = support::gate::Gate::default();
    empty.opening().machine.clear();
    let mut one = support::gate::Gate::default().sized(1, 4);
    one.cell("quick/size", "sendfile", &support::gate::Truth::default());
    vec![
        ("passes", gates::passes().record()),
        ("regresses", gates::regresses().record()),
        ("not-confirmed", gates::is_not_confirmed().record()),
        ("improves", gates::improves().record()),
        ("noisy", gates::is_too_noisy().record()),
        ("invalid", gates::cannot_be_trusted().record()),
        ("does-more", gates::does_more().record()),
        ("strategies", gates::strategies().record()),
        ("baseline", gates::baseline().record()),
        ("many-launches", gates::many_launches().record()),
        ("ended-otherwise", gates::ended_otherwise().record()),
        ("killed", record::read(&gates::killed()).expect("readable")),
        ("hostile", gates::hostile().record()),
        ("one-launch", one.end().record()),
        ("empty", empty.record()),
        ("many-cells", many_cells()),
    ]
}

/// Two scenarios, three strategies, four sizes, one of them worse.
fn many_cells() -> Record {
    let mut gate = support::gate::Gate::default().sized(16, 6);
    for (n, scenario) in ["quick/size", "consume/size-sweep"].into_iter().enumerate() {
        for (at, label) in
            ["sendfile", "read-write", "mmap-write advice=sequential"].iter().enumerate()
        {
            for fetch in [4096u64, 65536, 1 << 20] {
                let head = if n + at == 0 && fetch == 4096 { 1.05 } else { 1.0 };
                let mut truth = support::gate::Truth { head, ..support::gate::Truth::default() };
                truth.confirmation = (head > 1.0).then_some(head);
                let mut own = support::gate::Gate::default().sized(16, 6).seed(fetch + n as u64);
                own.cell(scenario, label, &truth);
                let id = format!("{scenario}/{label}/fetch={fetch}");
                let text =
                    own.text().replace("/cache=warm,fetch=65536", &format!("/fetch={fetch}"));
                let text = text.replace("\"fetch\":65536", &format!("\"fetch\":{fetch}"));
                let read = record::read(&text).expect("readable");
                assert_eq!(read.cells[0].id, id);
                let lines = text.lines().skip(1).map(serde_json::from_str);
                gate.lines.extend(lines.map(|line| line.expect("a line")));
            }
        }
    }
    gate.end().record()
}

/// The pages; written to a folder for the eye when `ZCLAB_SITE` names one.
fn pages() -> &'static [(&'static str, String)] {
    static PAGES: OnceLock<Vec<(&'static str, String)>> = OnceLock::new();
    PAGES.get_or_init(|| {
        let page =
            |(name, record): &(&'static str, Record)| (*name, page::gate(&gate::report(record)));
        let pages: Vec<_> = gates().iter().map(page).collect();
        if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
            std::fs::create_dir_all(&folder).expect("a folder");
            for (name, html) in &pages {
                let file = std::path::Path::new(&folder).join(format!("gate-{name}.html"));
                std::fs::write(file, html).expect("a file");
            }
        }
        pages
    })
}

#[test]
fn pages_are_well_formed_and_whole() {
    for (name, text) in pages() {
        let page = html::read(text);
        let ids = html::ids(&page);
        for id in ["answer", "cells", "compared", "rule", "misleading", "machine", "reproduce"] {
            assert!(ids.contains(id), "{name} has no #{id}");
        }
        for tag in &page.tags {
            if let Some(href) = tag.attribute("href") {
                let id = href.strip_prefix('#').unwrap_or_else(|| panic!("{name}: {href}"));
                assert!(ids.contains(id), "{name} links to {href}");
            }
            for id in tag.attribute("aria-labelledby").unwrap_or_default().split_whitespace() {
                assert!(ids.contains(id), "{name} is labelled by {id}");
            }
            if tag.name == "svg" && !tag.closing {
                assert_eq!(tag.attribute("role"), Some("img"), "{name}: a drawing is an image");
                assert!(tag.attribute("aria-labelledby").is_some(), "{name}: it has a title");
            }
            let at = ["x", "y", "x1", "y1", "x2", "y2", "width", "height", "cx", "cy", "r"];
            for value in at.iter().filter_map(|key| tag.attribute(key)) {
                let value: f64 = value.parse().unwrap_or_else(|_| panic!("{name}: {value}"));
                assert!(value.is_finite(), "{name}: {value}");
            }
        }
        for word in ["NaN", "inf ", "inf<", "http:", "https:", "<script", "<img", "src=\""] {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
}

/// The terminal tables of these gates, one after the other.
fn tables(names: &[&str]) -> String {
    let shown = gates().iter().filter(|(name, _)| names.contains(name));
    shown.map(|(_, record)| table::gate(&gate::report(record)) + "\n").collect()
}

#[test]
fn terminal() {
    let names = ["passes", "regresses", "does-more", "baseline", "ended-otherwise", "hostile"];
    insta::assert_snapshot!("gate_terminal", tables(&names));
    insta::assert_snapshot!(
        "gate_terminal_many",
        tables(&["many-cells", "many-launches", "empty"])
    );
}

#[test]
fn a_terminal_is_wide_enough_and_obeys_nothing() {
    for (name, record) in gates() {
        let text = table::gate(&gate::report(record));
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}");
        let table = text.lines().filter(|line| !line.contains(": ") && !line.contains(" · "));
        let widest = table.map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 120, "{name}: {widest} columns");
    }
}

/// What is said above the parts that every page has alike.
fn said(text: &str) -> String {
    let words = html::skeleton(text);
    let (said, _) = words.split_once("\nWhat was compared\n").expect("a part");
    said.to_owned()
}

#[test]
fn words_of_the_pages() {
    for (name, text) in pages() {
        match *name {
            "regresses" | "baseline" => {
                insta::assert_snapshot!(format!("gate_page_{name}"), html::skeleton(text));
            }
            "many-cells" | "killed" => {}
            _ => insta::assert_snapshot!(format!("gate_page_{name}"), said(text)),
        }
    }
}

/// The page of one made-up gate.
fn page_of(name: &str) -> &'static str {
    let found = pages().iter().find(|(known, _)| *known == name);
    &found.unwrap_or_else(|| panic!("no gate {name}")).1
}

#[test]
fn every_launch_and_every_turn_is_drawn() {
    let text = page_of("regresses");
    let drawings: Vec<&str> =
        text.split("<svg").filter(|svg| svg.contains("id=\"cell-1-1-wide-t\"")).collect();
    let svg = drawings[0].split("</svg>").next().expect("an end");
    assert_eq!(svg.matches("class=\"launch head").count(), 24, "launches of the head");
    assert_eq!(svg.matches("class=\"launch control").count(), 24, "launches of the control");
    assert_eq!(svg.matches("class=\"mean\"").count(), 2, "a mean for each");
    assert!(svg.contains("24 launches, 288 paired turns. Head over base: +6."), "in words");
    let turns = svg.matches("h0").count();
    assert!((500..=576).contains(&turns), "{turns} dots of 576, fewer where two are one pixel");
    assert!(text.contains("id=\"cell-1-2-wide-t\""), "the confirmation is apart");
    assert!(!text.contains("id=\"cell-2-2-wide-t\""), "where there was one");
}

#[test]
fn hundreds_of_launches_stay_a_page() {
    let text = page_of("many-launches");
    assert!(text.len() < 400_000, "{} bytes", text.len());
    assert!(!text.contains("<title>launch "), "markers are too many to name each");
}

#[test]
fn no_verdict_is_told_by_colour_alone() {
    for (name, text) in pages() {
        let words = html::skeleton(text);
        let verdicts = ["✗", "!", "?", "▼", "✓"];
        assert!(verdicts.iter().any(|sign| words.contains(&format!("\n{sign}\n"))), "{name}");
        let body = text.split_once("<body").expect("a body").1;
        let marked = body.split("data-verdict=\"").nth(1).and_then(|rest| rest.split('"').next());
        let marked = marked.expect("a page says its verdict");
        assert!(words.lines().any(|line| line == marked), "{name}: {marked} stands as a word");
    }
}

#[test]
fn hostile_text_stays_text() {
    let text = page_of("hostile");
    assert!(!text.contains("</script>") && !text.contains("<img"), "a tag gets through");
    assert!(text.contains("&lt;/script&gt;") || text.contains("&#60;/script&#62;"), "it is shown");
}

#[test]
fn cells_with_one_name_are_called_by_their_ids() {
    let mut gate = support::gate::Gate::default().sized(3, 2);
    gate.cell("quick/size", "sendfile", &support::gate::Truth::default());
    let twin = gate.text().replace("fetch=65536", "fetch=65536,twin");
    let lines = twin.lines().skip(1).map(|line| serde_json::from_str(line).expect("a line"));
    gate.lines.extend(lines);
    let record = gate.end().record();
    let names = shown::names(&gate::report(&record));
    let ids = ["cache=warm,fetch=65536", "cache=warm,fetch=65536,twin"];
    assert_eq!(names, ids.map(|id| format!("quick/size/sendfile/{id}")));
}
