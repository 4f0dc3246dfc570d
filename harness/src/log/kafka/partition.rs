//! Which files make up a partition, and which batches does a segment hold?

use super::batch::{BatchHeader, HEADER_BYTES};
use crate::log::LogError;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Digits of a segment's name.
const NAME_DIGITS: usize = 20;
/// Bytes read at once while headers are looked at: one page, so that short batches share a call.
const WINDOW_BYTES: usize = 4096;

/// What lies in a partition's directory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Base offsets of the `.log` files, rising.
    pub segments: Vec<i64>,
    /// `.index`, `.timeindex`, `.txnindex` and `.snapshot` files: offset and extension, rising.
    pub beside: Vec<(i64, &'static str)>,
    /// Names that are none of Kafka's, or not regular files where Kafka has such.
    pub foreign: Vec<String>,
}

/// Extensions of the files beside a log.
const BESIDE: [&str; 4] = ["index", "timeindex", "txnindex", "snapshot"];

/// `00000000000000000000.log` and the like.
#[must_use]
pub fn file(dir: &Path, offset: i64, extension: &str) -> PathBuf {
    dir.join(format!("{offset:020}.{extension}"))
}

/// Looks at a directory's names without opening anything.
///
/// # Errors
/// When the directory cannot be read, holds no segment, or holds something else under a segment's name.
pub fn list(dir: &Path) -> Result<Listing, LogError> {
    let mut listing = Listing::default();
    for entry in std::fs::read_dir(dir).map_err(LogError::io("opendir", dir))? {
        let entry = entry.map_err(LogError::io("readdir", dir))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match classify(&name) {
            Kind::Segment(offset) => {
                require_file(&entry.path())?;
                listing.segments.push(offset);
            }
            Kind::Beside(offset, extension) => {
                require_file(&entry.path())?;
                listing.beside.push((offset, extension));
            }
            Kind::Text => require_file(&entry.path())?,
            Kind::Foreign => listing.foreign.push(name.into_owned()),
        }
    }
    if listing.segments.is_empty() {
        let why = "it holds no segment".to_owned();
        return Err(LogError::NotAPartition { path: dir.to_path_buf(), why });
    }
    listing.segments.sort_unstable();
    listing.beside.sort_unstable();
    listing.foreign.sort_unstable();
    Ok(listing)
}

enum Kind {
    Segment(i64),
    Beside(i64, &'static str),
    Text,
    Foreign,
}

fn classify(name: &str) -> Kind {
    if name == super::checkpoint::LEADER_EPOCHS || name == super::checkpoint::METADATA {
        return Kind::Text;
    }
    let Some((digits, extension)) = name.split_once('.') else { return Kind::Foreign };
    if digits.len() != NAME_DIGITS || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Kind::Foreign;
    }
    let Ok(offset) = digits.parse() else { return Kind::Foreign };
    match BESIDE.into_iter().find(|&known| known == extension) {
        Some(extension) => Kind::Beside(offset, extension),
        None if extension == "log" => Kind::Segment(offset),
        None => Kind::Foreign,
    }
}

/// Refuses what would block or mislead when opened: directories, pipes, devices. A symbolic link
/// counts as what it leads to.
fn require_file(path: &Path) -> Result<(), LogError> {
    let metadata = path.metadata().map_err(LogError::io("stat", path))?;
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() { "a directory" } else { "no regular file" };
    let why = format!("this is {what} under the name of one of Kafka's files");
    Err(LogError::NotAPartition { path: path.to_path_buf(), why })
}

/// Reads a whole file: indexes, checkpoints, snapshots.
///
/// # Errors
/// When a call fails.
pub fn read(path: &Path) -> Result<Vec<u8>, LogError> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(LogError::io("open", path))?;
    file.read_to_end(&mut bytes).map_err(LogError::io("read", path))?;
    Ok(bytes)
}

/// Why a walk ended before the file's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It did not: the last batch ends where the file ends.
    None,
    /// Nothing but zeros follow: space that the broker allocated beforehand. (A batch cut within its
    /// first bytes, where its offset's zeros stand, looks alike; there is nothing to read either way.)
    Zeros,
    /// The file ends within a batch.
    Truncated {
        /// Bytes that the batch would need.
        needs_bytes: u64,
        /// Bytes that there are.
        has_bytes: u64,
    },
}

/// Goes from batch to batch of a segment, reading headers only.
pub struct Walk {
    file: File,
    path: PathBuf,
    end_bytes: u64,
    position_bytes: u64,
    window: Vec<u8>,
    window_from: u64,
    tail: Tail,
}

impl Walk {
    /// Opens a segment.
    ///
    /// # Errors
    /// When a call fails.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let file = File::open(path).map_err(LogError::io("open", path))?;
        let end_bytes = file.metadata().map_err(LogError::io("fstat", path))?.len();
        Ok(Self {
            file,
            path: path.to_path_buf(),
            end_bytes,
            position_bytes: 0,
            window: Vec::new(),
            window_from: 0,
            tail: Tail::None,
        })
    }

    /// Takes the file to end there, should it be longer.
    #[must_use]
    pub fn ending_at(self, end_bytes: u64) -> Self {
        Self { end_bytes: end_bytes.min(self.end_bytes), ..self }
    }

    /// Begins there instead of at 0.
    #[must_use]
    pub fn starting_at(self, position_bytes: u64) -> Self {
        Self { position_bytes, ..self }
    }

    /// Where the next batch begins, or the valid part ends.
    #[must_use]
    pub fn position_bytes(&self) -> u64 {
        self.position_bytes
    }

    /// Bytes of the file.
    #[must_use]
    pub fn end_bytes(&self) -> u64 {
        self.end_bytes
    }

    /// What follows the last batch, once [`Walk::next_header`] gave `None`.
    #[must_use]
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// The file, to read the batch from.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The next batch's position and checked header; `None` at the end, which [`Walk::tail`] explains.
    ///
    /// # Errors
    /// When a call fails, or the header cannot be one; the walk then stays where it is.
    pub fn next_header(&mut self) -> Result<Option<(u64, BatchHeader)>, LogError> {
        let position = self.position_bytes;
        let left = self.end_bytes.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        if left < HEADER_BYTES as u64 {
            let zeros = self.only_zeros(position)?;
            let needs_bytes = HEADER_BYTES as u64;
            self.tail =
                if zeros { Tail::Zeros } else { Tail::Truncated { needs_bytes, has_bytes: left } };
            return Ok(None);
        }
        let header = BatchHeader::read(&self.header_at(position)?);
        if let Err(what) = header.check() {
            if header.length == 0 && self.only_zeros(position)? {
                self.tail = Tail::Zeros;
                return Ok(None);
            }
            let (path, what) = (self.path.clone(), what.to_string());
            return Err(LogError::Damaged { path, position_bytes: position, what });
        }
        if header.total_bytes() > left {
            self.tail = Tail::Truncated { needs_bytes: header.total_bytes(), has_bytes: left };
            return Ok(None);
        }
        self.position_bytes += header.total_bytes();
        Ok(Some((position, header)))
    }

    fn header_at(&mut self, position: u64) -> Result<[u8; HEADER_BYTES], LogError> {
        let end = position + HEADER_BYTES as u64;
        let window_end = self.window_from + self.window.len() as u64;
        if position < self.window_from || end > window_end {
            let length = (self.end_bytes - position).min(WINDOW_BYTES as u64) as usize;
            self.window.resize(length, 0);
            self.window_from = position;
            let read = self.file.read_exact_at(&mut self.window, position);
            read.map_err(LogError::io("pread", &self.path))?;
        }
        let from = (position - self.window_from) as usize;
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&self.window[from..from + HEADER_BYTES]);
        Ok(header)
    }

    fn only_zeros(&self, from: u64) -> Result<bool, LogError> {
        let mut chunk = vec![0; 64 * 1024];
        let mut position = from;
        while position < self.end_bytes {
            let length = (self.end_bytes - position).min(chunk.len() as u64) as usize;
            let read = self.file.read_exact_at(&mut chunk[..length], position);
            read.map_err(LogError::io("pread", &self.path))?;
            if chunk[..length].iter().any(|&byte| byte != 0) {
                return Ok(false);
            }
            position += length as u64;
        }
        Ok(true)
    }
}
