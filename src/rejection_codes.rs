//! The error codes by which AWS rejects the access key of a request: one list for services and for STS.

use std::time::{Duration, SystemTime};

/// The least age of a key that this code rejects. A younger key may only be unknown there. `None`: the code is not
/// about the key.
///
/// `clock_off`: see [`clock_off`]. `None` if the answer has no `Date`. `AuthFailure` is not in the list, because EC2
/// uses it for authorization as well.
pub(crate) fn least_key_age(code: &str, clock_off: Option<Duration>) -> Option<Duration> {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" => Some(Duration::ZERO),
        // Services send this code for an expired key, and for a signature with a wrong time.
        "RequestExpired" if clock_off.is_some_and(|off| off <= MAX_CLOCK_DISTANCE) => Some(Duration::ZERO),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => Some(PROPAGATION_TIME),
        _ => None,
    }
}

/// True if the code may be about the key, whatever the clock shows.
pub(crate) fn names_key(code: &str) -> bool {
    least_key_age(code, Some(Duration::ZERO)).is_some()
}

/// The distance between the local clock and the `Date` of an answer that has just come.
pub(crate) fn clock_off(date: SystemTime, ours: SystemTime) -> Duration {
    date.duration_since(ours).unwrap_or_else(|later| later.duration())
}

/// A younger key may not be known everywhere yet.
const PROPAGATION_TIME: Duration = Duration::from_secs(30);
/// Services accept a signature whose time is up to 5 minutes from theirs, most up to 15 minutes.
const MAX_CLOCK_DISTANCE: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn each_code_has_its_least_key_age() {
        let at_once = Some(Duration::ZERO);
        for (code, expected) in [
            ("ExpiredToken", at_once),
            ("ExpiredTokenException", at_once),
            ("InvalidToken", at_once),
            ("InvalidClientTokenId", Some(PROPAGATION_TIME)),
            ("UnrecognizedClientException", Some(PROPAGATION_TIME)),
            ("InvalidAccessKeyId", Some(PROPAGATION_TIME)),
            ("AccessDenied", None),
            ("AuthFailure", None),
            ("SignatureDoesNotMatch", None),
            ("RequestTimeTooSkewed", None),
        ] {
            for off in [None, Some(Duration::ZERO), Some(Duration::from_secs(3600))] {
                assert_eq!(least_key_age(code, off), expected, "{code} {off:?}");
            }
        }
    }

    #[test]
    fn request_expired_counts_only_with_right_clock() {
        for (ours, expected) in [(1000, true), (700, true), (1300, true), (699, false), (1301, false)] {
            let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
            let off = clock_off(at(1000), at(ours));
            assert_eq!(least_key_age("RequestExpired", Some(off)).is_some(), expected, "{ours}");
        }
        assert_eq!(least_key_age("RequestExpired", None), None, "without a Date the clock is unknown");
        assert!(names_key("RequestExpired"));
    }
}
