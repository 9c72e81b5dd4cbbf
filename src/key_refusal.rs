//! What AWS's error codes say of the key that a request was signed with.

use std::time::Duration;

/// How old the key must be for this code to mean that it is no good. `None`: the code is not about the key.
pub(crate) fn least_age(code: &str) -> Option<Duration> {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "InvalidToken" | "AuthFailure" => Some(Duration::ZERO),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "InvalidAccessKeyId" => Some(PROPAGATION),
        _ => None,
    }
}

/// A key this young may not be known everywhere yet.
const PROPAGATION: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_denied_says_nothing_of_the_key() {
        assert_eq!(least_age("AccessDenied"), None);
        assert_eq!(least_age("ExpiredToken"), Some(Duration::ZERO));
        assert_eq!(least_age("InvalidClientTokenId"), Some(PROPAGATION));
    }
}
