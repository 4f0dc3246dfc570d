//! Which scenarios come with the program?

use include_dir::{Dir, include_dir};

/// The folder `scenarios/`, as it was when the program was built.
static FOLDER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../scenarios");

/// The names of the scenarios that are built into the program, sorted.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names = Vec::new();
    collect(&FOLDER, &mut names);
    names.sort();
    names
}

fn collect(folder: &Dir, names: &mut Vec<String>) {
    let files = folder.files().filter_map(|file| file.path().to_str());
    names.extend(files.filter_map(|path| path.strip_suffix(".toml")).map(str::to_owned));
    for below in folder.dirs() {
        collect(below, names);
    }
}

/// The text of the built-in scenario of that name.
#[must_use]
pub fn text(name: &str) -> Option<&'static str> {
    FOLDER.get_file(format!("{name}.toml"))?.contents_utf8()
}
