//! The fault matrix (P2, P5): each fault of STS gives the right error, keeps valid credentials, and ends in recovery.
//!
//! A table lists the faults. Each test runs all rows, each with an STS of its own.

use std::collections::HashSet;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, OidcIssuer};
use aws_web_identity::{Builder, ErrorKind, Phase};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::fault_list::*;
use crate::support::{ARN, Rig, caller_arn, eventually, key, soon, spec};

/// What makes the provider recover after the fault has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mended {
    /// The next attempt succeeds.
    Alone,
    /// A new token: the old one is not sent again.
    ByToken,
}
use Mended::{Alone, ByToken};

/// Fault, kind of the error, error code, whether the error is transient, and the way to recover.
type Row = (Fault, ErrorKind, Option<&'static str>, bool, Mended);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (Fault::Throttled,             ErrorKind::Throttled,            Some("Throttling"),               true,  Alone),
    (TOO_MANY_REQUESTS,            ErrorKind::Throttled,            Some("TooManyRequestsException"), true,  Alone),
    (IDP_COMMUNICATION_ERROR,      ErrorKind::ServiceUnavailable,   Some("IDPCommunicationError"),    true,  Alone),
    (VERIFICATION_KEY_UNREACHABLE, ErrorKind::ServiceUnavailable,   Some("InvalidIdentityToken"),     true,  Alone),
    (IDP_REJECTED_CLAIM,           ErrorKind::TokenRejected,        Some("IDPRejectedClaim"),         true,  ByToken),
    (Fault::ExpiredToken,          ErrorKind::TokenRejected,        Some("ExpiredTokenException"),    true,  ByToken),
    (NO_OPEN_ID_CONNECT_PROVIDER,  ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     false, Alone),
    (INCORRECT_AUDIENCE,           ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     false, Alone),
    (UNKNOWN_INVALID_TOKEN,        ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     true,  Alone),
    (Fault::AccessDenied,          ErrorKind::RoleDenied,           Some("AccessDenied"),             false, Alone),
    (VALIDATION_ERROR,             ErrorKind::InvalidConfiguration, Some("ValidationError"),          false, Alone),
    (MALFORMED_POLICY_DOCUMENT,    ErrorKind::InvalidConfiguration, Some("MalformedPolicyDocument"),  false, Alone),
    (PACKED_POLICY_TOO_LARGE,      ErrorKind::InvalidConfiguration, Some("PackedPolicyTooLarge"),     false, Alone),
    (REGION_DISABLED,              ErrorKind::InvalidConfiguration, Some("RegionDisabledException"),  false, Alone),
    (INTERNAL_FAILURE,             ErrorKind::ServiceUnavailable,   Some("InternalFailure"),          true,  Alone),
    (Fault::ServiceUnavailable,    ErrorKind::ServiceUnavailable,   Some("ServiceUnavailable"),       true,  Alone),
    (BAD_GATEWAY,                  ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (Fault::ConnectionReset,       ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (Fault::Hang,                  ErrorKind::TimedOut,             None,                             true,  Alone),
    (GARBAGE,                      ErrorKind::Unexpected,           None,                             true,  Alone),
    (HTML_ERROR,                   ErrorKind::Unexpected,           None,                             true,  Alone),
    (JSON,                         ErrorKind::Unexpected,           None,                             true,  Alone),
    (REDIRECT,                     ErrorKind::Unexpected,           None,                             true,  Alone),
    (EMPTY_BODY,                   ErrorKind::Unexpected,           None,                             true,  Alone),
    (ALREADY_EXPIRED,              ErrorKind::Unexpected,           None,                             true,  Alone),
    (MISSING_EXPIRATION,           ErrorKind::Unexpected,           None,                             true,  Alone),
    (MISSING_SECRET,               ErrorKind::Unexpected,           None,                             true,  Alone),
    (Fault::CutBody,               ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (CUT_XML,                      ErrorKind::Unexpected,           None,                             true,  Alone),
    (ERROR_ROOT,                   ErrorKind::RoleDenied,           Some("AccessDenied"),             false, Alone),
    (OVERSIZED,                    ErrorKind::Unexpected,           None,                             true,  Alone),
];

#[test]
fn table_has_every_fault() {
    let table: HashSet<_> = TABLE.iter().map(|row| (row.0, row.2)).collect();
    assert_eq!(table, ALL.iter().copied().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn lasting_fault_without_credentials_gives_its_error() {
    for_each(async |rig, (fault, kind, code, transient, _)| {
        rig.sts.set_fault(fault);
        let provider = short(&rig, fault).build().unwrap();
        eventually(|| provider.status().last_error.is_some()).await;
        let error = provider.provide_credentials().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<aws_web_identity::Error>();
        let error = source.unwrap();
        assert_eq!((error.kind(), error.code(), error.is_transient()), (kind, code, transient), "{fault:?}: {error:?}");
        assert!(error.to_string().contains(": "), "{fault:?} must have a remedy: {error}");
        assert!(error.to_string().contains(rig.sts.endpoint_url()), "{fault:?} must name the endpoint: {error}");
        let status = provider.status();
        assert_eq!((status.phase, status.generation), (Phase::Empty, 0), "{fault:?}");
        assert!(provider.current().is_none(), "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_fault_without_credentials_is_retried() {
    for_each(async |rig, (fault, _, _, _, mended)| {
        rig.sts.fail_next(1, fault);
        let provider = short(&rig, fault).wait_timeout(Duration::from_secs(15)).build().unwrap();
        let recovery = async {
            // A permanent error returns at once, so callers try again until the token is replaced.
            while provider.provide_credentials().await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let human = async {
            rig.sts.wait_for_calls(1).await;
            while provider.status().last_error.is_none() && provider.status().generation == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if mended == ByToken {
                rig.rotate(spec().lifetime(Duration::from_secs(3000)));
            }
        };
        tokio::join!(recovery, human);
        let status = provider.status();
        assert_eq!((status.phase, status.generation, status.consecutive_failures), (Phase::Fresh, 1, 0), "{fault:?}");
        assert!(status.last_error.is_none(), "{fault:?}");
        assert_eq!(rig.exchanges().len(), 2, "{fault:?}");
        assert_eq!(caller_arn(&Client::new(&provider.install(rig.config()))).await, ARN, "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_fault_keeps_valid_credentials_until_refreshed() {
    for_each(async |rig, (fault, kind, _, _, mended)| {
        let provider = short(&rig, fault).connect().await.unwrap();
        let client = Client::new(&provider.install(rig.config()));
        let before = key(&provider);
        rig.sts.set_fault(fault);
        let error = provider.refresh().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");

        let status = provider.status();
        assert_eq!((status.phase, status.generation), (Phase::Stale, 1), "{fault:?}");
        assert_eq!(status.last_error.unwrap().kind(), kind, "{fault:?}");
        assert_eq!(key(&provider), before, "{fault:?}");
        assert_eq!(provider.provide_credentials().await.unwrap().access_key_id(), before, "{fault:?}");
        assert_eq!(caller_arn(&client).await, ARN, "{fault:?}");
        assert_eq!(rig.last_signed_with(), before, "{fault:?}");
        provider.ready().await.unwrap();

        rig.sts.set_fault(None);
        if mended == ByToken {
            rig.rotate(spec().lifetime(Duration::from_secs(3000)));
        }
        while provider.status().generation < 2 {
            let _throttled = provider.refresh().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(provider.status().phase, Phase::Fresh, "{fault:?}");
        assert_eq!(caller_arn(&client).await, ARN, "{fault:?}");
        assert_ne!(rig.last_signed_with(), before, "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_with_expired_credentials_is_reported_and_retried() {
    for_each(async |rig, (fault, kind, _, _, mended)| {
        rig.sts.set_session_length(Duration::from_secs(3));
        let provider = short(&rig, fault).connect().await.unwrap();
        rig.sts.set_fault(fault);
        while provider.current().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let status = provider.status();
        assert_eq!(status.phase, Phase::Expired, "{fault:?}");
        eventually(|| provider.status().last_error.is_some()).await;
        let error = provider.provide_credentials().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<aws_web_identity::Error>();
        assert_eq!(source.unwrap().kind(), kind, "{fault:?}: {error:?}");

        rig.sts.set_session_length(None);
        rig.sts.set_fault(None);
        if mended == ByToken {
            rig.rotate(spec().lifetime(Duration::from_secs(3000)));
        }
        while provider.provide_credentials().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            (provider.status().phase, provider.status().generation),
            (Phase::Fresh, status.generation + 1),
            "{fault:?}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn early_token_is_retried_until_sts_accepts_it() {
    let rig = Rig::start().await;
    rig.sts.set_clock_offset(-600);
    let provider = rig.builder().build().unwrap();
    let ready = tokio::spawn({
        let provider = provider.clone();
        async move { provider.ready().await }
    });
    eventually(|| provider.status().consecutive_failures >= 2).await;
    let error = provider.status().last_error.unwrap();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::TokenRejected, true), "{error}");
    assert!(error.to_string().contains("Compare the clocks of"), "{error}");
    rig.sts.set_clock_offset(0);
    soon(ready).await.unwrap().unwrap();
    let exchanges = rig.exchanges();
    assert!(exchanges.len() > 2 && exchanges.iter().filter(|key| key.is_some()).count() == 1, "{exchanges:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_key_error_is_retried() {
    let rig = Rig::start().await;
    rig.sts.fail_next(2, VERIFICATION_KEY_UNREACHABLE);
    soon(rig.builder().connect()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_expiry_is_an_error() {
    let rig = Rig::start().await;
    rig.sts.set_fault(MISSING_EXPIRATION);
    let error = soon(rig.builder().connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("no expiration"), "{error}");
}

/// Attempts time out early only for `Hang`: all rows run at once, which keeps a machine busy.
fn short(rig: &Rig, fault: Fault) -> Builder {
    let attempt = if fault == Fault::Hang { 4 } else { 8 };
    rig.builder().attempt_timeout(Duration::from_secs(attempt)).wait_timeout(Duration::from_secs(8))
}

/// Runs all rows at the same time, each with an STS of its own.
async fn for_each<F: Future<Output = ()> + Send + 'static>(case: impl Fn(Rig, Row) -> F) {
    let issuer = OidcIssuer::start().await;
    issuer.mint(spec());
    let mut cases = JoinSet::new();
    for &row in TABLE {
        cases.spawn(timeout(Duration::from_secs(120), case(Rig::with_issuer(&issuer).await, row)));
    }
    for outcome in cases.join_all().await {
        outcome.expect("the row did not end within 120 s");
    }
}
