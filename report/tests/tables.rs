//! Do terminal, CSV and JSON say what the record says?

mod support;

use zclab_report::table;

#[test]
fn terminal() {
    println!("{}", table::cmp(&[support::showcase().record()]));
}
