//! Is the published JSON Schema the one that the record's types make?

use std::path::Path;

#[test]
fn published_schema_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema/record.schema.json");
    let schema = zclab_report::record::schema();
    let made = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    if std::env::var_os("ZCLAB_BLESS").is_some() {
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder is writable");
        std::fs::write(&file, &made).expect("the schema is writable");
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        published == made,
        "results/schema/record.schema.json is stale: run ZCLAB_BLESS=1 cargo test -p zclab-report --test schema"
    );
}
