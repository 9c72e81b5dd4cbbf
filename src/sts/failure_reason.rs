//! The reasons of a failed exchange, each with its class and kind.

use super::connection_errors::NoConnection;
use crate::error::ErrorKind;
use crate::refresh::Class;

/// Why an exchange gave no credentials. The reason decides class, kind and remedy.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Reason {
    NoConnection(NoConnection),
    /// The answer did not come in time.
    NoAnswer,
    /// The answer was cut.
    Broken,
    /// 5xx, `InternalFailure`.
    ServerFault,
    Throttled,
    /// STS cannot read the issuer's keys, or asks for them too often.
    IssuerUnreachable,
    TokenExpired,
    /// The token begins after the server's clock.
    TooEarly,
    ClaimRejected,
    NoProvider,
    /// `NoProvider` at a standby. A region that is not active for the account answers so; another STS may know the issuer.
    NoProviderAtStandby,
    Audience,
    Signature,
    Thumbprint,
    Malformed,
    /// `InvalidIdentityToken` with an unknown message.
    TokenUnclear,
    /// The key that signed the request is expired, revoked, or not known yet.
    KeyRejected,
    RoleDenied,
    SessionTooLong,
    Setting,
    Policy,
    PolicyTooLarge,
    RegionDisabled,
    /// `RegionDisabled` at a standby. This standby is not asked again.
    StandbyDisabled,
    /// Nothing was sent: no such endpoint exists.
    NotSent,
    /// Nothing was sent: there is no HTTP client.
    NoHttpClient,
    /// An unknown error code, or a code with several meanings.
    UnknownCode,
    /// `InvalidArgument` without a message. Ceph's gateway answers so when it cannot read the issuer's keys.
    Unexplained,
    /// HTML, JSON, a redirect, an empty body.
    NotSts,
    /// A compressed answer. The request allows none.
    Encoded,
    /// A 200 with incomplete credentials.
    BadGrant,
}

impl Reason {
    pub(crate) fn class(self) -> Class {
        self.class_and_kind().0
    }

    pub(crate) fn kind(self) -> ErrorKind {
        self.class_and_kind().1
    }

    fn class_and_kind(self) -> (Class, ErrorKind) {
        match self {
            Self::NoConnection(_) | Self::Broken | Self::ServerFault => (Class::Outage, ErrorKind::ServiceUnavailable),
            Self::IssuerUnreachable | Self::NoProviderAtStandby | Self::StandbyDisabled | Self::Unexplained => {
                (Class::Outage, ErrorKind::ServiceUnavailable)
            }
            Self::NoAnswer => (Class::Outage, ErrorKind::TimedOut),
            Self::TooEarly | Self::KeyRejected => (Class::Outage, ErrorKind::TokenRejected),
            Self::Throttled => (Class::Throttled, ErrorKind::Throttled),
            Self::TokenExpired | Self::ClaimRejected => (Class::BadInput, ErrorKind::TokenRejected),
            Self::NoProvider => (Class::NotYetKnown, ErrorKind::TokenRejected),
            Self::RoleDenied => (Class::NotYetKnown, ErrorKind::RoleDenied),
            Self::Audience | Self::Signature | Self::Thumbprint | Self::Malformed => {
                (Class::Misconfigured, ErrorKind::TokenRejected)
            }
            Self::SessionTooLong | Self::Setting | Self::Policy | Self::PolicyTooLarge | Self::RegionDisabled => {
                (Class::Misconfigured, ErrorKind::InvalidConfiguration)
            }
            Self::NotSent | Self::NoHttpClient => (Class::Misconfigured, ErrorKind::InvalidConfiguration),
            Self::TokenUnclear => (Class::Unclear, ErrorKind::TokenRejected),
            Self::UnknownCode | Self::NotSts | Self::Encoded | Self::BadGrant => {
                (Class::Unclear, ErrorKind::Unexpected)
            }
        }
    }

    pub(super) fn is_answer(self) -> bool {
        !matches!(self, Self::NoConnection(_) | Self::NoAnswer | Self::NotSent | Self::NoHttpClient)
    }

    /// A standby may succeed: nothing answers as STS does, or STS itself fails.
    pub(super) fn is_outage(self) -> bool {
        matches!(
            self,
            Self::NoConnection(_)
                | Self::NoAnswer
                | Self::Broken
                | Self::ServerFault
                | Self::NotSts
                | Self::Encoded
                | Self::BadGrant
        )
    }

    /// The failure may pass although nobody changes a setting.
    pub(super) fn is_transient(self) -> bool {
        !matches!(self.class(), Class::Misconfigured | Class::NotYetKnown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reason_without_code_has_class_and_kind() {
        for (reason, class, kind) in [
            (Reason::NoAnswer, Class::Outage, ErrorKind::TimedOut),
            (Reason::Broken, Class::Outage, ErrorKind::ServiceUnavailable),
            (Reason::NotSent, Class::Misconfigured, ErrorKind::InvalidConfiguration),
            (Reason::NoHttpClient, Class::Misconfigured, ErrorKind::InvalidConfiguration),
            (Reason::NotSts, Class::Unclear, ErrorKind::Unexpected),
            (Reason::Encoded, Class::Unclear, ErrorKind::Unexpected),
            (Reason::BadGrant, Class::Unclear, ErrorKind::Unexpected),
        ] {
            assert_eq!((reason.class(), reason.kind()), (class, kind), "{reason:?}");
        }
    }

    #[test]
    fn failed_connection_is_an_outage_without_answer() {
        for cause in [
            NoConnection::Unreachable,
            NoConnection::Certificate,
            NoConnection::CertificateHost,
            NoConnection::CertificateAuthority,
            NoConnection::CertificateTime,
            NoConnection::NotTls,
            NoConnection::NoCertificates,
            NoConnection::NoThread,
        ] {
            let reason = Reason::NoConnection(cause);
            assert_eq!((reason.class(), reason.kind()), (Class::Outage, ErrorKind::ServiceUnavailable), "{cause:?}");
            assert!(reason.is_outage() && !reason.is_answer() && reason.is_transient(), "{cause:?}");
        }
    }
}
