//! Who signed a request.

use super::session::Session;
use super::sigv4::Signed;

/// Who signed a request, by [`MockSts::verify`](super::MockSts::verify).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Caller {
    /// The session of the role, such as `arn:aws:sts::123456789012:assumed-role/checkout/checkout-0`.
    pub arn: String,
    /// The access key that signed.
    pub access_key_id: String,
    /// The region that the signature is for.
    pub region: String,
    /// The service that the signature is for, by its name in signatures: `s3`, `sqs`, `dynamodb`.
    pub service: String,
}

impl Caller {
    pub(super) fn new(signed: Signed, session: Session) -> Self {
        let Signed { access_key_id, region, service, .. } = signed;
        Self { arn: session.assumed_role.arn, access_key_id, region, service }
    }
}
