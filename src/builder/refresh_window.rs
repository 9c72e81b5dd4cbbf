//! The part of the lifetime in which the refresh point is drawn.

use std::ops::RangeInclusive;

use super::invalid_value::invalid_value;
use crate::environment::Given;
use crate::error::BuildError;

pub(super) const DEFAULT: RangeInclusive<f64> = 0.60..=0.75;

pub(super) fn parse(window: Given<RangeInclusive<f64>>) -> Result<RangeInclusive<f64>, BuildError> {
    let (start, end) = (*window.value.start(), *window.value.end());
    // A NaN compares as false.
    if 0.10 <= start && start <= end && end <= 0.90 {
        return Ok(window.value);
    }
    Err(invalid_value(
        window.by,
        format_args!("{start:?}..={end:?}"),
        "give fractions of the credentials' lifetime within 0.10..=0.90, the lower one first; the default is \
         0.60..=0.75",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_is_two_fractions_in_order() {
        let parsed = |window| parse(Given { by: "X".into(), value: window }).map_err(|error| error.to_string());
        for (start, end) in [(0.6, 0.75), (0.1, 0.9), (0.5, 0.5)] {
            assert_eq!(parsed(start..=end), Ok(start..=end));
        }
        for (start, end) in [(0.09, 0.5), (0.5, 0.91), (f64::NAN, 0.5), (0.5, f64::NAN), (-1.0, f64::INFINITY)] {
            assert!(parsed(start..=end).is_err(), "{start} {end}");
        }
        assert_eq!(
            parsed(0.75..=0.6),
            Err("X is 0.75..=0.6: give fractions of the credentials' lifetime within \
                 0.10..=0.90, the lower one first; the default is 0.60..=0.75"
                .to_owned())
        );
    }
}
