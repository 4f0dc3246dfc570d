//! Do the pages say what the record says, and nothing that a browser would choke on?

mod support;

use zclab_report::page;

#[test]
fn showcase() {
    let record = support::showcase().record();
    let pages = page::site(&record);
    if let Some(folder) = std::env::var_os("ZCLAB_SITE") {
        std::fs::create_dir_all(&folder).expect("a folder");
        for (name, html) in &pages {
            std::fs::write(std::path::Path::new(&folder).join(name), html).expect("a file");
        }
    }
}
