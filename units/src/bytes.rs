//! An amount of memory: how it is parsed, and how people read it.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// An amount of memory, in bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(pub u64);

crate::arithmetic!(Bytes);

/// The text is no amount of memory above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a size above 0, such as 800M or 8Gi")]
pub struct ParseBytesError;

/// Bytes with an optional unit: K M G T (powers of 1000), Ki Mi Gi Ti (powers of 1024), each with an
/// optional B, in either case.
///
/// The crate `parse-size` accepts more (`1e3`, `1iB`, `1_0 0`, exabytes) and rounds 0.5 to 1. To refuse
/// that, number and unit have to be separated and checked first, and then only the table below
/// remains for it.
impl FromStr for Bytes {
    type Err = ParseBytesError;

    fn from_str(text: &str) -> Result<Bytes, ParseBytesError> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        // Only digits and points, so neither `inf` nor an exponent is accepted.
        let number: f64 = number.parse().map_err(|_| ParseBytesError)?;
        let unit = unit.trim_start().to_ascii_lowercase();
        let scale: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
            "" => 1,
            "k" => 1000,
            "m" => 1000u64.pow(2),
            "g" => 1000u64.pow(3),
            "t" => 1000u64.pow(4),
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            "ti" => 1 << 40,
            _ => return Err(ParseBytesError),
        };
        let bytes = number * scale as f64;
        if bytes < 1.0 || bytes >= u64::MAX as f64 {
            return Err(ParseBytesError);
        }
        Ok(Bytes(bytes as u64))
    }
}

/// `1.5 MiB`, `64 MiB`: for people, so rounded to at most one digit after the point.
impl Display for Bytes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let (mut value, mut unit) = (self.0 as f64, 0);
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        write!(f, "{} {}", (value * 10.0).round() / 10.0, UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_parsed_with_units_and_other_text_is_refused() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(text.parse::<Bytes>().ok(), expect.map(Bytes), "{text:?}");
        };
        check("4096", Some(4096));
        check("4096B", Some(4096));
        check("1k", Some(1000));
        check("1KB", Some(1000));
        check("1Ki", Some(1024));
        check("1KiB", Some(1024));
        check(" 3 Mi ", Some(3 << 20));
        check("1.5GiB", Some(3 << 29));
        check("2T", Some(2_000_000_000_000));
        check("", None);
        check("G", None);
        check("0", None);
        check("0.5", None);
        check("-1G", None);
        check("75%", None);
        check("1X", None);
        check("1iB", None);
        check("1e3", None);
        check("inf", None);
        check("1.2.3G", None);
        check("99999999999999999999999G", None);
    }

    #[test]
    fn bytes_are_displayed_with_at_most_one_digit_after_the_point() {
        let check = |bytes: u64, expect: &str| assert_eq!(Bytes(bytes).to_string(), expect);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1 KiB");
        check(1536, "1.5 KiB");
        check((64 << 20) + 1, "64 MiB");
        check(3 << 30, "3 GiB");
        check(u64::MAX, "16777216 TiB");
    }

    #[test]
    fn bytes_are_serialised_as_a_number() {
        assert_eq!(serde_json::to_string(&Bytes(5)).unwrap(), "5");
        assert_eq!(serde_json::from_str::<Bytes>("5").unwrap(), Bytes(5));
    }

    #[test]
    fn fuzz_memory_size() {
        tender_fuzz::check_text("memory_size", 2_000, |text| {
            assert_ne!(text.parse(), Ok(Bytes::ZERO));
        });
    }
}
