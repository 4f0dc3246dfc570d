//! Does every export hold what the record holds, in the form that its reader wants?

mod consumers;
mod histories;
mod made_up;
mod pages;
mod samples;
#[path = "../support/mod.rs"]
mod support;
mod trees;

use made_up::{Made, texts};
use std::str::FromStr;
use zclab_report::export::{self, Exported, Format};

#[test]
fn formats_are_called_by_their_names() {
    for format in Format::ALL {
        assert_eq!(Format::from_str(format.name()), Ok(format));
    }
    let unknown = Format::from_str("xunit").unwrap_err();
    assert!(unknown.contains("junit") && unknown.contains("criterion"), "{unknown}");
}

#[test]
fn nothing_that_is_no_number_is_written() {
    for made in Made::all() {
        for format in Format::ALL {
            for (name, text) in texts(made.export(format)) {
                let words = text.split(|c: char| !c.is_ascii_alphanumeric());
                let odd = ["nan", "inf", "infinity"];
                let found: Vec<&str> =
                    words.filter(|word| odd.contains(&&*word.to_lowercase())).collect();
                assert!(found.is_empty(), "{} as {name}: {found:?}", made.name);
            }
        }
    }
}

#[test]
fn what_was_not_measured_is_in_no_export_of_numbers() {
    let nothing = support::Builder::new().record();
    let empty = |format| export::run(std::slice::from_ref(&nothing), format);
    assert_eq!(empty(Format::Criterion), Exported::Files(Vec::new()));
    assert_eq!(empty(Format::GhaBenchmark), Exported::Files(Vec::new()));
    assert_eq!(empty(Format::Bmf), Exported::Text("{}\n".into()));
    assert_eq!(empty(Format::Hyperfine), Exported::Text("{\"results\":[]}\n".into()));
}

#[test]
fn one_call_gives_what_suite_and_writer_give() {
    let record = support::gates::passes().record();
    let report = made_up::judged(&record);
    let suite = export::Suite::of_gate(&report);
    for format in Format::ALL {
        assert_eq!(export::gate(&report, format), export::write(&suite, format));
    }
}

#[test]
fn published_schema_is_current() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("../results/schema/export.schema.json");
    let made = serde_json::to_string_pretty(&export::schema()).expect("JSON") + "\n";
    if std::env::var_os("ZCLAB_BLESS").is_some() {
        std::fs::write(&file, &made).expect("the schema is writable");
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    let remedy = "run ZCLAB_BLESS=1 cargo test -p zclab-report --test exports";
    assert!(published == made, "results/schema/export.schema.json is stale: {remedy}");
}
