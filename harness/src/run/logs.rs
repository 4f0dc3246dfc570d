//! Where do the logs of a run come from, and may their pages be evicted?

use crate::log::{Log, kafka, scan};
use crate::run::interrupt;
use crate::scenario::LogChoice;
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The logs that were made or found, by what was asked for.
pub struct Store {
    dir: PathBuf,
    ready: HashMap<PathBuf, Rc<Log>>,
    quiet: bool,
}

/// A log, and what may be done to it.
#[derive(Clone)]
pub struct Ready {
    /// Its segments and batches.
    pub log: Rc<Log>,
    /// Its pages may be evicted: it is zclab's own.
    pub owned: bool,
}

impl Store {
    /// A store of logs in this directory.
    #[must_use]
    pub fn new(dir: &Path, quiet: bool) -> Store {
        Store { dir: dir.to_owned(), ready: HashMap::new(), quiet }
    }

    /// The log that a condition asks for: generated unless it is there already, or imported earlier.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn get(&mut self, choice: &LogChoice) -> anyhow::Result<Ready> {
        let (dir, owned) = match choice {
            LogChoice::Kafka(spec) => (self.generated(spec)?, true),
            LogChoice::Imported(name) => {
                let found = kafka::import::lookup(&self.imported(), name)?;
                (found.dir, found.owned)
            }
        };
        if let Some(log) = self.ready.get(&dir) {
            return Ok(Ready { log: Rc::clone(log), owned });
        }
        let log = Rc::new(scan(&dir)?);
        if let LogChoice::Kafka(spec) = choice {
            let len_bytes: u64 = log.segments.iter().map(|segment| segment.len_bytes).sum();
            if len_bytes < spec.total_bytes {
                bail!(
                    "{} was damaged since it was generated: {len_bytes} bytes of {}; remove it, and it \
                     is made anew",
                    dir.display(),
                    spec.total_bytes
                );
            }
        }
        if log.batches.is_empty() {
            bail!("{} holds no batch: there is nothing to move", dir.display());
        }
        self.ready.insert(dir, Rc::clone(&log));
        Ok(Ready { log, owned })
    }

    /// Refuses beforehand a run that asks for an imported log that nobody imported.
    ///
    /// # Errors
    /// Its name, and how to import it.
    pub fn knows(&self, choice: &LogChoice) -> anyhow::Result<()> {
        if let LogChoice::Imported(name) = choice {
            kafka::import::lookup(&self.imported(), name)?;
        }
        Ok(())
    }

    /// Where `zclab log import` notes what it imported.
    fn imported(&self) -> PathBuf {
        self.dir.join("imported")
    }

    /// The directory of a generated log. Its name is a checksum of its specification, so another
    /// specification is another log; a generation that was cut off left no directory of that name.
    fn generated(&self, spec: &kafka::Spec) -> anyhow::Result<PathBuf> {
        let text = serde_json::to_vec(spec).context("encoding a log's specification")?;
        let key = crc32c::crc32c(&text);
        let second = crc32c::crc32c_append(0x5a5a_5a5a, &text);
        let home = self.dir.join(format!("kafka-{key:08x}{second:08x}"));
        let dir = home.join("zclab-0");
        if dir.is_dir() {
            return Ok(dir);
        }
        std::fs::create_dir_all(&home).with_context(|| format!("mkdir {}", home.display()))?;
        room_for(spec.total_bytes, &home)?;
        let bar = match self.quiet {
            true => ProgressBar::hidden(),
            false => ProgressBar::new(spec.total_bytes),
        };
        let style = "generating a Kafka log [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| bar.style()));
        // Nothing has been measured on it yet: Ctrl-C may end the program here and now.
        interrupt::leave();
        let made = kafka::generate(spec, &dir, &mut |bytes| bar.set_position(bytes));
        interrupt::listen().context("listening for Ctrl-C")?;
        bar.finish_and_clear();
        match made {
            // Another run may have made the same log meanwhile.
            Err(_) if dir.is_dir() => Ok(dir),
            made => made.map(|_| dir).map_err(Into::into),
        }
    }
}

/// Refuses beforehand what would end in ENOSPC.
fn room_for(bytes: u64, dir: &Path) -> anyhow::Result<()> {
    let stat =
        nix::sys::statvfs::statvfs(dir).with_context(|| format!("statvfs {}", dir.display()))?;
    let free_bytes = stat.blocks_available() * stat.fragment_size();
    // Indexes and the file system's own need are well below a tenth.
    if free_bytes < bytes + bytes / 10 {
        bail!(
            "{} has {free_bytes} bytes free, the log needs {}: name another place with --logs DIR",
            dir.display(),
            bytes + bytes / 10
        );
    }
    Ok(())
}
