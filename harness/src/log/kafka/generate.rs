//! How does a seed become a partition, the same on every machine, faster than a disk takes it?

use super::batch::{self, BatchHeader, HEADER_BYTES, MAGIC};
use super::codec::Compressor;
use super::payload::Pool;
use super::record::{Record, RecordHeader};
use super::sizes::{self, Sizes};
use super::write::{Summary, Writer};
use super::{Codec, Malformed, Spec};
use crate::log::LogError;
use crate::size;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::RngCore;
use std::path::Path;

/// Timestamp of the first record; each next one is a millisecond younger.
const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;
/// Bytes of a header's value.
const HEADER_VALUE_BYTES: usize = 8;
/// A segment's positions are 32-bit (`LogConfig`: at most `Integer.MAX_VALUE`).
const SEGMENT_MAX_BYTES: u64 = i32::MAX as u64;
/// A record's lengths and deltas take no more than this (Kafka's `MAX_RECORD_OVERHEAD`, rounded up).
const RECORD_OVERHEAD_MAX_BYTES: u64 = 32;
/// Headers of a record: more would be a mistake rather than a load.
const HEADERS_MAX: u32 = 1000;
/// A batch's uncompressed records: Kafka's brokers refuse more than 100 MiB in a request anyway.
const BATCH_MAX_BYTES: u32 = 100 << 20;

/// Random streams of one seed, by purpose.
const POOL: u64 = 0;
const SIZES: u64 = 1;
const PLACES: u64 = 2;

/// Writes the partition that `spec` describes, so that `dir` (`…/<topic>-<partition>`) appears when it
/// is complete and not before. Memory stays bounded by the batch and the indexes of one segment;
/// `progress` is told the `.log` bytes so far after each batch.
///
/// # Errors
/// When the spec contradicts itself, `dir` exists, or a call fails (`ENOSPC` among others): then
/// nothing is left behind.
pub fn generate(
    spec: &Spec,
    dir: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<Summary, LogError> {
    let sizes = Sizes::new(spec, sizes::rng(spec.seed, SIZES))?;
    check(spec, &sizes)?;
    let header_names: Vec<String> = (0..spec.headers).map(|number| format!("h{number}")).collect();
    let mut rng = sizes::rng(spec.seed, POOL);
    let topic_id = uuid::Builder::from_random_bytes(random(&mut rng)).into_uuid();
    let longest = (sizes.max_bytes().max(spec.key_bytes) as usize).max(HEADER_VALUE_BYTES);
    let pool = Pool::new(&mut rng, longest);
    let compressor = Compressor::new(spec.codec).map_err(refused)?;
    let mut batches = Batches {
        spec,
        names: &header_names,
        pool: &pool,
        sizes,
        places: sizes::rng(spec.seed, PLACES),
        compressor,
        record: Record::default(),
        carried: false,
        next_offset: 0,
        plain: Vec::new(),
        batch: Vec::new(),
    };
    let mut writer = Writer::create(dir, spec.segment_bytes)?;
    while writer.bytes() < spec.total_bytes {
        let header = batches.next().map_err(refused)?;
        if batches.batch.len() as u64 > spec.segment_bytes {
            let why = format!("{} is less than one batch", size::about(spec.segment_bytes));
            return Err(LogError::Spec { key: "segment_bytes", why });
        }
        writer.append(&header, &batches.batch)?;
        progress(writer.bytes());
    }
    writer.finish(topic_id)
}

fn refused(what: Malformed) -> LogError {
    LogError::Spec { key: "codec", why: what.to_string() }
}

fn random(rng: &mut ChaCha8Rng) -> [u8; 16] {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Refuses what no broker would take, before anything is allocated for it.
fn check(spec: &Spec, sizes: &Sizes) -> Result<(), LogError> {
    let wrong = |key, why: String| Err(LogError::Spec { key, why });
    if spec.total_bytes == 0 {
        return wrong("total_bytes", "must be above 0".to_owned());
    }
    if spec.segment_bytes == 0 || spec.segment_bytes > SEGMENT_MAX_BYTES {
        let why = format!("{} is not between 1 and {SEGMENT_MAX_BYTES}", spec.segment_bytes);
        return wrong("segment_bytes", why);
    }
    if spec.batch_bytes == 0 || spec.batch_bytes > BATCH_MAX_BYTES {
        return wrong(
            "batch_bytes",
            format!("{} is not between 1 B and 100 MiB", spec.batch_bytes),
        );
    }
    if spec.headers > HEADERS_MAX {
        return wrong("headers", format!("{} is more than {HEADERS_MAX}", spec.headers));
    }
    let headers = u64::from(spec.headers) * (HEADER_VALUE_BYTES as u64 + 8);
    let record = u64::from(sizes.max_bytes()) + u64::from(spec.key_bytes) + headers;
    let record = record + RECORD_OVERHEAD_MAX_BYTES;
    if record + HEADER_BYTES as u64 > u64::from(BATCH_MAX_BYTES) {
        return wrong(
            "message",
            format!("{} in a record, of at most 100 MiB", size::about(record)),
        );
    }
    if spec.codec == Codec::None && record + HEADER_BYTES as u64 > spec.segment_bytes {
        let why = format!("{} may be less than one record", size::about(spec.segment_bytes));
        return wrong("segment_bytes", why);
    }
    Ok(())
}

/// The batches of a spec, one after another, each in `batch`.
struct Batches<'a> {
    spec: &'a Spec,
    names: &'a [String],
    pool: &'a Pool,
    sizes: Sizes,
    places: ChaCha8Rng,
    compressor: Compressor,
    record: Record<'a>,
    /// `record` was drawn but did not fit the batch before.
    carried: bool,
    next_offset: i64,
    plain: Vec<u8>,
    batch: Vec<u8>,
}

impl Batches<'_> {
    fn next(&mut self) -> Result<BatchHeader, Malformed> {
        self.batch.clear();
        self.batch.resize(HEADER_BYTES, 0);
        let records = if self.spec.codec == Codec::None {
            let mut batch = std::mem::take(&mut self.batch);
            let records = self.fill(&mut batch);
            self.batch = batch;
            records
        } else {
            let mut plain = std::mem::take(&mut self.plain);
            plain.clear();
            let records = self.fill(&mut plain);
            self.compressor.compress(&plain, &mut self.batch)?;
            self.plain = plain;
            records
        };
        let base_timestamp_ms = FIRST_TIMESTAMP_MS + self.next_offset;
        let mut header = BatchHeader {
            base_offset: self.next_offset,
            length: 0,
            partition_leader_epoch: 0,
            magic: MAGIC,
            crc: 0,
            attributes: self.spec.codec.id(),
            last_offset_delta: records - 1,
            base_timestamp_ms,
            max_timestamp_ms: base_timestamp_ms + i64::from(records - 1),
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            records,
        };
        batch::seal(&mut header, &mut self.batch);
        self.next_offset += i64::from(records);
        Ok(header)
    }

    /// Appends records until the next would exceed the batch; gives their number, 1 at least.
    fn fill(&mut self, out: &mut Vec<u8>) -> i32 {
        let start = out.len();
        let mut records = 0;
        loop {
            if !std::mem::take(&mut self.carried) {
                self.draw();
            }
            self.record.offset_delta = records;
            self.record.timestamp_delta_ms = i64::from(records);
            let length = out.len() - start + self.record.encoded_bytes();
            if records > 0 && length > self.spec.batch_bytes as usize {
                self.carried = true;
                return records;
            }
            self.record.encode(out);
            records += 1;
        }
    }

    fn draw(&mut self) {
        let record = &mut self.record;
        let key_bytes = self.spec.key_bytes as usize;
        record.key = (key_bytes > 0).then(|| self.pool.cut(&mut self.places, key_bytes));
        let value_bytes = self.sizes.draw() as usize;
        record.value = Some(self.pool.cut(&mut self.places, value_bytes));
        record.headers.clear();
        for name in self.names {
            let value = Some(self.pool.cut(&mut self.places, HEADER_VALUE_BYTES));
            record.headers.push(RecordHeader { key: name.as_bytes(), value });
        }
    }
}
