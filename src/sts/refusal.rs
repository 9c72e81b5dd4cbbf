//! Why an exchange gave no credentials.

use std::time::Duration;

use super::config::Session;
use super::hints::Asked;
use super::reason::Reason;
use crate::error::Error;
use crate::refresh::Failure;

/// Why an exchange gave no credentials, in text that is fit to print.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    /// What failed, and where.
    pub(crate) message: String,
    /// The address that was called, or the region if it did not come to that.
    pub(crate) endpoint: String,
    pub(crate) region: String,
    pub(crate) code: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    /// How far the local clock is from the server's, if the answer said.
    pub(crate) clock_off: Option<Duration>,
}

impl Refusal {
    /// What its hint can name.
    pub(crate) fn asked<'a>(&'a self, session: &'a Session) -> Asked<'a> {
        Asked { session, endpoint: &self.endpoint, region: &self.region, said: &self.message }
    }

    /// For the engine, with the next step of whoever reads the error.
    pub(crate) fn into_failure(self, hint: String) -> Failure {
        let error = Error::new(self.reason.kind(), self.message)
            .with_hint(hint)
            .with_transient(self.reason.is_transient())
            .with_code(self.code)
            .with_request_id(self.request_id)
            .with_endpoint(self.reason.is_answer().then_some(self.endpoint));
        Failure { class: self.reason.class(), error, retry_after: self.retry_after }
    }
}
