//! FILETIME: units of 100 nanoseconds since 1601-01-01 00:00 UTC (\[MS-DTYP\] 2.3.3).

use crate::error::{Error, Result};
use crate::types::Time;

/// From 1601-01-01 to 1970-01-01.
const EPOCH_UNITS: i64 = 116_444_736_000_000_000;
const UNIT_NS: i64 = 100;

/// The time as Windows counts it, rounded down. Never 0, which means "keep": all that [`Time`] can say is later.
pub(crate) fn from_time(time: Time) -> u64 {
    (time.0.div_euclid(UNIT_NS) + EPOCH_UNITS) as u64
}

/// The time, or the nearest that [`Time`] can say.
pub(crate) fn to_time(filetime: u64) -> Time {
    let units = i64::try_from(filetime).unwrap_or(i64::MAX) - EPOCH_UNITS;
    Time(units.saturating_mul(UNIT_NS))
}

/// What becomes of one of a file's times (\[MS-FSCC\] 2.4.7, FileBasicInformation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeChange {
    /// 0: it stays.
    Keep,
    /// -1: it stays, and later operations through the same handle leave it alone as well.
    Hold,
    /// -2: later operations through the same handle change it again.
    Release,
    /// It is set.
    Set(Time),
}

/// What a number in a request to set times asks for.
pub(crate) fn change(number: i64) -> Result<TimeChange> {
    match number {
        0 => Ok(TimeChange::Keep),
        -1 => Ok(TimeChange::Hold),
        -2 => Ok(TimeChange::Release),
        1.. => Ok(TimeChange::Set(to_time(number as u64))),
        _ => Err(Error::Invalid("a time before 1601")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_epochs_of_unix_and_of_windows_are_where_they_should_be() {
        assert_eq!(from_time(Time(0)), 116_444_736_000_000_000);
        assert_eq!(to_time(116_444_736_000_000_000), Time(0));
        assert_eq!(to_time(133_485_408_000_000_000), Time::new(1_704_067_200, 0), "2024-01-01");
        assert_eq!(from_time(Time(-1)), 116_444_735_999_999_999);
    }

    #[test]
    fn times_that_cannot_be_told_become_the_nearest() {
        assert_eq!(to_time(0), Time(i64::MIN));
        assert_eq!(to_time(u64::MAX), Time(i64::MAX));
        assert!(from_time(Time(i64::MIN)) > 0);
    }

    #[test]
    fn set_basic_info_time_0_keeps_and_minus_1_holds() {
        assert_eq!(change(0), Ok(TimeChange::Keep));
        assert_eq!(change(-1), Ok(TimeChange::Hold));
        assert_eq!(change(-2), Ok(TimeChange::Release));
        assert_eq!(change(EPOCH_UNITS), Ok(TimeChange::Set(Time(0))));
        assert_eq!(change(-3), Err(Error::Invalid("a time before 1601")));
        assert!(change(i64::MIN).is_err());
    }

    proptest! {
        #[test]
        fn a_time_comes_back_rounded_down_to_100_nanoseconds(ns in any::<i64>()) {
            let back = to_time(from_time(Time(ns)));
            prop_assert!(back.0 <= ns && ns - back.0 < UNIT_NS || back.0 == i64::MIN);
        }

        #[test]
        fn what_windows_gave_comes_back_where_it_can_be_told(units in EPOCH_UNITS - (1 << 56)..EPOCH_UNITS + (1 << 56)) {
            prop_assert_eq!(from_time(to_time(units as u64)), units as u64);
        }
    }
}
