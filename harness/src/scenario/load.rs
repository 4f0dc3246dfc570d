//! Which scenarios does the user mean: files, folders, or names of shipped ones?

use super::problem::{BadScenario, near};
use super::{Origin, Scenario, parse, parse_bytes, shipped};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// A scenario file is no longer than this.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// A folder holds no more scenario files than this, and they lie no deeper: whoever names `/` by
/// mistake should hear of it at once.
const FOLDER_FILES_MAX: usize = 1000;
const FOLDER_DEPTH_MAX: usize = 8;

/// The scenarios that the arguments mean, each once, in the order of the arguments.
///
/// An argument is a scenario file, a folder of them (searched recursively, in sorted order), or the
/// name of a shipped scenario or of a group of them (`quick`, `quick/size`). What is on disk wins.
///
/// # Errors
/// An argument that means nothing, a file that cannot be read, or all that is wrong with the files
/// ([`BadScenario`]).
pub fn load(args: &[String]) -> Result<Vec<Scenario>> {
    Ok(load_with_origin(args)?.into_iter().map(|(scenario, _)| scenario).collect())
}

/// The same, with the place that each came from.
///
/// # Errors
/// As [`load`].
pub fn load_with_origin(args: &[String]) -> Result<Vec<(Scenario, Origin)>> {
    if args.is_empty() {
        bail!("no scenario was named; {HOW_TO_LIST}");
    }
    let mut wanted: Vec<(String, Origin)> = Vec::new();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for arg in args {
        for (name, origin) in resolve(arg)? {
            let place = place(&origin);
            match places.insert(name.clone(), place.clone()) {
                None => wanted.push((name, origin)),
                Some(other) if other == place => {}
                Some(other) => bail!(
                    "two scenarios are called {name}: {other} and {place}; their cells could not \
                     be told apart, so run them separately or rename one"
                ),
            }
        }
    }
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for (name, origin) in wanted {
        match parse_bytes(&name, &origin.to_string(), &read(&origin)?) {
            Ok(scenario) => loaded.push((scenario, origin)),
            Err(bad) => problems.extend(bad.problems),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(BadScenario { problems }.into()) }
}

/// Every scenario that is built into the program, sorted by name; what is on disk does not matter.
///
/// # Errors
/// All that is wrong with them, which only a build with files of its own can cause.
pub fn load_shipped() -> Result<Vec<Scenario>, BadScenario> {
    let mut loaded = Vec::new();
    let mut problems = Vec::new();
    for name in shipped::names() {
        let text = shipped::text(&name).unwrap_or_default();
        match parse(&name, &Origin::Shipped(name.clone()).to_string(), text) {
            Ok(scenario) => loaded.push(scenario),
            Err(bad) => problems.extend(bad.problems),
        }
    }
    if problems.is_empty() { Ok(loaded) } else { Err(BadScenario { problems }) }
}

const HOW_TO_LIST: &str = "`zclab list scenarios` lists those that come with zclab";

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::File(path) => path.display().fmt(f),
            Origin::Shipped(name) => write!(f, "shipped:{name}"),
        }
    }
}

/// What tells whether two arguments mean the same file.
fn place(origin: &Origin) -> String {
    match origin {
        Origin::File(path) => {
            fs::canonicalize(path).unwrap_or_else(|_| path.clone()).display().to_string()
        }
        Origin::Shipped(_) => origin.to_string(),
    }
}

fn resolve(arg: &str) -> Result<Vec<(String, Origin)>> {
    let path = Path::new(arg);
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let mut files = Vec::new();
            search(path, 0, &mut files)?;
            match (files.is_empty(), shipped_below(arg)) {
                (false, _) => Ok(files.into_iter().map(named).collect()),
                (true, shipped) if !shipped.is_empty() => Ok(shipped),
                (true, _) => bail!("{arg}: the folder holds no scenario files (*.toml)"),
            }
        }
        Ok(_) => Ok(vec![named(path.to_owned())]),
        Err(error) if is_absent(error.kind()) => {
            let shipped = shipped_below(arg);
            if shipped.is_empty() { bail!(unknown(arg)) } else { Ok(shipped) }
        }
        Err(error) => Err(error).with_context(|| format!("cannot look at {arg}")),
    }
}

fn is_absent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput)
}

fn named(path: PathBuf) -> (String, Origin) {
    (name_of(&path), Origin::File(path))
}

/// The path below the nearest folder called `scenarios`, without the extension; else the file's stem.
fn name_of(path: &Path) -> String {
    let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).with_extension("");
    let parts: Vec<String> = full
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    let (stem, folders) = match parts.split_last() {
        Some(split) => split,
        None => return path.display().to_string(),
    };
    match folders.iter().rposition(|folder| folder == "scenarios") {
        Some(at) => parts[at + 1..].join("/"),
        None => stem.clone(),
    }
}

fn search(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > FOLDER_DEPTH_MAX {
        bail!("{}: scenario folders go no deeper than {FOLDER_DEPTH_MAX}", folder.display());
    }
    let context = || format!("cannot read the folder {}", folder.display());
    let mut entries = fs::read_dir(folder)
        .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
        .with_context(context)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // Links to folders are not followed, so that no loop can be walked.
        if entry.file_type().with_context(context)?.is_dir() {
            search(&path, depth + 1, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
        if files.len() > FOLDER_FILES_MAX {
            bail!("{}: more than {FOLDER_FILES_MAX} scenario files", folder.display());
        }
    }
    Ok(())
}

fn shipped_below(arg: &str) -> Vec<(String, Origin)> {
    let group = arg.trim_end_matches('/');
    let is_below = |name: &String| {
        name.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let names = shipped::names().into_iter().filter(is_below);
    names.map(|name| (name.clone(), Origin::Shipped(name))).collect()
}

/// What is said about an argument that is neither on disk nor shipped.
fn unknown(arg: &str) -> String {
    let names = shipped::names();
    let plain = arg.trim_end_matches('/');
    let plain = plain.strip_suffix(".toml").unwrap_or(plain);
    // A path such as `scenarios/quick/size.toml`, used elsewhere than in a checkout.
    let tail = plain.rsplit_once("scenarios/").map_or(plain, |(_, tail)| tail);
    let mut alike: Vec<&String> =
        names.iter().filter(|name| name.split('/').any(|part| part == tail)).collect();
    if names.iter().any(|name| name == tail) {
        return format!("{arg}: no such file; the shipped scenario is called `{tail}`");
    }
    if alike.is_empty() {
        let groups = names.iter().filter_map(|name| name.split_once('/')).map(|(group, _)| group);
        let parts = names.iter().filter_map(|name| name.rsplit('/').next());
        let candidates = names.iter().map(String::as_str).chain(groups).chain(parts);
        let found = near(tail, candidates);
        alike = names
            .iter()
            .filter(|name| {
                let found = found.as_deref().unwrap_or("\n");
                name.as_str() == found || name.split('/').any(|part| part == found)
            })
            .collect();
    }
    let meant: Vec<String> = alike.iter().take(4).map(|name| format!("`{name}`")).collect();
    let meant = if meant.is_empty() {
        String::new()
    } else {
        format!("; did you mean {}?", meant.join(" or "))
    };
    format!("{arg}: neither a file, nor a folder, nor a shipped scenario{meant} ({HOW_TO_LIST})")
}

fn read(origin: &Origin) -> Result<Vec<u8>> {
    match origin {
        Origin::Shipped(name) => Ok(shipped::text(name).unwrap_or_default().as_bytes().to_vec()),
        Origin::File(path) => {
            let context = || format!("cannot read the scenario file {}", path.display());
            let mut bytes = Vec::new();
            let mut file = File::open(path).with_context(context)?.take(FILE_BYTES_MAX + 1);
            file.read_to_end(&mut bytes).with_context(context)?;
            if bytes.len() as u64 > FILE_BYTES_MAX {
                bail!(
                    "{}: longer than {}, which no scenario file is",
                    path.display(),
                    crate::size::show(FILE_BYTES_MAX)
                );
            }
            Ok(bytes)
        }
    }
}
