//! Reads and judges the times in an answer of STS: `Date`, `Age`, `Retry-After` and `Expiration`.
//!
//! The local clock counts here only for a `Retry-After` that names a date, in an answer without `Date`. The engine
//! (`refresh::clock`) compares these times with the local clock when it computes the lifetime.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::error_codes::SentWith;
use super::request::Authentication;
use crate::refresh::Grant;

/// True if the session ended before the `Date` in the same answer.
pub(super) fn has_ended(grant: &Grant) -> bool {
    grant.date.is_some_and(|date| grant.expiration <= date)
}

/// The `Date` of an answer, if it agrees with the start of the session, which is its `Expiration` less the requested length.
/// STS computes `Expiration` from its own clock. A proxy that writes the `Date`, or keeps an old one, cannot make both agree.
pub(crate) fn agreed_date(grant: &Grant) -> Option<SystemTime> {
    let start = grant.expiration.checked_sub(grant.requested)?;
    grant.date.filter(|date| date.duration_since(start).unwrap_or_else(|early| early.duration()) <= AGREEMENT)
}

/// Tells whether the token was valid at the `Date` of the answer.
pub(super) fn sent_with(authentication: &Authentication<'_>, date: Option<SystemTime>) -> SentWith {
    match (authentication, date) {
        // The expiry of credentials is a time of the local clock, which says nothing about the server's clock.
        (Authentication::Credentials { .. }, _) => SentWith::Signature,
        (Authentication::Token { expires_at: Some(end), .. }, Some(date)) if *end <= date => SentWith::ExpiredToken,
        (Authentication::Token { valid_from: Some(start), .. }, Some(date)) if date + DATE_STEP <= *start => {
            SentWith::EarlyToken
        }
        (Authentication::Token { .. }, _) => SentWith::Token,
    }
}

/// The server's clock. An answer with `Age` comes from a cache, and its `Date` is old.
pub(super) fn date(headers: &Headers) -> Option<SystemTime> {
    headers.get("date").and_then(http_date).filter(|_| !headers.contains_key("age"))
}

/// The wait that the server asks for. The SDK's header counts milliseconds; HTTP's counts seconds or names a date.
pub(super) fn retry_after(headers: &Headers, now: SystemTime) -> Option<Duration> {
    let millis = headers.get("x-amz-retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_millis);
    let wait = millis.or_else(|| {
        let text = headers.get("retry-after")?.trim();
        text.parse().map_or_else(|_| http_date(text)?.duration_since(now).ok(), |secs| Some(Duration::from_secs(secs)))
    })?;
    Some(wait.min(MAX_RETRY_AFTER))
}

/// `Expiration` in RFC 3339, with or without a zone, or in seconds since 1970. A time before 2015 is no answer.
pub(super) fn expiration(text: &str) -> Option<SystemTime> {
    if let Ok(seconds) = text.parse() {
        return (YEAR_2015..YEAR_9999).contains(&seconds).then(|| UNIX_EPOCH + Duration::from_secs_f64(seconds));
    }
    let (head, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    // Without a zone the time is UTC. An offset may lack its colon.
    let spellings = [text.to_owned(), format!("{text}Z"), format!("{head}:{minutes}")];
    let time = spellings.iter().find_map(|text| DateTime::from_str(text, Format::DateTimeWithOffset).ok())?;
    SystemTime::try_from(time).ok().filter(|_| time.as_secs_f64() >= YEAR_2015)
}

fn http_date(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(DateTime::from_str(text, Format::HttpDate).ok()?).ok()
}

/// Longest time between the start of a session and the answer that brings it.
const AGREEMENT: Duration = Duration::from_secs(30);
/// A `Date` shows the beginning of its second.
const DATE_STEP: Duration = Duration::from_secs(1);
/// Nobody waits longer. A larger number could overflow a deadline.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);
const YEAR_2015: f64 = 1_420_070_400.0;
const YEAR_9999: f64 = 253_370_764_800.0;

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;
    use crate::sts::ChainSettings;

    #[test]
    fn p7_date_must_agree_with_the_session() {
        for (date, agrees, ended) in [
            (Some(1000), true, false),
            (Some(1030), true, false),
            (Some(970), true, false),
            (Some(1031), false, false),
            (Some(969), false, false),
            (Some(4599), false, false),
            (Some(4600), false, true),
            (Some(9999), false, true),
            (None, false, false),
        ] {
            let grant = Grant {
                credentials: Credentials::for_tests(),
                expiration: at(4_600_000),
                date: date.map(|seconds| at(seconds * 1000)),
                requested: Duration::from_secs(3600),
                principal: Default::default(),
            };
            assert_eq!(has_ended(&grant), ended, "{date:?}");
            assert_eq!(agreed_date(&grant), grant.date.filter(|_| agrees), "{date:?}");
        }
    }

    #[test]
    fn token_is_judged_by_the_servers_clock() {
        for (valid_from, expires_at, date, expected) in [
            (Some(10_000), Some(20_000), Some(10_000), SentWith::Token),
            (Some(10_000), Some(20_000), Some(19_000), SentWith::Token),
            (Some(10_000), Some(20_000), Some(20_000), SentWith::ExpiredToken),
            (Some(10_900), None, Some(10_000), SentWith::Token),
            (Some(11_000), None, Some(10_000), SentWith::EarlyToken),
            (Some(11_000), Some(20_000), None, SentWith::Token),
            (None, None, Some(10_000), SentWith::Token),
        ] {
            let (expires_at, valid_from) = (expires_at.map(at), valid_from.map(at));
            let token = Authentication::Token { jwt: "", expires_at, valid_from };
            assert_eq!(sent_with(&token, date.map(at)), expected, "{valid_from:?} {expires_at:?} {date:?}");
        }
        let credentials = Credentials::for_tests();
        let signature = Authentication::Credentials { credentials: &credentials, settings: &ChainSettings::default() };
        assert_eq!(sent_with(&signature, Some(at(10_000))), SentWith::Signature);
    }

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }
}
