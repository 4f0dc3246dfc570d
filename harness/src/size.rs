//! How many bytes does `"64 KiB"` mean, and how is a number of bytes written for people?

/// The units that sizes may be written in, with their bytes; first the binary ones, large to small.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
];

/// The binary units at the head of [`UNITS`], which [`show`] uses.
const BINARY: usize = 4;

/// The bytes that a size such as `64 KiB`, `64KiB`, `16 MB` or `4096` stands for.
///
/// # Errors
/// A clause that says what is wrong with it: no whole number, an unknown unit, or more than
/// 2^64 - 1 bytes.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("a size begins with a whole number, as in \"64 KiB\"".to_owned());
    }
    let unit = unit.trim_start();
    let bytes = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, bytes)) => *bytes,
        None if unit.is_empty() => 1,
        None => return Err(unknown_unit(unit)),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(bytes))
        .ok_or_else(|| "the size exceeds 2^64 - 1 bytes".to_owned())
}

fn unknown_unit(unit: &str) -> String {
    let lower = unit.to_lowercase();
    let near = match lower.as_str() {
        "k" | "kib" | "ki" => "; did you mean \"KiB\"?",
        "m" | "mib" | "mi" => "; did you mean \"MiB\"?",
        "g" | "gib" | "gi" => "; did you mean \"GiB\"?",
        "t" | "tib" | "ti" => "; did you mean \"TiB\"?",
        _ => "",
    };
    let shown: String = unit.chars().take(20).collect();
    format!("{shown:?} is no unit of size (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB){near}")
}

/// A number of bytes for people, exactly: the largest binary unit that divides it, so that
/// [`parse`] gives the same number back.
#[must_use]
pub fn show(bytes: u64) -> String {
    UNITS[..BINARY]
        .iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit))
        .map_or_else(|| format!("{bytes} B"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// A number of bytes for people, to two decimals where no unit makes it short: `1.37 MiB`. Unlike
/// [`show`], [`parse`] need not read it back to the same number.
#[must_use]
pub fn about(bytes: u64) -> String {
    let exact = show(bytes);
    if exact.len() <= "1023 KiB".len() {
        return exact;
    }
    let fitting = UNITS[..BINARY].iter().find(|(_, unit)| bytes >= *unit);
    fitting.map_or(exact, |(name, unit)| format!("{:.2} {name}", bytes as f64 / *unit as f64))
}

#[cfg(test)]
mod tests {
    use super::{about, parse, show};
    use proptest::prelude::*;

    #[test]
    fn sizes_are_read_in_every_unit() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1 B", 1),
            ("64 KiB", 65536),
            ("64KiB", 65536),
            (" 3  MiB ", 3 << 20),
            ("16 MB", 16_000_000),
            ("2 kB", 2000),
            ("1 TiB", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "begins with a whole number"),
            ("KiB", "begins with a whole number"),
            ("-1", "begins with a whole number"),
            ("1.5 KiB", "no unit of size"),
            ("64 kib", "did you mean \"KiB\"?"),
            ("64 M", "did you mean \"MiB\"?"),
            ("1 Mbit", "no unit of size"),
            ("18446744073709551616", "exceeds 2^64 - 1"),
            ("17179869184 GiB", "exceeds 2^64 - 1"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }

    #[test]
    fn sizes_are_shown_exactly() {
        assert_eq!(show(0), "0 B");
        assert_eq!(show(1000), "1000 B");
        assert_eq!(show(65536), "64 KiB");
        assert_eq!(show((1 << 20) + 1), "1048577 B");
        assert_eq!(show(3 << 30), "3 GiB");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_back(bytes: u64) {
            prop_assert_eq!(parse(&show(bytes)), Ok(bytes));
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = parse(&text);
        }
    }

    #[test]
    fn long_numbers_are_rounded() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (65536, "64 KiB"),
            (1536 << 10, "1536 KiB"),
            (1_434_451, "1.37 MiB"),
        ] {
            assert_eq!(about(bytes), text);
        }
    }
}
