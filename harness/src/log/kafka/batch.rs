//! How is a batch of records written? (Kafka's `DefaultRecordBatch.java`, magic 2)
//!
//! 61 bytes of header, then the records, compressed as a whole or not at all. The CRC-32C covers all
//! from the attributes on, so that a broker can set base offset and leader epoch in place: that is
//! what lets a log file be sent as it is.

use super::codec::{self, Codec};
use super::{Malformed, Record};

/// Bytes of a batch before its records.
pub const HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length field does not count.
pub const LENGTH_ENDS_AT: usize = 12;
/// Where the CRC's cover begins.
pub const CRC_FROM: usize = 21;
/// The only format that is read and written here; Kafka 4 reads no older one either.
pub const MAGIC: i8 = 2;

/// The header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of its first record, when it was written.
    pub base_offset: i64,
    /// Bytes after the length field, as written.
    pub length: i32,
    /// Epoch of the leader that appended it.
    pub partition_leader_epoch: i32,
    /// Format version.
    pub magic: i8,
    /// CRC-32C as written.
    pub crc: u32,
    /// Codec, timestamp type, transaction and control bits.
    pub attributes: u16,
    /// Last offset less base offset.
    pub last_offset_delta: i32,
    /// Milliseconds since the epoch that records' deltas add to (or the delete horizon).
    pub base_timestamp_ms: i64,
    /// Milliseconds since the epoch of the newest record.
    pub max_timestamp_ms: i64,
    /// Producer's id, −1 for none.
    pub producer_id: i64,
    /// Producer's epoch, −1 for none.
    pub producer_epoch: i16,
    /// Sequence number of the first record, −1 for none.
    pub base_sequence: i32,
    /// Records in the batch.
    pub records: i32,
}

/// Copies `N` bytes from a fixed place of a header.
fn at<const N: usize>(bytes: &[u8; HEADER_BYTES], from: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[from..from + N]);
    field
}

impl BatchHeader {
    /// Reads the fields; any bytes make a header, [`BatchHeader::check`] judges it.
    #[must_use]
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            base_offset: i64::from_be_bytes(at(bytes, 0)),
            length: i32::from_be_bytes(at(bytes, 8)),
            partition_leader_epoch: i32::from_be_bytes(at(bytes, 12)),
            magic: bytes[16] as i8,
            crc: u32::from_be_bytes(at(bytes, 17)),
            attributes: u16::from_be_bytes(at(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(at(bytes, 23)),
            base_timestamp_ms: i64::from_be_bytes(at(bytes, 27)),
            max_timestamp_ms: i64::from_be_bytes(at(bytes, 35)),
            producer_id: i64::from_be_bytes(at(bytes, 43)),
            producer_epoch: i16::from_be_bytes(at(bytes, 51)),
            base_sequence: i32::from_be_bytes(at(bytes, 53)),
            records: i32::from_be_bytes(at(bytes, 57)),
        }
    }

    /// The header's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.partition_leader_epoch.to_be_bytes());
        bytes[16] = self.magic as u8;
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp_ms.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp_ms.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.records.to_be_bytes());
        bytes
    }

    /// Whether this can be the header of a batch at all.
    ///
    /// # Errors
    /// Names the field that cannot be.
    pub fn check(&self) -> Result<(), Malformed> {
        let wrong = |what: String| Err(Malformed::new(what));
        if self.length < (HEADER_BYTES - LENGTH_ENDS_AT) as i32 {
            return wrong(format!("a batch claims {} bytes after its length field", self.length));
        }
        match self.magic {
            MAGIC => {}
            0 | 1 => {
                return wrong(format!(
                    "a message set of the old format (magic {}), which Kafka 4 no longer reads",
                    self.magic
                ));
            }
            magic => return wrong(format!("magic {magic} where a batch has 2")),
        }
        if self.base_offset < 0 {
            return wrong(format!("base offset {} is negative", self.base_offset));
        }
        if self.last_offset_delta < 0 || self.base_offset.checked_add(self.span()).is_none() {
            return wrong(format!("last offset delta {} cannot be", self.last_offset_delta));
        }
        if self.records < 0 || i64::from(self.records) > self.span() {
            return wrong(format!("{} records in {} offsets", self.records, self.span()));
        }
        Ok(())
    }

    /// Bytes of the whole batch; meaningful once [`BatchHeader::check`] passed.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        LENGTH_ENDS_AT as u64 + u64::try_from(self.length).unwrap_or(0)
    }

    /// Offset of its last record, when it was written.
    #[must_use]
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Offsets that it took up; compaction may have left fewer records.
    #[must_use]
    pub fn span(&self) -> i64 {
        i64::from(self.last_offset_delta) + 1
    }

    /// How its records are compressed.
    ///
    /// # Errors
    /// When the attributes name a codec that Kafka does not know.
    pub fn codec(&self) -> Result<Codec, Malformed> {
        Codec::from_id(self.attributes & 7)
    }

    /// Whether timestamps are the broker's (`LogAppendTime`).
    #[must_use]
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & 0x08 != 0
    }

    /// Whether it belongs to a transaction.
    #[must_use]
    pub fn is_transactional(&self) -> bool {
        self.attributes & 0x10 != 0
    }

    /// Whether it holds control records (transaction markers).
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.attributes & 0x20 != 0
    }

    /// Whether the base timestamp is the time from which a compactor may drop its tombstones.
    #[must_use]
    pub fn has_delete_horizon(&self) -> bool {
        self.attributes & 0x40 != 0
    }
}

/// CRC-32C of a whole batch, as its header should say. `batch` holds a header at least.
#[must_use]
pub fn crc_of(batch: &[u8]) -> u32 {
    crc32c::crc32c(batch.get(CRC_FROM..).unwrap_or_default())
}

/// Seals a batch whose records (61 bytes into `batch`) are complete: sets length and CRC.
pub fn seal(header: &mut BatchHeader, batch: &mut [u8]) {
    header.length = (batch.len() - LENGTH_ENDS_AT) as i32;
    header.crc = 0;
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    header.crc = crc_of(batch);
    batch[17..21].copy_from_slice(&header.crc.to_be_bytes());
}

/// Appends a whole batch: `header` with length, CRC and record count set, then `records` compressed
/// as its attributes say.
///
/// # Errors
/// When the attributes name no codec, or the compressor refuses.
pub fn encode(
    header: &BatchHeader,
    records: &[Record<'_>],
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let start = out.len();
    out.resize(start + HEADER_BYTES, 0);
    match header.codec()? {
        Codec::None => records.iter().for_each(|record| record.encode(out)),
        codec => {
            let mut plain = Vec::new();
            records.iter().for_each(|record| record.encode(&mut plain));
            codec::Compressor::new(codec)?.compress(&plain, out)?;
        }
    }
    let mut header = BatchHeader { records: records.len() as i32, ..*header };
    seal(&mut header, &mut out[start..]);
    Ok(())
}

/// The records of a batch, uncompressed but not yet decoded. `body` is the batch after its header.
///
/// # Errors
/// When the codec is unknown, the compressed bytes are malformed, or more than `limit_bytes` come
/// out of them.
pub fn plain_records<'a>(
    header: &BatchHeader,
    body: &'a [u8],
    limit_bytes: usize,
) -> Result<std::borrow::Cow<'a, [u8]>, Malformed> {
    match header.codec()? {
        Codec::None => Ok(body.into()),
        codec => codec::decompress(codec, body, limit_bytes).map(Into::into),
    }
}

/// Calls `each` for every record, having checked that they are as many as the header says, fill
/// `plain` exactly, and have rising offsets within the batch.
///
/// # Errors
/// Names the record (from 0) and what is wrong with it.
pub fn for_each_record<'a>(
    header: &BatchHeader,
    mut plain: &'a [u8],
    mut each: impl FnMut(Record<'a>),
) -> Result<(), Malformed> {
    let mut previous = -1;
    for number in 0..header.records {
        let record = Record::decode(&mut plain)
            .map_err(|what| Malformed::new(format!("record {number}: {what}")))?;
        let delta = record.offset_delta;
        if delta <= previous || delta > header.last_offset_delta {
            let what = format!("record {number}: offset delta {delta} after {previous}");
            return Err(Malformed::new(what));
        }
        previous = delta;
        each(record);
    }
    if !plain.is_empty() {
        return Err(Malformed::new(format!("{} bytes follow the last record", plain.len())));
    }
    Ok(())
}
