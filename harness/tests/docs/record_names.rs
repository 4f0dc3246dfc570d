//! Does `results/README.md` name every field and every word of the record?

use crate::support::read;
use serde_json::Value;
use std::collections::BTreeSet;

/// Property names and constants of a JSON Schema.
fn names(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Object(properties)) = fields.get("properties") {
                found.extend(properties.keys().cloned());
            }
            found.extend(fields.get("const").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        _ => {}
    }
}

#[test]
fn every_name_of_the_record_is_documented() {
    let schema = serde_json::from_str(&read("results/schema/record.schema.json")).expect("JSON");
    let mut found = BTreeSet::new();
    names(&schema, &mut found);
    let document = read("results/README.md");
    let missing: Vec<_> = found.iter().filter(|n| !document.contains(&format!("`{n}`"))).collect();
    assert!(found.len() > 50 && missing.is_empty(), "results/README.md lacks {missing:?}");
}

#[test]
fn every_name_of_an_export_is_documented() {
    let schema = serde_json::from_str(&read("results/schema/export.schema.json")).expect("JSON");
    let mut found = BTreeSet::new();
    names(&schema, &mut found);
    let document = read("results/README.md");
    let missing: Vec<_> = found.iter().filter(|n| !document.contains(&format!("`{n}`"))).collect();
    assert!(found.len() > 30 && missing.is_empty(), "results/README.md lacks {missing:?}");
}

#[test]
fn every_reading_is_documented() {
    let document = read("results/README.md");
    let source = read("report/src/record/reading.rs");
    let consts = source.lines().filter_map(|line| {
        line.trim().strip_prefix("pub const ")?.split_once(": &str = \"")?.1.strip_suffix("\";")
    });
    let readings: Vec<&str> = consts.collect();
    assert!(readings.len() >= 13, "{readings:?}");
    for reading in readings {
        assert!(document.contains(&format!("`{reading}`")), "{reading} is not documented");
    }
}
