//! Is a record read back as what it is, and refused as what it is not?

mod support;

use serde_json::json;
use support::Builder;
use zclab_report::lines::LinesError;
use zclab_report::record::{Line, Resumed, read};

#[test]
fn what_is_written_is_read_back() {
    let builder = support::showcase();
    let record = builder.record();
    assert_eq!(record.scenarios.len(), 3);
    assert!(record.cells.iter().all(|cell| cell.cell.is_some()));
    let samples = builder.lines.iter().filter(|line| matches!(line, Line::Sample(_))).count();
    assert_eq!(record.cells.iter().map(|cell| cell.samples.len()).sum::<usize>(), samples);
    assert_eq!(record.end.map(|end| end.how), Some("complete".into()));
    assert!(record.remarks.is_empty());
}

#[test]
fn a_last_line_that_was_cut_off_is_dropped_with_a_remark() {
    let text = support::killed();
    let record = read(&text).expect("the rest is fine");
    assert!(record.remarks[0].contains("cut off"), "{:?}", record.remarks);
    assert!(record.end.is_none());
    let whole = text.trim_end_matches(|c| c != '\n').to_owned();
    assert!(read(&whole).expect("whole lines").remarks.is_empty());
    // In the middle, or with its line end, it is damage.
    let error = read(&(text + "\n")).expect_err("a whole line that is no line");
    assert!(error.to_string().starts_with("line "), "{error}");
}

#[test]
fn newer_unknown_and_misplaced_lines_are_refused_by_number() {
    let newer = Builder::new().text().replace("\"schema\":1", "\"schema\":9");
    assert!(matches!(read(&newer), Err(LinesError::Newer { line: 1, found: 9, known: 1 })));
    assert!(read(&newer).unwrap_err().to_string().contains("schema 9 is newer"));
    let unknown = Builder::new().text() + "\n{\"kind\":\"surprise\"}\n";
    assert!(matches!(read(&unknown), Err(LinesError::UnknownKind { line: 3, kind })
            if kind == "surprise"));
    let twice = Builder::new().text() + &Builder::new().text();
    assert!(matches!(read(&twice), Err(LinesError::Second { line: 2, .. })));
    assert!(matches!(read(""), Err(LinesError::Empty { .. })));
    let headless = "{\"kind\":\"end\",\"how\":\"complete\",\"ended_at\":\"\"}\n";
    assert!(matches!(read(headless), Err(LinesError::Headless { line: 1, .. })));
    let poor = Builder::new().text() + "{\"kind\":\"cell\",\"cell\":\"x\"}\n";
    let error = read(&poor).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("scenario"), "{error}");
}

#[test]
fn a_file_of_another_kind_is_called_no_record() {
    for text in ["[scenario]\nname = \"x\"\n", "{\"records\": []}\n", "\u{7f}ELF"] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with("not a run's record: line 1: "), "{error}");
    }
}

#[test]
fn resuming_voids_cells_that_were_not_over() {
    let mut builder = Builder::new();
    builder.launches = 2;
    let scenario = builder.scenario("quick/x", "?", &[("fetch", json!([4096]))]);
    builder.measure(&scenario, &|_, _| None);
    let first_cell =
        builder.lines.iter().position(|line| matches!(line, Line::Cell(_))).expect("a cell");
    builder.lines.truncate(first_cell + 6);
    builder.lines.push(Line::Resumed(Resumed {
        resumed_at: "2026-11-24T10:00:00Z".into(),
        argv: vec!["zclab".into()],
    }));
    let record = builder.record();
    assert_eq!(record.resumed.len(), 1);
    assert!(!record.cells[0].samples.is_empty(), "the cell that was over stays");
    assert!(record.cells[1].samples.is_empty(), "the other one is void");
    assert!(record.remarks[0].contains("do not count"), "{:?}", record.remarks);
}
