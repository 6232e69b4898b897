//! Sizes as people write them: bytes, powers of 1024, or a share of the machine's memory.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;
use std::time::Duration;

/// An amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Bytes(u64),
    /// Of the machine's memory.
    Percent(u64),
}

const WHAT_IT_TAKES: &str = "give bytes, a number with K, M, G or T, or N% of the machine's memory";

/// As the daemon takes it.
impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Size::Bytes(bytes) => write!(f, "{bytes}"),
            Size::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        if digits.is_empty() {
            return Err(WHAT_IT_TAKES.into());
        }
        let number: u64 = digits.parse().map_err(|_| "it is too large".to_owned())?;
        match unit {
            _ if number == 0 => Err("it must be more than 0".into()),
            "%" if number > 100 => Err("it is more than 100 %".into()),
            "%" => Ok(Size::Percent(number)),
            _ => number.checked_mul(factor(unit)?).map(Size::Bytes).ok_or_else(|| "it is too large".into()),
        }
    }
}

fn factor(unit: &str) -> Result<u64, String> {
    let letter = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => return Ok(1),
        "K" | "KB" | "KIB" => 1,
        "M" | "MB" | "MIB" => 2,
        "G" | "GB" | "GIB" => 3,
        "T" | "TB" | "TIB" => 4,
        _ => return Err(format!("`{unit}` is no unit: {WHAT_IT_TAKES}")),
    };
    Ok(1 << (10 * letter))
}

/// A number of bytes for people: three digits and a unit.
pub(crate) fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let exponent = (bytes.ilog2() / 10).min(6);
    let value = bytes as f64 / (1u64 << (10 * exponent)) as f64;
    let unit = UNITS[exponent as usize - 1];
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// A time in nanoseconds for people: two or three digits and a unit.
pub(crate) fn short_time(ns: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs")];
    let Some((factor, unit)) = UNITS.into_iter().find(|(factor, _)| ns >= *factor) else {
        return format!("{ns} ns");
    };
    let value = ns as f64 / factor as f64;
    if value < 10.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// An interval: seconds, with or without decimals, at least a tenth.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds".to_owned())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err("it must be from 0.1 to 86400 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Option<u64> {
        match text.parse() {
            Ok(Size::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    #[test]
    fn units_are_powers_of_1024_however_they_are_spelled() {
        assert_eq!(bytes("1234"), Some(1234));
        assert_eq!(bytes("7B"), Some(7));
        for text in ["2K", "2k", "2KB", "2KiB", "2kib"] {
            assert_eq!(bytes(text), Some(2048), "{text}");
        }
        assert_eq!(bytes("3M"), Some(3 << 20));
        assert_eq!(bytes("4GiB"), Some(4 << 30));
        assert_eq!(bytes("5T"), Some(5 << 40));
    }

    #[test]
    fn a_share_is_told_as_a_share() {
        assert_eq!("50%".parse(), Ok(Size::Percent(50)));
        assert_eq!(Size::Percent(50).to_string(), "50%");
        assert_eq!(Size::Bytes(1 << 20).to_string(), "1048576");
    }

    #[test]
    fn what_is_no_size_is_refused_with_the_reason() {
        for text in [
            "",
            "lots",
            "-1",
            "1.5G",
            "G",
            "1 G",
            "1X",
            "0",
            "0%",
            "101%",
            "%",
            "1K%",
            "99999999999999999999",
            "99999999T",
        ] {
            let refused = text.parse::<Size>().unwrap_err();
            assert!(!refused.is_empty(), "{text}");
        }
        assert!("10Q".parse::<Size>().unwrap_err().contains("`Q`"));
    }

    #[test]
    fn sizes_for_people_are_short() {
        assert_eq!(human(0), "0 B");
        assert_eq!(human(1023), "1023 B");
        assert_eq!(human(1536), "1.5 KiB");
        assert_eq!(human(10 << 30), "10 GiB");
        assert_eq!(human(u64::MAX), "16 EiB");
    }

    #[test]
    fn times_for_people_are_short() {
        assert_eq!(
            [0, 999, 1_000, 12_345, 9_900_000, 3_000_000_000].map(short_time),
            ["0 ns", "999 ns", "1.0 µs", "12 µs", "9.9 ms", "3.0 s"]
        );
    }

    #[test]
    fn intervals_are_seconds_from_a_tenth_to_a_day() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(seconds("86400"), Ok(Duration::from_secs(86_400)));
        for text in ["", "0", "0.09", "86401", "-1", "nan", "inf", "1s"] {
            assert!(!seconds(text).unwrap_err().is_empty(), "{text}");
        }
    }
}
