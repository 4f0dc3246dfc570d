//! Was the cache in the state that the cell claims, before a sample and after it?

use super::wire::{Cache, Trouble};
use crate::cache::{CacheError, Device, PAGE_BYTES, Watched};
use crate::counters::process_io;
use std::fs::File;
use std::path::{Path, PathBuf};
use zclab_report::record::{CacheProof, Status};
use zclab_strategies::Piece;

/// A warm sample holds when this share of its pages is still resident after it. Some kernels reclaim
/// single pages at any time (DAMON's proactive reclaim); a page that went after it was sent costs nothing.
const WARM_LEFT: f64 = 0.99;

/// Of a small sample so many pages may go: reclaim takes them a few at a time.
const WARM_GONE_PAGES: u64 = 16;

/// Pages that have gone between two samples are read in again, untimed, at most so often.
const REWARM_TRIES: u32 = 3;

/// A partial condition holds when the log's resident share is this near to the one asked for. It is a
/// statement about the log: a sample of a few random pages may have more or fewer of them.
const SHARE_SLACK: f64 = 0.05;

/// The log's files, watched without touching them, and the device below them.
pub struct Witness {
    files: Vec<Watched>,
    device: Result<Device, String>,
}

/// What was seen before a sample.
pub struct Before {
    ranges: Vec<(usize, u64, u64)>,
    pages: u64,
    resident: u64,
    /// Pages of the whole log, and of them resident; looked at only where the state speaks of a share.
    log: Option<(u64, u64)>,
    cachestat: Option<u64>,
    device_bytes: Option<u64>,
}

impl Witness {
    /// Watches these segments.
    ///
    /// # Errors
    /// A file that cannot be opened or mapped.
    pub fn open(segments: &[(PathBuf, u64)]) -> Result<Witness, Trouble> {
        let files = segments.iter().map(|(path, _)| Watched::open(path)).collect::<Result<_, _>>();
        let device = match segments.first() {
            Some((path, _)) => Device::under(path),
            None => Err("the log has no segment".into()),
        };
        Ok(Witness { files: files.map_err(trouble)?, device })
    }

    /// Watches files that have yet to grow: each with its path and the length that it may reach.
    ///
    /// # Errors
    /// A file that cannot be mapped.
    pub fn of_growing<'a>(
        files: impl Iterator<Item = (&'a Path, &'a File, u64)>,
    ) -> Result<Witness, Trouble> {
        let files = files.map(|(path, file, len_bytes)| Watched::growing(path, file, len_bytes));
        let files = files.collect::<Result<_, _>>().map_err(trouble)?;
        Ok(Witness { files, device: Err("nothing is looked at before a log has grown".into()) })
    }

    /// Brings the whole log into the state.
    ///
    /// # Errors
    /// `invalid` when pages would not go or come.
    pub fn arrange(&self, wish: Cache) -> Result<(), Trouble> {
        for file in &self.files {
            match wish {
                Cache::Warm => file.warm(),
                Cache::Cold => file.evict(),
                Cache::Partial(share) => file.load_share(share),
            }
            .map_err(trouble)?;
        }
        Ok(())
    }

    /// Reads the files in, unless all of each is there.
    ///
    /// # Errors
    /// A failed call.
    pub fn keep_warm(&self) -> Result<(), Trouble> {
        let (pages, resident) = self.resident(&self.everything())?;
        if resident < pages { self.arrange(Cache::Warm) } else { Ok(()) }
    }

    /// Looks at the pages of these fetches. For a warm sample, pages that have gone since the log was
    /// warmed are read in again first.
    ///
    /// # Errors
    /// A failed call.
    pub fn before(&self, fetches: &[Vec<Piece>], wish: Cache) -> Result<Before, Trouble> {
        let ranges = page_runs(fetches);
        let (pages, mut resident) = self.resident(&ranges)?;
        let mut tries = 0;
        while wish == Cache::Warm && resident < pages && tries < REWARM_TRIES {
            for &(file, offset, len) in &ranges {
                let (wanted, there) = self.files[file].resident(offset, len).map_err(trouble)?;
                if there < wanted {
                    self.files[file].warm_range(offset, len).map_err(trouble)?;
                }
            }
            resident = self.resident(&ranges)?.1;
            tries += 1;
        }
        let cachestat = ranges
            .iter()
            .map(|&(file, offset, len)| self.files[file].cachestat(offset, len))
            .sum::<Option<u64>>();
        let device_bytes = self.device.as_ref().ok().and_then(Device::read_bytes);
        let log = match wish {
            Cache::Partial(_) => Some(self.resident(&self.everything())?),
            _ => None,
        };
        Ok(Before { ranges, pages, resident, log, cachestat, device_bytes })
    }

    /// Looks again, and puts both looks together.
    ///
    /// # Errors
    /// A failed call.
    pub fn after(&self, before: &Before) -> Result<CacheProof, Trouble> {
        let device_read = match (&self.device, before.device_bytes) {
            (Ok(device), Some(begin)) => device.read_bytes().map(|end| end.saturating_sub(begin)),
            _ => None,
        };
        let (_, resident_after) = self.resident(&before.ranges)?;
        let device = match &self.device {
            Ok(Device { name, loops: Some(above), .. }) => {
                format!("{name} below {above} (direct I/O): sectors read, by anybody")
            }
            Ok(device) => format!("{}: sectors read, by anybody", device.name),
            Err(why) => format!("unavailable: {why}"),
        };
        Ok(CacheProof {
            pages: before.pages,
            resident_before: before.resident,
            resident_after,
            cachestat_before: before.cachestat,
            device_read_bytes: device_read,
            device,
        })
    }

    /// Bytes read while a sample ran: what the block layer was asked for. Below a loop device the lower
    /// device has to have read as much.
    #[must_use]
    pub fn read_bytes(&self, asked_bytes: Option<u64>, proof: &CacheProof) -> Option<u64> {
        match (&self.device, proof.device_read_bytes) {
            (Ok(Device { loops: Some(_), .. }), Some(below)) => {
                Some(asked_bytes.map_or(below, |asked| asked.min(below)))
            }
            _ => asked_bytes,
        }
    }

    /// Of the pages of these fetches, how many there are and how many are resident.
    ///
    /// # Errors
    /// A failed call.
    pub fn resident_of(&self, fetches: &[Vec<Piece>]) -> Result<(u64, u64), Trouble> {
        self.resident(&page_runs(fetches))
    }

    fn everything(&self) -> Vec<(usize, u64, u64)> {
        let whole = |(file, watched): (usize, &Watched)| (file, 0, watched.pages() * PAGE_BYTES);
        self.files.iter().enumerate().map(whole).collect()
    }

    fn resident(&self, ranges: &[(usize, u64, u64)]) -> Result<(u64, u64), Trouble> {
        let mut sum = (0, 0);
        for &(file, offset, len) in ranges {
            let (pages, resident) = self.files[file].resident(offset, len).map_err(trouble)?;
            sum = (sum.0 + pages, sum.1 + resident);
        }
        Ok(sum)
    }
}

impl Before {
    /// Whether the state is the one that the cell claims, before anything moved.
    ///
    /// # Errors
    /// `invalid`, with the counts.
    pub fn judge(&self, wish: Cache) -> Result<(), Trouble> {
        let (pages, resident) = self.log.unwrap_or((self.pages, self.resident));
        let share = if pages == 0 { 0.0 } else { resident as f64 / pages as f64 };
        let holds = match wish {
            Cache::Warm => resident == pages,
            Cache::Cold => resident == 0,
            Cache::Partial(wanted) => (share - wanted).abs() <= SHARE_SLACK,
        };
        if holds {
            return Ok(());
        }
        let wanted = match wish {
            Cache::Warm => "all".to_owned(),
            Cache::Cold => "none".to_owned(),
            Cache::Partial(share) => format!("about {:.0} %", share * 100.0),
        };
        Err(Trouble::invalid(format!(
            "mincore: {resident} of {pages} pages resident before the sample, {wanted} expected"
        )))
    }
}

/// Whether a sample of a state really met it: warm pages stayed, and cold pages came from a device.
///
/// `io_read_bytes` is what the block layer was asked to read for the sender, so it needs no device to
/// be found below overlayfs or btrfs; reads of others do not count in it.
///
/// # Errors
/// `invalid`, with the counts.
pub fn judge_after(
    wish: Cache,
    proof: &CacheProof,
    payload_bytes: u64,
    read_bytes: Option<u64>,
) -> Result<(), Trouble> {
    match wish {
        // Nothing was read from a device: pages that went had been sent by then.
        Cache::Warm if read_bytes == Some(0) => Ok(()),
        Cache::Warm if warm_pages_gone(proof) => Err(Trouble::invalid(format!(
            "mincore: only {} of {} pages still resident after the sample: memory is short",
            proof.resident_after, proof.pages
        ))),
        Cache::Cold => {
            let least = payload_bytes.min(proof.pages * PAGE_BYTES);
            match read_bytes.or(proof.device_read_bytes) {
                // Pages at the ends are shared by neighbouring fetches.
                Some(read) if read + 2 * PAGE_BYTES >= least => Ok(()),
                Some(read) => Err(Trouble::invalid(format!(
                    "a cold sample of {least} bytes read only {read} from the device: is the log on \
                     a memory file system?"
                ))),
                None => Err(Trouble::invalid(
                    "neither /proc/self/io nor a device's counters can prove the cold reads",
                )),
            }
        }
        _ => Ok(()),
    }
}

fn warm_pages_gone(proof: &CacheProof) -> bool {
    have_gone(proof.pages, proof.resident_after)
}

/// Whether more of these pages are not resident any more than reclaim takes by the way.
pub(super) fn have_gone(pages: u64, resident: u64) -> bool {
    let gone = pages.saturating_sub(resident);
    gone > WARM_GONE_PAGES && (resident as f64) < pages as f64 * WARM_LEFT
}

/// `/proc/self/io`'s block bytes, as a reading for [`judge_after`].
#[must_use]
pub fn block_bytes_read() -> Option<u64> {
    process_io().map(|io| io.read_bytes)
}

/// The pages of all fetches as sorted runs that do not overlap: (file, offset, length), page-aligned.
fn page_runs(fetches: &[Vec<Piece>]) -> Vec<(usize, u64, u64)> {
    let mut spans: Vec<(usize, u64, u64)> = fetches
        .iter()
        .flatten()
        .filter(|piece| piece.len_bytes > 0)
        .map(|piece| {
            let first = piece.offset_bytes / PAGE_BYTES;
            let end = (piece.offset_bytes + piece.len_bytes).div_ceil(PAGE_BYTES);
            (piece.segment as usize, first, end)
        })
        .collect();
    spans.sort_unstable();
    let mut runs: Vec<(usize, u64, u64)> = Vec::new();
    for (file, first, end) in spans {
        match runs.last_mut() {
            Some(run) if run.0 == file && first <= run.2 => run.2 = run.2.max(end),
            _ => runs.push((file, first, end)),
        }
    }
    let in_bytes = |(file, first, end)| (file, first * PAGE_BYTES, (end - first) * PAGE_BYTES);
    runs.into_iter().map(in_bytes).collect()
}

fn trouble(error: CacheError) -> Trouble {
    match &error {
        CacheError::Call { path, call, errno } => {
            Trouble::call(call, &path.display().to_string(), *errno).with_status(Status::Failed)
        }
        CacheError::Stays { .. } => Trouble::invalid(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(resident_after: u64, device: Option<u64>) -> CacheProof {
        CacheProof {
            pages: 100,
            resident_before: 0,
            resident_after,
            cachestat_before: None,
            device_read_bytes: device,
            device: String::new(),
        }
    }

    #[test]
    fn page_runs_merge_and_never_overlap() {
        let piece = |segment, offset_bytes, len_bytes| Piece { segment, offset_bytes, len_bytes };
        let fetches = vec![
            vec![piece(0, 5000, 10), piece(1, 0, 1)],
            vec![piece(0, 4090, 10), piece(0, 9, 0)],
        ];
        assert_eq!(page_runs(&fetches), [(0, 0, 8192), (1, 0, 4096)]);
    }

    #[test]
    fn cold_needs_device_bytes_and_warm_needs_pages_that_stay() {
        let payload = 100 * PAGE_BYTES;
        assert!(judge_after(Cache::Cold, &proof(100, Some(payload)), payload, None).is_ok());
        assert!(judge_after(Cache::Cold, &proof(100, Some(payload)), payload, Some(0)).is_err());
        assert!(judge_after(Cache::Cold, &proof(100, None), payload, None).is_err());
        assert!(judge_after(Cache::Warm, &proof(80, None), payload, None).is_err());
        assert!(judge_after(Cache::Warm, &proof(80, None), payload, Some(4096)).is_err());
        assert!(judge_after(Cache::Warm, &proof(80, None), payload, Some(0)).is_ok());
        assert!(judge_after(Cache::Warm, &proof(98, None), payload, None).is_ok());
        assert!(judge_after(Cache::Warm, &proof(100, None), payload, None).is_ok());
    }

    #[test]
    fn a_state_that_is_not_the_claimed_one_is_invalid() {
        let before = |resident| Before {
            ranges: Vec::new(),
            pages: 100,
            resident,
            log: None,
            cachestat: None,
            device_bytes: None,
        };
        assert!(before(1).judge(Cache::Cold).is_err());
        assert!(before(0).judge(Cache::Cold).is_ok());
        assert!(before(99).judge(Cache::Warm).is_err());
        assert!(before(52).judge(Cache::Partial(0.5)).is_ok());
        assert!(before(60).judge(Cache::Partial(0.5)).is_err());
    }
}
