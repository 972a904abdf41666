//! Parses the value of `--memory`.

/// Parses bytes with an optional unit, as in a manifest: K M G T (powers of 1000), Ki Mi Gi Ti
/// (powers of 1024), each with an optional B. `None` for other text and for less than one byte.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) =
        text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    // Only digits and points, so neither `inf` nor an exponent is accepted.
    let number: f64 = number.parse().ok()?;
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
        _ => return None,
    };
    let bytes = number * scale as f64;
    (bytes >= 1.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_size_accepts_units_and_refuses_other_text() {
        let check = |text, expect: Option<u64>| assert_eq!(parse(text), expect, "{text:?}");
        check("4096", Some(4096));
        check("4096B", Some(4096));
        check("1k", Some(1000));
        check("1KB", Some(1000));
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
    fn fuzz_memory_size() {
        tender_fuzz::check_text("memory_size", 2_000, |text| assert!(parse(text) != Some(0)));
    }
}
