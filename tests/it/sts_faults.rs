//! The fault matrix (P2, P5): for each fault of STS the right error, valid credentials kept, and recovery when it ends.
//!
//! One table lists the kit's faults. Each test runs all rows, each with an STS of its own.

use std::collections::HashSet;
use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{Fault, OidcIssuer};
use aws_web_identity::{Builder, ErrorKind, Phase};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fault_list;
use crate::rig::{ARN, Rig, eventually, key, soon, spec, who};

/// What ends the trouble, once STS is well.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mended {
    /// The next attempt.
    Alone,
    /// A new token: the old one is not sent again before.
    ByToken,
}
use Mended::{Alone, ByToken};

/// The fault, the error's kind, its code, whether it may pass by itself, what mends it.
type Row = (Fault, ErrorKind, Option<&'static str>, bool, Mended);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    (Fault::Throttled,                  ErrorKind::Throttled,            Some("Throttling"),               true,  Alone),
    (fault_list::TOO_MANY_REQUESTS,            ErrorKind::Throttled,            Some("TooManyRequestsException"), true,  Alone),
    (fault_list::IDP_COMMUNICATION_ERROR,      ErrorKind::ServiceUnavailable,   Some("IDPCommunicationError"),    true,  Alone),
    (fault_list::VERIFICATION_KEY_UNREACHABLE, ErrorKind::ServiceUnavailable,   Some("InvalidIdentityToken"),     true,  Alone),
    (fault_list::IDP_REJECTED_CLAIM,           ErrorKind::TokenRejected,        Some("IDPRejectedClaim"),         true,  ByToken),
    (Fault::ExpiredToken,               ErrorKind::TokenRejected,        Some("ExpiredTokenException"),    true,  ByToken),
    (fault_list::NO_OPEN_ID_CONNECT_PROVIDER,    ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     false, Alone),
    (fault_list::INCORRECT_AUDIENCE,          ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     false, Alone),
    (fault_list::UNKNOWN_INVALID_TOKEN,        ErrorKind::TokenRejected,        Some("InvalidIdentityToken"),     true,  Alone),
    (Fault::AccessDenied,               ErrorKind::RoleDenied,           Some("AccessDenied"),             false, Alone),
    (fault_list::VALIDATION_ERROR,            ErrorKind::InvalidConfiguration, Some("ValidationError"),          false, Alone),
    (fault_list::MALFORMED_POLICY_DOCUMENT,    ErrorKind::InvalidConfiguration, Some("MalformedPolicyDocument"),  false, Alone),
    (fault_list::PACKED_POLICY_TOO_LARGE,       ErrorKind::InvalidConfiguration, Some("PackedPolicyTooLarge"),     false, Alone),
    (fault_list::REGION_DISABLED,             ErrorKind::InvalidConfiguration, Some("RegionDisabledException"),  false, Alone),
    (fault_list::INTERNAL_FAILURE,            ErrorKind::ServiceUnavailable,   Some("InternalFailure"),          true,  Alone),
    (Fault::ServiceUnavailable,         ErrorKind::ServiceUnavailable,   Some("ServiceUnavailable"),       true,  Alone),
    (fault_list::BAD_GATEWAY,                 ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (Fault::ConnectionReset,            ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (Fault::Hang,                       ErrorKind::TimedOut,             None,                             true,  Alone),
    (fault_list::GARBAGE,                    ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::HTML_ERROR,                  ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::JSON,                       ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::REDIRECT,                   ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::EMPTY_BODY,                  ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::ALREADY_EXPIRED,             ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::MISSING_EXPIRATION,          ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::MISSING_SECRET,              ErrorKind::Unexpected,           None,                             true,  Alone),
    (Fault::CutBody,                    ErrorKind::ServiceUnavailable,   None,                             true,  Alone),
    (fault_list::CUT_XML,                     ErrorKind::Unexpected,           None,                             true,  Alone),
    (fault_list::ERROR_ROOT,                  ErrorKind::RoleDenied,           Some("AccessDenied"),             false, Alone),
    (fault_list::OVERSIZED,                  ErrorKind::Unexpected,           None,                             true,  Alone),
];

#[test]
fn the_table_has_every_fault() {
    let table: HashSet<_> = TABLE.iter().map(|row| (row.0, row.2)).collect();
    assert_eq!(table, fault_list::ALL.iter().copied().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_usable_a_fault_that_persists_is_told_for_what_it_is() {
    for_each(async |rig, (fault, kind, code, transient, _)| {
        rig.sts.set_fault(fault);
        let provider = short(&rig, fault).build().unwrap();
        let error = provider.provide_credentials().await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().downcast_ref::<aws_web_identity::Error>();
        let error = source.unwrap();
        assert_eq!((error.kind(), error.code(), error.is_transient()), (kind, code, transient), "{fault:?}: {error:?}");
        assert!(error.to_string().contains(": "), "{fault:?} says what to do: {error}");
        assert!(error.to_string().contains(rig.sts.endpoint_url()), "{fault:?} says where: {error}");
        let status = provider.status();
        assert_eq!((status.phase, status.generation), (Phase::Empty, 0), "{fault:?}");
        assert!(provider.current().is_none(), "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_usable_a_fault_that_clears_is_got_over() {
    for_each(async |rig, (fault, _, _, _, mended)| {
        rig.sts.fail_next(1, fault);
        let provider = short(&rig, fault).wait_timeout(Duration::from_secs(15)).build().unwrap();
        let recovery = async {
            // Those who need a human are told so; then the human acts, and the next caller finds it mended.
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
        assert_eq!(who(&Client::new(&provider.install(rig.config()))).await, ARN, "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_whatever_fails_usable_credentials_are_not_withheld_and_are_renewed_when_it_clears() {
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
        assert_eq!(who(&client).await, ARN, "{fault:?}");
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
        assert_eq!(who(&client).await, ARN, "{fault:?}");
        assert_ne!(rig.last_signed_with(), before, "{fault:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_expired_credentials_a_fault_is_told_for_what_it_is_and_got_over_when_it_clears() {
    for_each(async |rig, (fault, kind, _, _, mended)| {
        rig.sts.set_session_length(Duration::from_secs(3));
        let provider = short(&rig, fault).connect().await.unwrap();
        rig.sts.set_fault(fault);
        while provider.current().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let status = provider.status();
        assert_eq!(status.phase, Phase::Expired, "{fault:?}");
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
async fn a_token_is_retried_until_the_clock_of_sts_reaches_it() {
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

/// Impatient only where an attempt is to end by its timeout: all rows at once keep a machine busy.
fn short(rig: &Rig, fault: Fault) -> Builder {
    let attempt = if fault == Fault::Hang { 4 } else { 8 };
    rig.builder().attempt_timeout(Duration::from_secs(attempt)).wait_timeout(Duration::from_secs(8))
}

/// All rows at the same time, each with an STS of its own.
async fn for_each<F: Future<Output = ()> + Send + 'static>(case: impl Fn(Rig, Row) -> F) {
    let issuer = OidcIssuer::start().await;
    issuer.mint(spec());
    let mut cases = JoinSet::new();
    for &row in TABLE {
        cases.spawn(timeout(Duration::from_secs(120), case(Rig::of(&issuer).await, row)));
    }
    for outcome in cases.join_all().await {
        outcome.expect("it hangs");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_key_error_is_retried() {
    let rig = Rig::start().await;
    rig.sts.fail_next(2, fault_list::VERIFICATION_KEY_UNREACHABLE);
    soon(rig.builder().connect()).await.unwrap();
    assert_eq!(rig.exchanges().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_expiry_is_an_error() {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::MISSING_EXPIRATION);
    let error = soon(rig.builder().connect()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unexpected);
    assert!(error.to_string().contains("no expiration"), "{error}");
}
