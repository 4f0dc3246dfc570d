//! Is a gate's record read back as what it is, and refused as what it is not?

use crate::support::gate::Gate;
use crate::support::gates;
use zclab_report::gate::record::{Line, read};
use zclab_report::lines::LinesError;

#[test]
fn what_is_written_is_read_back() {
    let gate = gates::regresses();
    let record = gate.record();
    assert_eq!(record.cells.len(), 2);
    assert!(record.cells.iter().all(|cell| cell.cell.is_some() && cell.counts.len() == 4));
    let samples = gate.lines.iter().filter(|line| matches!(line, Line::Sample(_))).count();
    assert_eq!(record.cells.iter().map(|cell| cell.samples.len()).sum::<usize>(), samples);
    assert_eq!(samples, 3 * 24 * 12 * 3, "two cells, one of them launched again");
    assert_eq!(record.end.map(|end| end.how), Some("complete".into()));
    assert!(record.remarks.is_empty());
}

#[test]
fn a_last_line_that_was_cut_off_is_dropped_with_a_remark() {
    let text = gates::killed();
    let record = read(&text).expect("the rest is fine");
    assert!(record.remarks[0].contains("cut off"), "{:?}", record.remarks);
    assert!(record.end.is_none() && record.cells[1].cell.is_none());
    // With its line end it is damage.
    let error = read(&(text + "\n")).expect_err("a whole line that is no line");
    assert!(error.to_string().starts_with("line "), "{error}");
}

#[test]
fn newer_unknown_and_misplaced_lines_are_refused_by_number() {
    let text = Gate::default().text();
    let newer = text.replace("\"schema\":1", "\"schema\":9");
    assert!(matches!(read(&newer), Err(LinesError::Newer { line: 1, found: 9, known: 1 })));
    let unknown = text.clone() + "\n{\"kind\":\"surprise\"}\n";
    assert!(matches!(read(&unknown), Err(LinesError::UnknownKind { line: 3, kind })
            if kind == "surprise"));
    assert!(matches!(read(&(text.clone() + &text)), Err(LinesError::Second { line: 2, .. })));
    assert!(matches!(read(""), Err(LinesError::Empty { .. })));
    let headless = "{\"kind\":\"end\",\"how\":\"complete\",\"ended_at\":\"\"}\n";
    assert!(matches!(read(headless), Err(LinesError::Headless { line: 1, .. })));
    let poor = text + "{\"kind\":\"cell\",\"cell\":\"x\"}\n";
    let error = read(&poor).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("scenario"), "{error}");
    for text in ["[scenario]\nname = \"x\"\n", "{\"kind\": \"run\"}\n", "\u{7f}ELF"] {
        let error = read(text).unwrap_err().to_string();
        assert!(error.starts_with("not a gate's record: line 1: "), "{error}");
    }
}
