//! How does a user's own partition become a log that scenarios can name?
//!
//! `zclab log import DIR` writes `<store>/<name>.toml`, which says where it lies. By default that is a
//! reference: the user's files are only ever opened for reading, and scenarios must neither evict nor
//! rewrite them, since a live broker may be serving them. `--copy` copies them into the store first;
//! such a copy belongs to zclab.

use super::partition::{self, Listing};
use super::{checkpoint, scan};
use crate::log::LogError;
use crate::log::staging::Staging;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use time::format_description::well_known::Rfc3339;

/// The store, relative to the project's root.
pub const STORE: &str = "results/logs/imported";

/// A partition that was made known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// Where it lies, absolute.
    pub dir: PathBuf,
    /// Whether it is zclab's own copy, which may be evicted and rewritten.
    pub owned: bool,
    /// Bytes of its whole batches at import.
    pub bytes: u64,
    /// When, as RFC 3339 in UTC.
    pub imported_at: String,
}

/// Makes a partition known in `store` as `name` (the directory's own name by default).
///
/// # Errors
/// When `dir` is no partition, the name is taken or cannot be one, or a call fails; then nothing is
/// left in the store.
pub fn import(
    dir: &Path,
    name: Option<&str>,
    store: &Path,
    copy: bool,
) -> Result<(String, Imported), LogError> {
    let dir = dir.canonicalize().map_err(LogError::io("realpath", dir))?;
    let own_name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let name = name.unwrap_or(own_name).to_owned();
    check_name(&name)?;
    let log = scan(&dir)?;
    let path = entry(store, &name);
    if path.exists() {
        let why = format!("is known already; choose another --name, or remove {}", path.display());
        return Err(LogError::Name { name, why });
    }
    fs::create_dir_all(store).map_err(LogError::io("mkdir", store))?;
    let bytes = log.segments.iter().map(|segment| segment.len_bytes).sum();
    let place = if copy { copy_into(&dir, own_name, store, &name)? } else { dir };
    let now = time::OffsetDateTime::now_utc();
    let imported_at = now.format(&Rfc3339).unwrap_or_else(|_| now.unix_timestamp().to_string());
    let imported = Imported { dir: place, owned: copy, bytes, imported_at };
    write_entry(&path, &name, &imported)?;
    Ok((name, imported))
}

/// Finds a partition that was imported into `store` as `name`.
///
/// # Errors
/// When there is none of that name, its entry cannot be read, or its directory is gone.
pub fn lookup(store: &Path, name: &str) -> Result<Imported, LogError> {
    check_name(name)?;
    let wrong = |why: String| LogError::Name { name: name.to_owned(), why };
    let path = entry(store, name);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(wrong(unknown(store, name)));
        }
        Err(error) => return Err(LogError::io("read", &path)(error)),
    };
    let imported: Imported =
        toml::from_str(&text).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
    if !imported.dir.is_dir() {
        let gone = imported.dir.display();
        let why = format!("{gone} is gone; import it again after removing {}", path.display());
        return Err(wrong(why));
    }
    Ok(imported)
}

/// Names in the store, sorted; none when there is no store.
#[must_use]
pub fn names(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(".toml").map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names
}

fn unknown(store: &Path, name: &str) -> String {
    let names = names(store);
    let near = names
        .iter()
        .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
    match near {
        Some(near) => format!("is not known in {}; did you mean {near:?}?", store.display()),
        None => format!("is not known: `zclab log import DIR --name {name}` makes it so"),
    }
}

fn entry(store: &Path, name: &str) -> PathBuf {
    store.join(format!("{name}.toml"))
}

/// A name becomes a file's name and part of cell ids, so it is held to plain characters.
fn check_name(name: &str) -> Result<(), LogError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let starts_well = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if starts_well && name.len() <= 200 && name.bytes().all(plain) {
        return Ok(());
    }
    let why = "a name holds letters, digits, `.`, `_`, `-`, and begins with a letter or digit; \
               give another one by --name"
        .to_owned();
    Err(LogError::Name { name: name.to_owned(), why })
}

/// Appears whole or not at all, and never replaces another.
fn write_entry(path: &Path, name: &str, imported: &Imported) -> Result<(), LogError> {
    let text = toml::to_string(imported).map_err(|error| LogError::Name {
        name: name.to_owned(),
        why: format!("its path cannot be written down: {error}"),
    })?;
    let store = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(store).map_err(LogError::io("open", store))?;
    file.write_all(text.as_bytes()).map_err(LogError::io("write", path))?;
    file.persist_noclobber(path).map_err(|error| LogError::io("link", path)(error.error))?;
    Ok(())
}

/// Copies Kafka's files to `<store>/<name>/<topic>-<partition>`; gives that path.
fn copy_into(dir: &Path, own_name: &str, store: &Path, name: &str) -> Result<PathBuf, LogError> {
    let store = store.canonicalize().map_err(LogError::io("realpath", store))?;
    let target = store.join(name);
    let staging = Staging::new(&target)?;
    let inner = staging.dir().join(own_name);
    fs::create_dir(&inner).map_err(LogError::io("mkdir", &inner))?;
    for file in kafkas_files(&partition::list(dir)?) {
        let (from, to) = (dir.join(&file), inner.join(&file));
        if from.exists() {
            copy_file(&from, &to)?;
        }
    }
    // It tells from where on a partition's records are not deleted; `verify` needs it.
    let starts = dir.with_file_name(checkpoint::LOG_STARTS);
    if starts.is_file() {
        copy_file(&starts, &staging.dir().join(checkpoint::LOG_STARTS))?;
    }
    staging.commit()?;
    Ok(target.join(own_name))
}

fn kafkas_files(listing: &Listing) -> Vec<String> {
    let logs = listing.segments.iter().map(|offset| format!("{offset:020}.log"));
    let beside = listing.beside.iter().map(|(offset, ext)| format!("{offset:020}.{ext}"));
    let text = [checkpoint::LEADER_EPOCHS, checkpoint::METADATA].map(str::to_owned);
    logs.chain(beside).chain(text).collect()
}

/// Not `fs::copy`: that would carry over permissions, and the copy has to be writable.
fn copy_file(from: &Path, to: &Path) -> Result<(), LogError> {
    let mut source = File::open(from).map_err(LogError::io("open", from))?;
    let mut copy = File::create_new(to).map_err(LogError::io("open", to))?;
    std::io::copy(&mut source, &mut copy).map_err(LogError::io("copy_file_range", to))?;
    Ok(())
}
