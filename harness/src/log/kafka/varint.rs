//! How does Kafka write small integers in few bytes?
//!
//! Zigzag, then base 128, least significant group first (Kafka's `ByteUtils.java`). A `varint` holds
//! 32 bits in at most 5 bytes, a `varlong` 64 bits in at most 10; a value that fits both is written
//! alike, so one writer serves both.

use super::Malformed;

/// Appends `value`.
#[inline]
pub fn put(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that [`put`] appends.
#[inline]
#[must_use]
pub fn len_bytes(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

/// Takes a varlong off the front of `input`.
///
/// # Errors
/// When the input ends within it or it does not fit 64 bits.
#[inline]
pub fn take_i64(input: &mut &[u8]) -> Result<i64, Malformed> {
    let raw = take_raw(input, 64)?;
    Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
}

/// Takes a varint off the front of `input`.
///
/// # Errors
/// When the input ends within it or it does not fit 32 bits.
#[inline]
pub fn take_i32(input: &mut &[u8]) -> Result<i32, Malformed> {
    let raw = take_raw(input, 32)? as u32;
    Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn take_raw(input: &mut &[u8], bits: u32) -> Result<u64, Malformed> {
    let mut value = 0u64;
    let mut shift = 0;
    for (index, &byte) in input.iter().enumerate() {
        let group = u64::from(byte & 0x7f);
        let room = bits - shift;
        if room < 7 && group >> room != 0 {
            return Err(Malformed::new(format!("a varint does not fit {bits} bits")));
        }
        value |= group << shift;
        if byte & 0x80 == 0 {
            *input = &input[index + 1..];
            return Ok(value);
        }
        shift += 7;
        if shift >= bits {
            return Err(Malformed::new(format!("a varint goes on after {} bytes", index + 1)));
        }
    }
    Err(Malformed::new("the bytes end within a varint"))
}
