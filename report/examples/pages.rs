//! Writes the pages of a record into a folder: `cargo run --example pages -- run.jsonl folder`.

use std::error::Error;
use std::path::Path;
use zclab_report::{page, record};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(folder)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pages RECORD FOLDER".into());
    };
    let record = record::read(&std::fs::read_to_string(file)?)?;
    std::fs::create_dir_all(&folder)?;
    for (name, html) in page::site(&record) {
        std::fs::write(Path::new(&folder).join(name), html)?;
    }
    Ok(())
}
