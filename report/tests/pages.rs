//! Do the pages say what the record says, and nothing that a browser would choke on?

#[path = "support/html.rs"]
mod html;
mod support;

use std::collections::BTreeSet;
use zclab_report::page;
use zclab_report::record::{self, Agreement, Line};

/// Pages of every made-up record; written to a folder for the eye when `ZCLAB_SITE` names one.
fn sites() -> Vec<(&'static str, Vec<(String, String)>)> {
    let records = [
        ("showcase", support::showcase().record()),
        ("witnessed", support::witnessed().record()),
        ("single", support::single().record()),
        ("killed", record::read(&support::killed()).expect("readable")),
        ("empty", support::Builder::new().record()),
    ];
    let sites: Vec<_> = records.iter().map(|(name, record)| (*name, page::site(record))).collect();
    if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
        for (name, pages) in &sites {
            let folder = std::path::Path::new(&folder).join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            for (file, html) in pages {
                std::fs::write(folder.join(file), html).expect("a file");
            }
        }
    }
    sites
}

#[test]
fn pages_are_well_formed_and_their_links_lead_somewhere() {
    for (_, pages) in sites() {
        let files: BTreeSet<&str> = pages.iter().map(|(file, _)| file.as_str()).collect();
        assert_eq!(files.len(), pages.len(), "every page has a file of its own");
        for (file, text) in &pages {
            let page = html::read(text);
            let ids = html::ids(&page);
            for id in ["answer", "machine", "reproduce"] {
                assert!(ids.contains(id), "{file} has no #{id}");
            }
            for tag in &page.tags {
                if let Some(href) = tag.attribute("href") {
                    let known = match href.strip_prefix('#') {
                        Some(id) => ids.contains(id),
                        None => files.contains(href),
                    };
                    assert!(known, "{file} links to {href}");
                }
                for id in tag.attribute("aria-labelledby").unwrap_or_default().split_whitespace() {
                    assert!(ids.contains(id), "{file} is labelled by {id}");
                }
                if tag.name == "svg" && !tag.closing && tag.attribute("aria-hidden").is_none() {
                    assert_eq!(tag.attribute("role"), Some("img"), "{file}: a drawing is an image");
                }
            }
        }
    }
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    for (_, pages) in sites() {
        for (file, text) in &pages {
            let without = text.replace("http://www.w3.org/2000/svg", "");
            for word in [
                "http:", "https:", "@import", "<link", "<iframe", "<img", "src=", "url(\"", "//cdn",
            ] {
                let found = without.find(word).map(|at| &without[at..(at + 60).min(without.len())]);
                // The hostile record writes src= as text; there it stands escaped.
                let harmless = found.is_some_and(|at| at.starts_with("src=x onerror=&"));
                assert!(found.is_none() || harmless, "{file}: {found:?}");
            }
            assert!(
                !text.contains("#0100") && !text.contains("#0101"),
                "{file}: a placeholder colour is left"
            );
        }
    }
}

#[test]
fn hostile_text_stays_text() {
    let pages = page::site(&support::single().record());
    for (file, text) in &pages {
        assert!(!text.contains("<img"), "{file} lets a tag through");
        assert_eq!(text.matches("</script>").count(), 1, "{file}: the page's own script only");
        assert!(
            text.contains("&lt;/script&gt;") || text.contains("&#60;/script&#62;"),
            "{file} shows it"
        );
    }
}

#[test]
fn scenario_pages_have_what_a_reader_looks_for() {
    let pages = page::site(&support::showcase().record());
    let names: Vec<&str> = pages.iter().map(|(file, _)| file.as_str()).collect();
    assert_eq!(
        names,
        ["index.html", "quick-size.html", "quick-cache.html", "consume-fan-out.html"]
    );
    for (file, text) in &pages[1..] {
        let ids = html::ids(&html::read(text));
        for id in ["answer", "results", "paths", "reproduce", "machine", "misleading", "provenance"]
        {
            assert!(ids.contains(id), "{file} has no #{id}");
        }
        assert!(text.contains("Observed: unavailable."), "{file} marks claims");
        assert!(text.contains("zclab run scenarios/quick"), "{file} can be made again");
    }
}

#[test]
fn a_contender_looks_the_same_on_every_page() {
    let pages = page::site(&support::showcase().record());
    for (file, text) in &pages[1..] {
        let legend = text.split("class=\"legend\"").nth(1).expect("a legend");
        let item =
            legend.split("</li>").find(|item| item.contains("</svg>sendfile")).expect("sendfile");
        assert!(item.contains("var(--s2)"), "{file}: {item}");
    }
}

#[test]
fn words_of_the_pages() {
    for (name, pages) in sites() {
        let pages_shown = if ["showcase", "witnessed"].contains(&name) { 1 } else { 2 };
        for (file, text) in pages.iter().take(pages_shown) {
            insta::assert_snapshot!(format!("{name}_{file}"), html::skeleton(text));
        }
    }
}

/// The part of a drawing that shows a contender's way, the first one that is told by this attribute.
fn way<'a>(page: &'a str, contender: &str, agreement: &str) -> &'a str {
    let head = format!("data-contender=\"{contender}\" data-agreement=\"{agreement}\"");
    let start =
        page.find(&head).unwrap_or_else(|| panic!("no way of {contender} that {agreement}"));
    let rest = &page[start..];
    &rest[..rest.find("class=\"way\"").unwrap_or(rest.len())]
}

#[test]
fn what_was_observed_is_drawn_over_the_claim() {
    let pages = page::site(&support::witnessed().record());
    let size = &pages[1].1;
    let agrees = way(size, "read-write", "agrees");
    assert!(agrees.contains("class=\"claimed cpu-copy\"") && agrees.contains("observed cpu-copy"));
    assert!(agrees.contains(">2.00</tspan> copies per byte"), "{agrees}");
    assert!(agrees.contains("observed (2 claimed)") && agrees.contains("✓ agrees"));
    assert!(!agrees.contains("class=\"when\""), "under every condition");
    assert!(way(size, "sendfile", "agrees").contains("5 of 6 conditions"));
    let device = way(size, "direct-write depth=8", "agrees");
    assert!(device.contains("device 1.25") && !device.contains("loudly"), "more is no trouble");
}

#[test]
fn a_contradiction_is_loud_and_has_words() {
    let pages = page::site(&support::witnessed().record());
    let size = &pages[1].1;
    let wrong = way(size, "sendfile", "contradicts");
    assert!(wrong.contains("class=\"alarm\"") && wrong.contains("✗ contradicts"));
    assert!(wrong.contains(">64 KiB<"), "where");
    assert!(wrong.contains("reference 0.00") && wrong.contains("✗ 1.00 claimed"));
    assert!(wrong.contains("class=\"loud\"") && wrong.contains("✗ not claimed"));
    assert!(size.contains("</b> sendfile: page cache to socket buffer was copied"));
    assert!(size.contains("✗ 1 of 42 cells contradict their claim"));
}

#[test]
fn what_was_not_observed_is_dashed_with_its_reason() {
    let pages = page::site(&support::witnessed().record());
    let size = &pages[1].1;
    let unseen = way(size, "splice", "unobserved");
    assert!(unseen.contains("class=\"unseen cpu-copy\"") && unseen.contains("not observed"));
    assert!(unseen.contains("unavailable: the receiver drops its bytes"), "in the title");
    assert!(size.contains("wire → receiver: the receiver drops its bytes (splice)"), "in text");
    let cache = &pages[2].1;
    assert!(cache.contains("Observed: unavailable.") && cache.contains("setcap cap_bpf"));
    let nobody = way(cache, "read-write", "unobserved");
    assert!(nobody.contains(">unavailable<") && nobody.contains("(2 claimed)"), "{nobody}");
    assert!(!nobody.contains("copies per byte"), "and no number");
}

#[test]
fn what_the_aliasing_probe_saw_is_said_for_each_contender() {
    let mut builder = support::showcase();
    let page = |builder: &support::Builder| page::site(&builder.record())[1].1.clone();
    let size = page(&builder);
    assert!(size.contains("<b>sendfile</b> 393,216 of 393,216 bytes shared, as claimed"), "{size}");
    assert!(size.contains("<b>read-write</b> 0 of 393,216 bytes shared, as claimed"), "{size}");
    assert!(size.contains("not probed: it sends bytes that are not the log"), "{size}");
    assert!(!size.contains("Contradiction"));
    for line in &mut builder.lines {
        if let Line::Aliasing(seen) = line
            && seen.cell.starts_with("quick/size/sendfile")
            && seen.cell.contains("fetch=2048")
        {
            (seen.shared_bytes, seen.verdict) = (4096, Agreement::Contradicts);
        }
    }
    let size = page(&builder);
    assert!(size.contains("Contradiction: sendfile: aliasing probe: 4,096 of 65,536 bytes shared"));
    assert!(size.contains("tcp-loopback; 2 KiB"), "the condition is named");
    assert!(size.contains("<b>sendfile</b> 327,680 of 327,680 bytes shared, as claimed"));
    builder.lines.retain(|line| !matches!(line, Line::Aliasing(_)));
    assert!(!page(&builder).contains("Aliasing probe"), "an older record has no such line");
}
