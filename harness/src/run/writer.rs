//! How does a run's record reach the disk, so that a killed run loses nothing it had measured?

use super::interrupt;
use anyhow::{Context, bail};
use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zclab_report::record::{End, Line, PURPOSE_MEASURE, SCHEMA, Status};

/// What the record of a run is called.
pub const RUN: &str = "run.jsonl";

/// A record that is being written, by nobody else: the file is locked.
pub struct Writer {
    file: File,
    path: PathBuf,
    len_bytes: u64,
}

impl Writer {
    /// A new record of this name in a directory of its own under `runs`.
    ///
    /// # Errors
    /// The call that failed, with the path.
    pub fn create(runs: &Path, run_id: &str, name: &str) -> anyhow::Result<Writer> {
        let dir = runs.join(run_id);
        std::fs::create_dir_all(&dir).with_context(|| format!("mkdir {}", dir.display()))?;
        let path = dir.join(name);
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(&path)
            .with_context(|| format!("creating {}", path.display()))?;
        lock(&file, &path)?;
        Ok(Writer { file, path, len_bytes: 0 })
    }

    /// Appends to a file that was written before. Half a line at its end is removed.
    ///
    /// # Errors
    /// The call that failed, with the path, or another program that writes it.
    pub fn append(path: &Path) -> anyhow::Result<Writer> {
        let file = File::options()
            .append(true)
            .open(path)
            .with_context(|| format!("opening {} for appending", path.display()))?;
        lock(&file, path)?;
        let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        file.set_len(whole).with_context(|| format!("truncating {}", path.display()))?;
        Ok(Writer { file, path: path.to_owned(), len_bytes: whole })
    }

    /// Takes up a record; the ids of its finished cells, and what became of them. A line that was cut
    /// off by the end of the earlier run is removed.
    ///
    /// # Errors
    /// A file that is no record of a measurement, of another schema, or that another run is writing.
    pub fn resume(path: &Path) -> anyhow::Result<(Writer, HashMap<String, Status>)> {
        let file = File::options()
            .append(true)
            .open(path)
            .with_context(|| format!("opening {} for appending", path.display()))?;
        lock(&file, path)?;
        let text =
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let mut finished = HashMap::new();
        for (index, line) in text[..whole].lines().enumerate() {
            let at = || format!("{} line {}", path.display(), index + 1);
            match (index, serde_json::from_str::<Line>(line).with_context(at)?) {
                (0, Line::Run(run)) if run.purpose != PURPOSE_MEASURE => {
                    bail!(
                        "{}: a record of a {} cannot be resumed: start it anew",
                        at(),
                        run.purpose
                    )
                }
                (0, Line::Run(run)) if run.schema == SCHEMA => {}
                (0, Line::Run(run)) => {
                    bail!("{}: schema {} cannot be resumed by {SCHEMA}", at(), run.schema)
                }
                (0, _) => bail!("{}: a record begins with a run line", at()),
                (_, Line::Cell(cell)) => {
                    finished.insert(cell.cell, cell.status);
                }
                _ => {}
            }
        }
        if whole == 0 {
            bail!("{} has no whole line: there is nothing to resume", path.display());
        }
        file.set_len(whole as u64).with_context(|| format!("truncating {}", path.display()))?;
        let path = path.to_owned();
        Ok((Writer { file, path, len_bytes: whole as u64 }, finished))
    }

    /// Appends lines in one write.
    ///
    /// # Errors
    /// What the file system said: a record that cannot be written ends the run.
    pub fn lines(&mut self, lines: &[impl serde::Serialize]) -> anyhow::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).context("encoding a record line")?;
            text.push(b'\n');
        }
        if let Err(error) = self.file.write_all(&text) {
            // Half a line would make the rest unreadable; what cannot be cut off now, `resume` cuts.
            let cut = self.file.set_len(self.len_bytes);
            let what = format!("writing to {}", self.path.display());
            return Err(anyhow::Error::from(error).context(match cut {
                Ok(()) => what,
                Err(cut) => format!("{what} (and cutting off half a line: {cut})"),
            }));
        }
        self.len_bytes += text.len() as u64;
        Ok(())
    }

    /// Where the record lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Two runs that write one record would mix their samples.
fn lock(file: &File, path: &Path) -> anyhow::Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("{} is being written by another run", path.display())
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("flock {}", path.display()))
        }
    }
}

/// The link to the newest run.
pub const LATEST: &str = "latest";

/// Makes a link among the runs, [`LATEST`] say, point to one of them.
///
/// # Errors
/// The call that failed, with the path.
pub fn point(link: &str, runs: &Path, run_id: &str) -> anyhow::Result<()> {
    let latest = runs.join(link);
    // A link is replaced by renaming over it, so that it never points nowhere.
    let fresh = runs.join(format!(".{link}-{run_id}"));
    std::os::unix::fs::symlink(run_id, &fresh)
        .and_then(|()| std::fs::rename(&fresh, &latest))
        .with_context(|| format!("pointing {} to {run_id}", latest.display()))
}

/// How it ended, and when: the last line of every record.
#[must_use]
pub fn end(failed: bool) -> End {
    let how = match (failed, interrupt::asked()) {
        (true, _) => "failed",
        (_, true) => "interrupted",
        _ => "complete",
    };
    End { how: how.to_owned(), ended_at: timestamp() }
}

/// Now, as the record writes it.
#[must_use]
pub fn timestamp() -> String {
    OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_else(|_| "unavailable".into())
}

/// A run's id: sorted by time, unique by six random digits.
#[must_use]
pub fn run_id() -> String {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let stamp = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
    let unique = u64::from(std::process::id())
        ^ crate::counters::now().0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    format!("{stamp}-{:06x}", unique & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_record_is_found_under_latest_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::create(dir.path(), "one", RUN).unwrap();
        point(LATEST, dir.path(), "one").unwrap();
        writer.lines(&[Line::End(end(false))]).unwrap();
        let latest = dir.path().join("latest").join(RUN);
        assert!(std::fs::read_to_string(&latest).unwrap().ends_with("}\n"));
        assert!(Writer::create(dir.path(), "one", RUN).is_err());
        Writer::create(dir.path(), "two", RUN).unwrap();
        point(LATEST, dir.path(), "two").unwrap();
        assert_eq!(std::fs::read_to_string(&latest).unwrap(), "");
    }

    #[test]
    fn what_is_no_record_is_not_resumed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.jsonl");
        for (text, words) in [
            ("", "no whole line"),
            ("{\"kind\":\"run\"", "no whole line"),
            ("hello\n", "line 1"),
            ("{\"kind\":\"end\",\"how\":\"complete\",\"ended_at\":\"x\"}\n", "begins with a run"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Writer::resume(&path).err().map(|e| format!("{e:#}")).unwrap_or_default();
            assert!(error.contains(words), "{text:?} gives {error:?}");
        }
    }
}
