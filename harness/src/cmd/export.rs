//! Where does an export go: to stdout, into a file, or into a folder?
//!
//! What it says is `zclab_report::export`'s. Names of files in a folder come from a record, which may come
//! from anywhere: one that would lead out of the folder is refused.

use anyhow::{Context, bail, ensure};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use std::io::Write;
use std::path::{Component, Path};
use zclab_report::export::{Exported, Format};

/// The parser of `--format`: the names of all formats, in their order.
pub fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

/// Writes what was exported to where it was asked for, or to stdout.
///
/// # Errors
/// What could not be written; several files without a folder; nothing to write.
pub fn write(exported: &Exported, to: Option<&Path>) -> anyhow::Result<()> {
    match (exported, to) {
        (Exported::Text(text), None) => std::io::stdout().write_all(text.as_bytes())?,
        (Exported::Text(text), Some(file)) => save(file, text)?,
        (Exported::Files(files), _) if files.is_empty() => {
            bail!("nothing was measured that this format could hold")
        }
        (Exported::Files(files), None) => {
            bail!("this format is {} files: name a folder for them with --out", files.len())
        }
        (Exported::Files(files), Some(folder)) => {
            for (name, text) in files {
                let plain = |part| matches!(part, Component::Normal(_));
                ensure!(Path::new(name).components().all(plain), "{name} is no name of a file");
                save(&folder.join(name), text)?;
            }
            println!("{} files in {}", files.len(), folder.display());
        }
    }
    Ok(())
}

fn save(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("mkdir {}", folder.display()))?;
    }
    std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
