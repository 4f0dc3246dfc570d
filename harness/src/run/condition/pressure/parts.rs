//! Which part of a log is the hot set, and which part is scanned?

use crate::cache::PAGE_BYTES;
use crate::scenario::Pressure;
use crate::trial::wire::{Cache, Spec, Trouble};
use std::path::PathBuf;

/// The hot set begins at a multiple of this in its file, so that no large folio holds bytes of both
/// parts.
const ALIGN_BYTES: u64 = 1 << 20;

/// Fetches that hot consumers ask for before they ask for the same again.
const HOT_FETCHES: u32 = 4096;

/// The two parts of a log, in bytes of the log as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// Bytes before the hot set: what is scanned.
    pub scan: (u64, u64),
    /// The log's end.
    pub hot: (u64, u64),
    /// Files, and where each begins in the log as a whole; one more entry for its end.
    files: Vec<PathBuf>,
    starts: Vec<u64>,
}

impl Parts {
    /// Divides a log.
    ///
    /// # Errors
    /// A log that is no longer than the limit, or too short for both.
    pub fn of(segments: &[(PathBuf, u64)], pressure: &Pressure) -> Result<Parts, Trouble> {
        let mut starts = vec![0];
        for (_, len_bytes) in segments {
            starts.push(starts[starts.len() - 1] + len_bytes);
        }
        let end = starts[starts.len() - 1];
        if end <= pressure.memory_bytes || end <= pressure.hot_bytes {
            return Err(Trouble::failed(format!(
                "a log of {end} bytes fits the limit of {}: there is no pressure",
                pressure.memory_bytes
            )));
        }
        let wish = end - pressure.hot_bytes;
        let file_begin = starts[starts.partition_point(|&start| start <= wish) - 1];
        let begin = file_begin + (wish - file_begin) / ALIGN_BYTES * ALIGN_BYTES;
        let files = segments.iter().map(|(path, _)| path.clone()).collect();
        Ok(Parts { scan: (0, begin), hot: (begin, end), files, starts })
    }

    /// A part as ranges of files: path, offset, length.
    #[must_use]
    pub fn ranges(&self, (begin, end): (u64, u64)) -> Vec<(PathBuf, u64, u64)> {
        let spans = self.files.iter().zip(self.starts.windows(2));
        let cut = spans.map(|(path, span)| {
            let (from, to) = (begin.max(span[0]), end.min(span[1]));
            (path.clone(), from.saturating_sub(span[0]), to.saturating_sub(from))
        });
        cut.filter(|(_, _, len_bytes)| *len_bytes > 0).collect()
    }

    /// What the child that scans is told: all fetches of its part, once, from the beginning. Nobody
    /// spins and nobody is pinned, since four processes share the machine.
    #[must_use]
    pub fn scanning(&self, spec: Spec) -> Spec {
        let fetches = (self.scan.1 - self.scan.0) / spec.fetch_bytes.max(1);
        Spec {
            fetches: u32::try_from(fetches).unwrap_or(u32::MAX).max(1),
            range_bytes: Some(self.scan),
            spins: false,
            pin: None,
            cache: Cache::Cold,
            ..spec
        }
    }

    /// What the child that serves the hot consumers is told.
    #[must_use]
    pub fn serving(&self, spec: Spec, access: crate::trial::wire::Access) -> Spec {
        Spec {
            fetches: HOT_FETCHES,
            range_bytes: Some(self.hot),
            access,
            consumers: 1,
            sink: zclab_strategies::SinkKind::TcpLoopback.name().to_owned(),
            discard: false,
            spins: false,
            pin: None,
            cache: Cache::Warm,
            ..spec
        }
    }
}

/// Pages in bytes.
#[must_use]
pub fn bytes(pages: u64) -> u64 {
    pages * PAGE_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Access;

    const MIB: u64 = 1 << 20;

    fn pressure(memory_bytes: u64, hot_bytes: u64) -> Pressure {
        Pressure {
            memory_bytes,
            hot_bytes,
            hot_strategy: "sendfile",
            hot_rate_per_s: 1,
            hot_access: Access::Random,
            alone_ms: (1, 1),
        }
    }

    #[test]
    fn the_end_is_hot_and_the_parts_share_no_page() {
        let segments = [("a".into(), 40 * MIB), ("b".into(), 30 * MIB + 5)];
        let parts = Parts::of(&segments, &pressure(64 * MIB, 20 * MIB)).unwrap();
        assert_eq!((parts.scan, parts.hot), ((0, 50 * MIB), (50 * MIB, 70 * MIB + 5)));
        let hot = parts.ranges(parts.hot);
        assert_eq!(hot, [("b".into(), 10 * MIB, 20 * MIB + 5)]);
        let scan = parts.ranges(parts.scan);
        assert_eq!(scan, [("a".into(), 0, 40 * MIB), ("b".into(), 0, 10 * MIB)]);
        let parts = Parts::of(&segments, &pressure(64 * MIB, 32 * MIB)).unwrap();
        assert_eq!(parts.hot.0, 38 * MIB, "it may span files");
        assert_eq!(parts.ranges(parts.hot).len(), 2);
    }

    #[test]
    fn a_log_that_fits_is_no_pressure() {
        let segments = [("a".into(), 64 * MIB)];
        assert!(Parts::of(&segments, &pressure(64 * MIB, 20 * MIB)).is_err());
    }
}
