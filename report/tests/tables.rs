//! Do terminal, CSV and JSON say what the record says?

mod support;

use zclab_report::table;

#[test]
fn terminal() {
    insta::assert_snapshot!(table::cmp(&[support::showcase().record()]));
}

#[test]
fn csv_has_one_row_for_each_cell_and_units_in_its_columns() {
    let csv = table::cmp_csv(&[support::showcase().record(), support::single().record()]);
    let lines: Vec<&str> = csv.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 1 + 42 + 21 + 42 + 7);
    insta::assert_snapshot!(lines[0].replace(',', "\n"));
    let columns = lines[0].split(',').count();
    for line in lines {
        let unquoted = line.split('"').step_by(2).collect::<String>();
        assert_eq!(unquoted.split(',').count(), columns, "{line}");
    }
}

#[test]
fn json_keeps_runs_apart_and_gives_reasons() {
    let json = table::cmp_json(&[support::showcase().record(), support::single().record()]);
    let records = json["records"].as_array().expect("records");
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["complete"], true);
    assert_eq!(records[1]["complete"], false);
    let cell = &records[1]["scenarios"][0]["cells"][1];
    assert_eq!(cell["contender"], "read-write");
    assert!(cell["total_cpu_ns_per_kib"].is_null());
    assert_eq!(cell["total_cpu_ns_per_kib_provenance"], "unavailable");
    assert_eq!(cell["total_cpu_ns_per_kib_reason"], "no reading receiver_cpu_ns");
    let sendfile = &records[0]["scenarios"][0]["cells"][3 * 7 + 3];
    insta::assert_snapshot!(serde_json::to_string_pretty(sendfile).expect("JSON"));
}

#[test]
fn no_record_is_no_text() {
    assert_eq!(table::cmp(&[]), "");
    assert_eq!(table::cmp_csv(&[]), "run_id,scenario\r\n");
}

#[test]
fn every_interval_holds_its_value() {
    let records = [support::showcase().record()];
    let exported = table::cmp_json(&records);
    let scenarios = exported["records"][0]["scenarios"].as_array().expect("scenarios");
    let cells = scenarios.iter().flat_map(|one| one["cells"].as_array().expect("cells"));
    let mut seen = 0;
    for cell in cells {
        for (key, low) in cell.as_object().expect("a cell") {
            let Some((stem, low)) = key.strip_suffix("_low").zip(low.as_f64()) else { continue };
            let value = match stem.strip_suffix("_ratio") {
                Some(_) => &cell[format!("{stem}_to_baseline")],
                None => &cell[stem],
            };
            let high = cell[format!("{stem}_high")].as_f64().expect("a high end");
            let value = value.as_f64().expect("a value");
            assert!(low <= value && value <= high, "{stem}: {low} {value} {high}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}
