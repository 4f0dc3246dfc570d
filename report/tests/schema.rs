//! Are the published JSON Schemas the ones that the types of the records make?

use serde_json::Value;
use std::path::Path;

#[test]
fn published_schema_of_a_run_is_current() {
    current("record.schema.json", &zclab_report::record::schema());
}

#[test]
fn published_schema_of_a_gate_is_current() {
    current("gate.schema.json", &zclab_report::gate::record::schema());
}

fn current(name: &str, schema: &Value) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema").join(name);
    let made = serde_json::to_string_pretty(schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("ZCLAB_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder is writable");
        std::fs::write(&file, &made).expect("the schema is writable");
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        published == made,
        "results/schema/{name} is stale: run ZCLAB_BLESS=1 cargo test -p zclab-report --test schema"
    );
}
