//! How do people write sizes? `64 KiB`, `256MiB`, `4096`.
//!
//! Powers of 1024 are KiB, MiB, GiB, TiB; powers of 1000 are kB, MB, GB, TB; no unit means bytes.
//! Bare letters (`64K`) are refused, since half of the world means 1000 by them.

/// Factors of the units, the greatest power of 1024 first.
const BINARY: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: [(&str, u64); 4] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

/// Reads a size in bytes.
///
/// # Errors
/// A sentence that says what is wrong and what was expected.
pub fn parse(text: &str) -> Result<u64, String> {
    let expected = "expected a size such as 4096, 64 KiB, 256MiB or 1.5 GiB";
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let unit = unit.trim();
    let factor = factor(unit).ok_or_else(|| match unit {
        "K" | "k" | "M" | "G" | "T" | "m" | "g" | "t" => {
            format!("unit {unit:?} is ambiguous: write {unit}iB (1024) or {unit}B (1000)")
        }
        _ => format!("unknown unit {unit:?}: {expected}"),
    })?;
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || (number.contains('.') && !digits(fraction)) || fraction.len() > 9 {
        return Err(format!("{text:?} is no size: {expected}"));
    }
    let too_large = || format!("{text:?} is more than 2^64 - 1 bytes");
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let bytes = whole.checked_mul(factor).ok_or_else(too_large)?;
    bytes.checked_add(fraction_of(fraction, factor, text)?).ok_or_else(too_large)
}

/// Bytes of the digits after the point; they must come to whole bytes.
fn fraction_of(digits: &str, factor: u64, text: &str) -> Result<u64, String> {
    let value = digits.bytes().fold(0u128, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let scale = 10u128.pow(digits.len() as u32);
    let product = value * u128::from(factor);
    if product % scale != 0 {
        return Err(format!("{text:?} is not a whole number of bytes"));
    }
    Ok((product / scale) as u64)
}

fn factor(unit: &str) -> Option<u64> {
    if unit.is_empty() || unit == "B" {
        return Some(1);
    }
    let same = |name: &str| name.eq_ignore_ascii_case(unit);
    BINARY.iter().chain(&DECIMAL).find(|(name, _)| same(name)).map(|&(_, factor)| factor)
}

/// Writes a size for people: exact where a unit divides it (`64 KiB`), else two decimals
/// (`1.37 MiB`), which [`parse`] need not read back to the same number.
#[must_use]
pub fn show(bytes: u64) -> String {
    let fitting = BINARY.iter().find(|&&(_, factor)| bytes >= factor);
    match fitting {
        None => format!("{bytes} B"),
        Some(&(unit, factor)) if bytes.is_multiple_of(factor) => {
            format!("{} {unit}", bytes / factor)
        }
        Some(&(unit, factor)) => match BINARY.iter().find(|&&(_, f)| bytes.is_multiple_of(f)) {
            // 1536 KiB is as short as 1.50 MiB, and exact.
            Some(&(smaller, f)) if bytes / f < 10_000 => format!("{} {smaller}", bytes / f),
            _ => format!("{:.2} {unit}", bytes as f64 / factor as f64),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("64 KiB", 65536),
            ("64kib", 65536),
            ("256MiB", 256 << 20),
            ("1.5 GiB", 3 << 29),
            ("1_000", 1000),
            ("2 MB", 2_000_000),
            ("7B", 7),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for text in
            ["", "KiB", "-1", "1.", ".5 MiB", "64K", "5 bananas", "99999999999 GiB", "0.3 B"]
        {
            let why = parse(text).expect_err(text);
            assert!(why.len() > 10, "{text}: {why}");
        }
    }

    #[test]
    fn sizes_are_shown() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (65536, "64 KiB"),
            (1536 << 10, "1536 KiB"),
            (1 << 30, "1 GiB"),
            (1_434_451, "1.37 MiB"),
        ] {
            assert_eq!(show(bytes), text);
        }
    }
}
