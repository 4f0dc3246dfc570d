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
        assert!(text.contains("Claimed, not observed"), "{file} marks claims");
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
        let pages_shown = if name == "showcase" { 1 } else { 2 };
        for (file, text) in pages.iter().take(pages_shown) {
            insta::assert_snapshot!(format!("{name}_{file}"), html::skeleton(text));
        }
    }
}

#[test]
fn what_was_observed_is_drawn_over_the_claim() {
    let mut builder = support::showcase();
    for line in &mut builder.lines {
        if let Line::Ledger(ledger) = line
            && ledger.cell.starts_with("quick/size/sendfile")
        {
            ledger.payload_bytes = 1 << 20;
            ledger.cpu_copies_per_byte.observed = Some(1.0);
            ledger.agreement = Agreement::Contradicts;
            ledger.reason = Some("page cache to socket buffer was copied".into());
            for hop in &mut ledger.hops {
                hop.observed_bytes = Some(if hop.by == "reference" { 0 } else { 1 << 20 });
                hop.evidence = "net_dev_start_xmit".into();
            }
        }
    }
    let pages = page::site(&builder.record());
    let size = &pages[1].1;
    assert!(size.contains("class=\"observed cpu-copy\"") && !size.contains("observed reference"));
    assert!(size.contains("Contradiction: sendfile: page cache to socket buffer was copied"));
    assert!(size.contains("data-agreement=\"contradicts\""));
    assert!(pages[2].1.contains("Claimed, not observed"), "other scenarios have only claims");
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
