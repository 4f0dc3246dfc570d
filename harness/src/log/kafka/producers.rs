//! What did the broker know of its producers? (`.snapshot`, Kafka's `ProducerStateManager.java`)
//!
//! Version 2 bytes, CRC-32C of all after it 4 bytes, count 4 bytes, then 46 bytes for each producer.

use super::Malformed;

/// Bytes before the count: version and CRC.
const CRC_ENDS_AT: usize = 6;
const HEADER_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;

/// What is kept of one producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its id.
    pub id: i64,
    /// First offset of the transaction that was open, −1 for none.
    pub open_since_offset: i64,
}

/// Prints the snapshot of a broker that knows of no producer: what idempotence leaves when it is off.
#[must_use]
pub fn empty() -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[1] = 1;
    let crc = crc32c::crc32c(&bytes[CRC_ENDS_AT..]);
    bytes[2..CRC_ENDS_AT].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Reads a snapshot.
///
/// # Errors
/// When version, CRC or length is wrong.
pub fn parse(bytes: &[u8]) -> Result<Vec<Producer>, Malformed> {
    let Some((header, entries)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Malformed::new(format!("{} bytes are no snapshot", bytes.len())));
    };
    let [v0, v1, c0, c1, c2, c3, n0, n1, n2, n3] = *header;
    let version = i16::from_be_bytes([v0, v1]);
    if version != 1 {
        return Err(Malformed::new(format!("version {version} where Kafka has 1")));
    }
    let stored = u32::from_be_bytes([c0, c1, c2, c3]);
    let computed = crc32c::crc32c(&bytes[CRC_ENDS_AT..]);
    if stored != computed {
        let what = format!("CRC-32C is {computed:08x}, the file says {stored:08x}");
        return Err(Malformed::new(what));
    }
    let count = i32::from_be_bytes([n0, n1, n2, n3]);
    let (whole, torn) = entries.as_chunks::<ENTRY_BYTES>();
    if usize::try_from(count) != Ok(whole.len()) || !torn.is_empty() {
        let what = format!("{count} producers claimed, {} bytes of them", entries.len());
        return Err(Malformed::new(what));
    }
    Ok(whole.iter().map(read).collect())
}

/// The fields between are sequence, offset and timestamp of the last batch, and two epochs.
fn read(entry: &[u8; ENTRY_BYTES]) -> Producer {
    let field = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&entry[from..from + 8]);
        i64::from_be_bytes(bytes)
    };
    Producer { id: field(0), open_since_offset: field(38) }
}
