//! How is one record of a batch written? (Kafka's `DefaultRecord.java`)
//!
//! `length` varint, `attributes` 1 byte, `timestampDelta` varlong, `offsetDelta` varint, key, value,
//! headers; each length a varint, −1 for null. `length` counts what follows it.

use super::{Malformed, varint};

/// A record, its bytes borrowed from the batch or from the generator's pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record<'a> {
    /// Unused by Kafka so far: 0.
    pub attributes: u8,
    /// Milliseconds since the batch's base timestamp.
    pub timestamp_delta_ms: i64,
    /// Offset less the batch's base offset.
    pub offset_delta: i32,
    /// The key; `None` where it is null.
    pub key: Option<&'a [u8]>,
    /// The value; `None` where it is null (a tombstone).
    pub value: Option<&'a [u8]>,
    /// The headers, in order; keys may repeat.
    pub headers: Vec<RecordHeader<'a>>,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// Its key: UTF-8 by the protocol, which nothing here relies on.
    pub key: &'a [u8],
    /// Its value; `None` where it is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Record<'a> {
    /// Bytes after the length field.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|h| field_bytes(Some(h.key)) + field_bytes(h.value)).sum();
        1 + varint::len_bytes(self.timestamp_delta_ms)
            + varint::len_bytes(i64::from(self.offset_delta))
            + field_bytes(self.key)
            + field_bytes(self.value)
            + varint::len_bytes(self.headers.len() as i64)
            + headers
    }

    /// Bytes that [`Record::encode`] appends.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        let body = self.body_bytes();
        varint::len_bytes(body as i64) + body
    }

    /// Appends the record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.body_bytes() as i64);
        out.push(self.attributes);
        varint::put(out, self.timestamp_delta_ms);
        varint::put(out, i64::from(self.offset_delta));
        put_field(out, self.key);
        put_field(out, self.value);
        varint::put(out, self.headers.len() as i64);
        for header in &self.headers {
            put_field(out, Some(header.key));
            put_field(out, header.value);
        }
    }

    /// Takes a record off the front of `input`. Allocates for headers only, and no more than the
    /// record's own bytes can hold.
    ///
    /// # Errors
    /// Names the field that runs over the record or contradicts it.
    pub fn decode(input: &mut &'a [u8]) -> Result<Self, Malformed> {
        let length = varint::take_i32(input)?;
        let length = usize::try_from(length)
            .map_err(|_| Malformed::new(format!("a record of {length} bytes")))?;
        let mut body = take(input, length, "a record")?;
        let attributes = take(&mut body, 1, "a record's attributes")?[0];
        let timestamp_delta_ms = varint::take_i64(&mut body)?;
        let offset_delta = varint::take_i32(&mut body)?;
        let key = take_field(&mut body, "a record's key")?;
        let value = take_field(&mut body, "a record's value")?;
        let headers = take_headers(&mut body)?;
        if !body.is_empty() {
            return Err(Malformed::new(format!("{} bytes are left in a record", body.len())));
        }
        Ok(Self { attributes, timestamp_delta_ms, offset_delta, key, value, headers })
    }
}

fn field_bytes(field: Option<&[u8]>) -> usize {
    field.map_or(1, |bytes| varint::len_bytes(bytes.len() as i64) + bytes.len())
}

fn put_field(out: &mut Vec<u8>, field: Option<&[u8]>) {
    match field {
        None => varint::put(out, -1),
        Some(bytes) => {
            varint::put(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}

fn take<'a>(input: &mut &'a [u8], bytes: usize, what: &str) -> Result<&'a [u8], Malformed> {
    let Some((taken, rest)) = input.split_at_checked(bytes) else {
        let have = input.len();
        return Err(Malformed::new(format!("{what} claims {bytes} bytes where {have} are left")));
    };
    *input = rest;
    Ok(taken)
}

fn take_field<'a>(input: &mut &'a [u8], what: &str) -> Result<Option<&'a [u8]>, Malformed> {
    match varint::take_i32(input)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) => take(input, length, what).map(Some),
            Err(_) => Err(Malformed::new(format!("{what} claims {length} bytes"))),
        },
    }
}

fn take_headers<'a>(body: &mut &'a [u8]) -> Result<Vec<RecordHeader<'a>>, Malformed> {
    let count = varint::take_i32(body)?;
    // A header takes two bytes at least, so a count beyond that lies, and must not size anything.
    let count = usize::try_from(count).ok().filter(|&count| count <= body.len() / 2);
    let count =
        count.ok_or_else(|| Malformed::new("a record claims more headers than it holds"))?;
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        let key = take_field(body, "a header's key")?;
        let key = key.ok_or_else(|| Malformed::new("a header's key is null"))?;
        headers.push(RecordHeader { key, value: take_field(body, "a header's value")? });
    }
    Ok(headers)
}
