//! The kit itself, through real SDK clients and raw sockets: what the other tests rest on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Config;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_types::service_config::ServiceConfigKey;
use aws_web_identity::test_util::{Algorithm, Fault, MockSts, OidcIssuer, TokenSpec, TrustedRole};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROLE: &str = "arn:aws:iam::123456789012:role/teams/checkout";
const SUBJECT: &str = "system:serviceaccount:shop:checkout";

#[tokio::test]
async fn an_exchange_gives_credentials_that_sign_requests() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec().audience("sts.amazonaws.com").audience("elsewhere"));
    let answer = kit.exchange(&token).duration_seconds(900).send().await.unwrap();

    let role = answer.assumed_role_user().unwrap();
    assert_eq!(role.arn(), "arn:aws:sts::123456789012:assumed-role/checkout/checkout-0");
    assert!(role.assumed_role_id().starts_with("AROA"), "{}", role.assumed_role_id());
    assert!(role.assumed_role_id().ends_with(":checkout-0"), "{}", role.assumed_role_id());
    assert_eq!(answer.subject_from_web_identity_token(), Some(SUBJECT));
    assert_eq!(answer.audience(), Some("sts.amazonaws.com"));
    let provider =
        format!("arn:aws:iam::123456789012:oidc-provider/{}", kit.issuer.url().trim_start_matches("http://"));
    assert_eq!(answer.provider(), Some(&*provider));

    let credentials = answer.credentials().unwrap();
    let credentials = Credentials::new(
        credentials.access_key_id(),
        credentials.secret_access_key(),
        Some(credentials.session_token().to_owned()),
        None,
        "test",
    );
    let caller = kit.client_with(credentials.clone()).get_caller_identity().send().await.unwrap();
    assert_eq!(caller.arn(), Some(role.arn()));
    assert_eq!(caller.user_id(), Some(role.assumed_role_id()));
    assert_eq!(caller.account(), Some("123456789012"));

    let calls = kit.sts.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].action, "AssumeRoleWithWebIdentity");
    assert_eq!(calls[0].role_arn.as_deref(), Some(ROLE));
    assert_eq!(calls[0].session_name.as_deref(), Some("checkout-0"));
    assert_eq!(calls[0].duration, Some(Duration::from_secs(900)));
    assert_eq!(calls[0].subject.as_deref(), Some(SUBJECT));
    assert_eq!(calls[1].action, "GetCallerIdentity");
    for call in &calls {
        assert_eq!(call.access_key_id.as_deref(), Some(credentials.access_key_id()));
        assert_eq!((call.status, call.code.as_deref(), call.fault), (Some(200), None, None));
    }
}

#[tokio::test]
async fn no_two_exchanges_give_the_same_credentials() {
    let kit = Kit::start().await;
    let (first, second) = (kit.credentials().await, kit.credentials().await);
    assert_ne!(first.access_key_id(), second.access_key_id());
    assert_ne!(first.secret_access_key(), second.secret_access_key());
    assert_ne!(first.session_token(), second.session_token());
    // The older ones stay good.
    kit.client_with(first).get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn tokens_of_both_algorithms_are_accepted_by_the_mock_and_by_another_library() {
    let kit = Kit::start().await;
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let token = kit.issuer.mint(spec().algorithm(algorithm));
        kit.exchange(&token).send().await.unwrap();

        let header = jsonwebtoken::decode_header(&token).unwrap();
        let (_, keys) = get(kit.issuer.url(), "/openid/v1/jwks").await;
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&keys).unwrap();
        let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.set_audience(&["sts.amazonaws.com"]);
        validation.set_issuer(&[kit.issuer.url()]);
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], SUBJECT);
    }
}

#[tokio::test]
async fn a_token_has_the_claims_of_a_kubelets_and_no_others() {
    let issuer = OidcIssuer::start().await;
    let issued_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let token = issuer.mint(
        spec()
            .audience("one")
            .audience("two")
            .issued_at(issued_at)
            .lifetime(Duration::from_secs(600))
            .warn_after(Duration::from_secs(300)),
    );
    let mut claims = jsonwebtoken::dangerous::insecure_decode::<Value>(&token).unwrap().claims;
    for name in ["node", "pod", "serviceaccount"] {
        let uid = claims["kubernetes.io"][name]["uid"].take();
        assert_eq!(uid.as_str().unwrap().len(), 36);
    }
    assert_eq!(claims["jti"].take().as_str().unwrap().len(), 36);
    let expected = json!({
        "aud": ["one", "two"], "exp": 1_700_000_600, "iat": 1_700_000_000, "iss": issuer.url(), "jti": null,
        "kubernetes.io": {
            "namespace": "shop",
            "node": { "name": "node-1", "uid": null },
            "pod": { "name": "checkout-0", "uid": null },
            "serviceaccount": { "name": "checkout", "uid": null },
            "warnafter": 1_700_000_300,
        },
        "nbf": 1_700_000_000, "sub": SUBJECT,
    });
    assert_eq!(claims, expected);
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ, None);
}

#[tokio::test]
async fn the_issuers_pages_are_those_of_an_api_server() {
    let issuer = OidcIssuer::start().await;
    issuer.mint(spec().algorithm(Algorithm::Rs256));
    let (head, discovery) = get(issuer.url(), "/.well-known/openid-configuration").await;
    assert!(head.contains("content-type: application/json") && head.contains("max-age=3600"), "{head}");
    let discovery: Value = serde_json::from_str(&discovery).unwrap();
    assert_eq!(discovery["issuer"], issuer.url());
    assert_eq!(discovery["jwks_uri"], format!("{}/openid/v1/jwks", issuer.url()));

    let (head, keys) = get(issuer.url(), "/openid/v1/jwks").await;
    assert!(head.contains("content-type: application/jwk-set+json") && head.contains("max-age=3600"), "{head}");
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let names: Vec<Vec<_>> =
        keys["keys"].as_array().unwrap().iter().map(|key| key.as_object().unwrap().keys().collect()).collect();
    assert_eq!(names, [vec!["alg", "e", "kid", "kty", "n", "use"], vec!["alg", "crv", "kid", "kty", "use", "x", "y"]]);

    issuer.set_available(false);
    let (head, _) = get(issuer.url(), "/openid/v1/jwks").await;
    assert!(head.starts_with("HTTP/1.1 503"), "{head}");
}

#[tokio::test]
async fn a_key_is_published_with_its_certificate_where_that_is_asked_for() {
    let issuer = OidcIssuer::start_at(([127, 0, 0, 1], 0)).await;
    assert!(issuer.url().starts_with("http://127.0.0.1:"), "{}", issuer.url());
    issuer.publish_certificates(true);
    for algorithm in [Algorithm::Es256, Algorithm::Rs256] {
        let thumbprint = issuer.thumbprint(algorithm);
        let (_, keys) = get(issuer.url(), "/openid/v1/jwks").await;
        let keys: Value = serde_json::from_str(&keys).unwrap();
        let key = &keys["keys"][0];
        assert_eq!(key["x5c"].as_array().unwrap().len(), 1, "the newest key comes first");
        let certificate = STANDARD.decode(key["x5c"][0].as_str().unwrap()).unwrap();
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate);
        assert_eq!(hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>(), thumbprint);
        let number = URL_SAFE_NO_PAD.decode(key["n"].as_str().or(key["x"].as_str()).unwrap()).unwrap();
        assert!(certificate.windows(number.len()).any(|part| part == number), "it is the key's");
    }
    issuer.publish_certificates(false);
    let (_, keys) = get(issuer.url(), "/openid/v1/jwks").await;
    assert!(!keys.contains("x5c"), "as an API server has it");
}

#[tokio::test]
async fn a_bad_token_is_refused_for_its_reason() {
    let kit = Kit::start().await;
    let stranger = OidcIssuer::start().await;
    let now = SystemTime::now();
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let mint = |spec| kit.issuer.mint(spec);
    let no_provider = format!("No OpenIDConnect provider found in your account for {}", stranger.url());
    let malformed = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
    for (token, code, message) in [
        (mint(spec().issued_at(now - hours(2))), "ExpiredTokenException", "Token expired: current date/time"),
        (mint(spec().not_before(now + hours(1))), "InvalidIdentityToken", "Token is not valid yet"),
        (mint(spec().issued_at(now + hours(1))), "InvalidIdentityToken", "Token is not valid yet"),
        (mint(spec().audience("elsewhere")), "InvalidIdentityToken", "Incorrect token audience"),
        (
            mint(spec().subject("system:serviceaccount:shop:cart")),
            "AccessDenied",
            "Not authorized to perform sts:Assume",
        ),
        (stranger.mint(spec()), "InvalidIdentityToken", &*no_provider),
        (stranger.mint(spec().issuer(kit.issuer.url())), "InvalidIdentityToken", "Couldn't retrieve verification key"),
        (mint(spec().forged()), "InvalidIdentityToken", "The token's signature does not match"),
        (
            mint(spec().forged().algorithm(Algorithm::Rs256)),
            "InvalidIdentityToken",
            "The token's signature does not match",
        ),
        (mint(spec().unsigned()), "InvalidIdentityToken", "The token is not signed with a supported algorithm"),
        (format!("{}\n", mint(spec())), "InvalidIdentityToken", malformed),
        ("garbage".to_owned(), "InvalidIdentityToken", malformed),
        (String::new(), "ValidationError", "1 validation error detected: Value '***' at 'webIdentityToken'"),
    ] {
        let error = kit.exchange(&token).send().await.unwrap_err();
        let text = error.message().unwrap_or_default();
        assert!(error.code() == Some(code) && text.starts_with(message), "expected {code} {message}, got {error:?}");
        let status = if code == "AccessDenied" { 403 } else { 400 };
        assert_eq!(error.raw_response().unwrap().status().as_u16(), status);
        assert_eq!(kit.sts.calls().last().unwrap().code.as_deref(), Some(code));
    }
}

#[tokio::test]
async fn a_key_is_good_for_its_own_algorithm_only() {
    let kit = Kit::start().await;
    // The header of one token, the rest of another.
    let es256 = kit.issuer.mint(spec());
    let rs256 = kit.issuer.mint(spec().algorithm(Algorithm::Rs256));
    let mixed = format!("{}.{}", es256.split_once('.').unwrap().0, rs256.split_once('.').unwrap().1);
    let error = kit.exchange(&mixed).send().await.unwrap_err();
    assert_eq!(error.message(), Some("The token's signature does not match"));
}

#[tokio::test]
async fn a_bad_parameter_is_refused_in_the_words_of_the_model() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    let good = kit.exchange(&token);
    let long = "x".repeat(65);
    for (request, code, message) in [
        (good.clone().role_arn("arn:aws:iam::123456789012:role/other"), "AccessDenied", "Not authorized to perform"),
        (good.clone().role_arn("arn"), "ValidationError", "Value 'arn' at 'roleArn' failed to satisfy"),
        (good.clone().role_session_name("a/b c"), "ValidationError", r"regular expression pattern: [\w+=,.@-]*"),
        (good.clone().role_session_name("a"), "ValidationError", "length greater than or equal to 2"),
        (good.clone().role_session_name(&long), "ValidationError", "length less than or equal to 64"),
        (good.clone().duration_seconds(899), "ValidationError", "Value '899' at 'durationSeconds' failed"),
        (good.clone().duration_seconds(43_201), "ValidationError", "value less than or equal to 43200"),
        (good.clone().duration_seconds(3601), "ValidationError", "exceeds the MaxSessionDuration set for this role."),
        (good.clone().policy("{"), "MalformedPolicyDocument", "This policy contains invalid Json"),
        (good.clone().set_role_arn(None), "ValidationError", "Value null at 'roleArn' failed"),
    ] {
        let error = request.send().await.unwrap_err();
        let text = error.message().unwrap_or_default();
        assert!(error.code() == Some(code) && text.contains(message), "expected {code} {message}, got {error:?}");
    }
    let policy = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let managed =
        aws_sdk_sts::types::PolicyDescriptorType::builder().arn("arn:aws:iam::aws:policy/ReadOnlyAccess").build();
    good.policy(policy).policy_arns(managed).send().await.unwrap();
    let call = kit.sts.calls().pop().unwrap();
    assert_eq!(call.policy.as_deref(), Some(policy));
    assert_eq!(call.policy_arns, ["arn:aws:iam::aws:policy/ReadOnlyAccess"]);
}

#[tokio::test]
async fn a_rotated_key_works_beside_the_old_one_until_that_is_retired() {
    let kit = Kit::start().await;
    let old = kit.issuer.mint(spec());
    kit.issuer.rotate_key();
    let new = kit.issuer.mint(spec());
    kit.exchange(&old).send().await.unwrap();
    kit.exchange(&new).send().await.unwrap();

    kit.issuer.retire_old_keys();
    kit.exchange(&new).send().await.unwrap();
    assert!(kit.no_key(&old).await);
}

#[tokio::test]
async fn a_key_that_is_held_back_works_once_it_is_published() {
    let kit = Kit::start().await;
    kit.issuer.hold_back_keys(true);
    kit.issuer.rotate_key();
    let token = kit.issuer.mint(spec());
    assert!(kit.no_key(&token).await);
    kit.issuer.hold_back_keys(false);
    kit.exchange(&token).send().await.unwrap();
}

#[tokio::test]
async fn an_issuer_that_fails_or_is_gone_gives_no_key() {
    let Kit { issuer, sts } = Kit::start().await;
    let kit = Kit { issuer: issuer.clone(), sts };
    let token = issuer.mint(spec());
    issuer.set_available(false);
    assert!(kit.no_key(&token).await);
    issuer.set_available(true);
    kit.exchange(&token).send().await.unwrap();

    let Kit { issuer: other, sts } = kit;
    drop((issuer, other));
    let kit = Kit { issuer: OidcIssuer::start().await, sts };
    assert!(kit.no_key(&token).await);
}

#[tokio::test]
async fn a_request_is_accepted_only_with_the_very_signature_of_its_key() {
    let kit = Kit::start().await;
    let good = kit.credentials().await;
    let (key, secret, token) =
        (good.access_key_id(), good.secret_access_key(), good.session_token().map(str::to_owned));
    let credentials = |key: &str, secret: &str, token| Credentials::new(key, secret, token, None, "test");
    for (credentials, code) in [
        (credentials(key, &secret.to_lowercase(), token.clone()), "SignatureDoesNotMatch"),
        (credentials("ASIAUNKNOWNUNKNOWN00", secret, token.clone()), "InvalidClientTokenId"),
        (credentials(key, secret, Some("another".to_owned())), "InvalidClientTokenId"),
        (credentials(key, secret, None), "InvalidClientTokenId"),
    ] {
        let error = kit.client_with(credentials).get_caller_identity().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
    }
    kit.client_with(good).get_caller_identity().send().await.unwrap();
    let (head, body) = post(&kit.sts, "Action=GetCallerIdentity&Version=2011-06-15").await;
    assert!(head.starts_with("HTTP/1.1 403") && body.contains("MissingAuthenticationToken"), "{head}{body}");
}

#[tokio::test]
async fn a_signature_covers_headers_body_and_date() {
    let kit = Kit::start().await;
    let client = kit.client_with(kit.credentials().await);
    let send = async |change: fn(&mut aws_sdk_sts::config::http::HttpRequest)| {
        let request = client.get_caller_identity().customize().mutate_request(|_| {}).interceptor(AfterSigning(change));
        request.send().await.map_err(|error| error.code().map(str::to_owned))
    };
    send(|_| {}).await.unwrap();
    let mismatch = Some("SignatureDoesNotMatch".to_owned());
    let changed = [
        send(|request| *request.body_mut() = "Action=GetCallerIdentity&Version=2011-06-15&x=y".into()).await,
        send(|request| {
            request.headers_mut().insert("x-amz-date", "20200101T000000Z");
        })
        .await,
        send(|request| {
            request.headers_mut().insert("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        })
        .await,
    ];
    for error in changed {
        assert_eq!(error.unwrap_err(), mismatch);
    }
}

#[tokio::test]
async fn a_presigned_request_is_verified_too() {
    let kit = Kit::start().await;
    let target = presigned(&kit.sts, kit.credentials().await);
    let caller = async |target: &str| send(kit.sts.endpoint_url(), &format!("GET {target}"), "").await;
    let (head, body) = caller(&target).await;
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("assumed-role/checkout"), "{head}{body}");

    let (_, body) = caller(&target.replace("X-Amz-Expires=60", "X-Amz-Expires=61")).await;
    assert!(body.contains("SignatureDoesNotMatch"), "{body}");
    kit.sts.set_clock_offset(100);
    let (_, body) = caller(&target).await;
    assert!(body.contains("Signature expired"), "{body}");
}

#[tokio::test]
async fn a_session_ends_at_its_expiration_and_not_before() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(600));
    let client = kit.client_with(kit.credentials().await);
    kit.sts.set_clock_offset(500);
    client.get_caller_identity().send().await.unwrap();
    kit.sts.set_clock_offset(600);
    let error = client.get_caller_identity().send().await.unwrap_err();
    assert_eq!(error.code(), Some("ExpiredToken"));
    assert_eq!(error.message(), Some("The security token included in the request is expired"));
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_rejected_key_is_refused_with_the_code_that_was_asked_for() {
    let kit = Kit::start().await;
    for code in ["ExpiredToken", "InvalidClientTokenId", "AccessDenied"] {
        let credentials = kit.credentials().await;
        kit.sts.reject_key(credentials.access_key_id(), code);
        let error = kit.client_with(credentials).get_caller_identity().send().await.unwrap_err();
        assert_eq!(error.code(), Some(code));
    }
}

#[tokio::test]
async fn a_session_of_one_region_is_good_in_another_and_trouble_stays_where_it_is() {
    let kit = Kit::start().await;
    let elsewhere = Kit { issuer: kit.issuer.clone(), sts: kit.sts.another_region().await };
    assert_ne!(elsewhere.sts.endpoint_url(), kit.sts.endpoint_url());
    kit.sts.set_fault(Fault::ServiceUnavailable);
    let client = kit.client_with(elsewhere.credentials().await);
    client.get_caller_identity().send().await.unwrap();
    elsewhere.sts.set_fault(Fault::Hang);
    kit.sts.set_fault(None);
    let client = elsewhere.client_with(kit.credentials().await);
    client.get_caller_identity().send().await.unwrap();
    assert_eq!((kit.sts.calls().len(), elsewhere.sts.calls().len()), (2, 2));
}

#[tokio::test]
async fn the_mocks_clock_is_in_the_date_in_the_expiration_and_in_the_checks() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(5));
    let token = kit.issuer.mint(spec().lifetime(Duration::from_secs(600)));
    for offset in [0, -3, 300] {
        kit.sts.set_clock_offset(offset);
        if offset < 0 {
            // Behind the token's `iat`.
            assert_eq!(kit.exchange(&token).send().await.unwrap_err().message(), Some("Token is not valid yet"));
            continue;
        }
        let (head, body) = post(&kit.sts, &form(&token)).await;
        let date = http_date(header(&head, "date").unwrap());
        assert_eq!(date_time(element(&body, "Expiration").unwrap()), date + Duration::from_secs(5));
        let ours = SystemTime::now() + Duration::from_secs(offset.unsigned_abs());
        assert!(date <= ours && date + Duration::from_secs(60) > ours);
    }
    kit.sts.set_clock_offset(700);
    assert_eq!(kit.exchange(&token).send().await.unwrap_err().code(), Some("ExpiredTokenException"));
    kit.sts.set_send_date(false);
    let (head, _) = post(&kit.sts, &form(&token)).await;
    assert_eq!(header(&head, "date"), None);
}

#[tokio::test]
async fn an_answer_is_in_awss_own_xml() {
    let kit = Kit::start().await;
    let (head, body) = post(&kit.sts, &form(&kit.issuer.mint(spec()))).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(header(&head, "content-type"), Some("text/xml"));
    assert_eq!(header(&head, "x-amzn-requestid"), element(&body, "RequestId"));
    assert!(body.starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult>"
    ));
    assert!(body.contains("<ResponseMetadata><RequestId>"), "{body}");

    let (head, body) = post(&kit.sts, "Action=Dance&Version=2011-06-15").await;
    assert!(head.starts_with("HTTP/1.1 400"), "{head}");
    let id = header(&head, "x-amzn-requestid").unwrap();
    let expected = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>InvalidAction</Code><Message>Could not find operation Dance for version 2011-06-15</Message></Error>\
         <RequestId>{id}</RequestId></ErrorResponse>"
    );
    assert_eq!(body, expected);
}

#[tokio::test]
async fn every_fault_is_on_the_wire_what_it_says() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    for &fault in Fault::ALL {
        kit.sts.fail_next(1, fault);
        let before = kit.sts.calls().len();
        let patience = if fault == Fault::Hang { Duration::from_millis(300) } else { Duration::from_secs(60) };
        let attempt = tokio::time::timeout(patience, raw(&kit.sts, &form(&token))).await;
        let call = kit.sts.calls().pop().unwrap();
        assert_eq!((kit.sts.calls().len(), call.fault), (before + 1, Some(fault)));
        if fault == Fault::Hang {
            assert!(attempt.is_err());
            assert_eq!(call.status, None);
            continue;
        }
        let attempt = attempt.expect("an answer");
        if fault == Fault::ConnectionReset {
            assert_eq!(attempt.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
            assert_eq!(call.status, None);
            continue;
        }
        let (head, body) = attempt.unwrap();
        let status: u16 = head[9..12].parse().unwrap();
        let length: usize = header(&head, "content-length").unwrap().parse().unwrap();
        assert_eq!(body.len() < length, fault == Fault::CutBody, "{fault:?}");
        let code = element(&body, "Code");
        assert_eq!(code, fault.code(), "{fault:?}");
        assert_eq!(call.code.as_deref(), fault.code(), "{fault:?}");
        assert_eq!(call.status, if fault == Fault::CutBody { None } else { Some(status) });
        let expected = match fault {
            Fault::TooManyRequests => 429,
            Fault::IdpRejectedClaim | Fault::AccessDenied | Fault::RegionDisabled => 403,
            Fault::ErrorRoot | Fault::HtmlError | Fault::Json => 403,
            Fault::InternalFailure => 500,
            Fault::BadGateway => 502,
            Fault::ServiceUnavailable => 503,
            Fault::Redirect => 302,
            _ if code.is_some() => 400,
            _ => 200,
        };
        assert_eq!(status, expected, "{fault:?}");
        let message = element(&body, "Message").unwrap_or_default();
        match fault {
            Fault::Throttled => assert_eq!(message, "Rate exceeded"),
            Fault::TooManyRequests => assert_eq!(header(&head, "retry-after"), Some("1")),
            Fault::VerificationKeyUnreachable => assert!(message.contains("retrieve verification key"), "{message}"),
            Fault::NoOpenIdConnectProvider => assert!(message.starts_with("No OpenIDConnect provider"), "{message}"),
            Fault::IncorrectAudience => assert_eq!(message, "Incorrect token audience"),
            Fault::Garbage | Fault::HtmlError | Fault::BadGateway => {
                assert_eq!(header(&head, "content-type"), Some("text/html"));
            }
            Fault::Json => assert_eq!(header(&head, "content-type"), Some("application/json")),
            Fault::Redirect => assert!(header(&head, "location").unwrap().starts_with(kit.sts.endpoint_url())),
            Fault::EmptyBody => assert_eq!(body, ""),
            Fault::AlreadyExpired => {
                assert!(date_time(element(&body, "Expiration").unwrap()) < http_date(header(&head, "date").unwrap()));
            }
            Fault::MissingExpiration => assert!(!body.contains("Expiration") && body.contains("SecretAccessKey")),
            Fault::MissingSecret => assert!(!body.contains("SecretAccessKey") && body.contains("Expiration")),
            Fault::CutXml => assert!(body.contains("<SessionToken>") && !body.contains("</SessionToken>")),
            Fault::OtherShape => {
                assert!(body.contains("<AssumeRoleWithWebIdentityResponse>") && body.contains("<AssumeRoleId>"));
                assert!(element(&body, "Expiration").unwrap().ends_with(".000000000Z"));
                assert!(!body.contains("RequestId"));
            }
            Fault::ErrorRoot => {
                assert!(body.contains("?><Error><Code>AccessDenied</Code><Message></Message>"), "{body}")
            }
            Fault::Oversized => {
                assert!(body.len() > 64 * 1024 && body.ends_with("</AssumeRoleWithWebIdentityResponse>"))
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_sdk_reads_the_faults_as_it_reads_awss_errors() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    for &fault in Fault::ALL {
        // A body with another root has no code for the SDK.
        let Some(code) = fault.code().filter(|_| fault != Fault::ErrorRoot) else { continue };
        kit.sts.fail_next(1, fault);
        assert_eq!(kit.exchange(&token).send().await.unwrap_err().code(), Some(code));
    }
    kit.sts.fail_next(1, Fault::OtherShape);
    kit.exchange(&token).send().await.unwrap();
}

#[tokio::test]
async fn faults_come_in_order_and_a_standing_one_comes_after_them() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    kit.sts.set_fault(Fault::AccessDenied);
    kit.sts.fail_next(2, Fault::Throttled);
    kit.sts.fail_next(1, Fault::InternalFailure);
    for _ in 0..5 {
        kit.exchange(&token).send().await.unwrap_err();
    }
    kit.sts.set_fault(None);
    kit.exchange(&token).send().await.unwrap();
    let codes: Vec<_> = kit.sts.calls().into_iter().map(|call| call.code).collect();
    let expected = [
        Some("Throttling"),
        Some("Throttling"),
        Some("InternalFailure"),
        Some("AccessDenied"),
        Some("AccessDenied"),
        None,
    ];
    assert_eq!(codes, expected.map(|code| code.map(str::to_owned)));
}

#[tokio::test]
async fn a_busy_sts_says_when_to_come_again() {
    let kit = Kit::start().await;
    kit.sts.set_retry_after(Duration::from_secs(7));
    for (fault, expected) in [
        (Fault::Throttled, Some("7")),
        (Fault::TooManyRequests, Some("7")),
        (Fault::ServiceUnavailable, Some("7")),
        (Fault::InternalFailure, None),
    ] {
        kit.sts.fail_next(1, fault);
        let (head, _) = post(&kit.sts, &form("token")).await;
        assert_eq!(header(&head, "retry-after"), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn exchanges_that_overlap_are_counted() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    kit.exchange(&token).send().await.unwrap();
    kit.exchange(&token).send().await.unwrap();
    assert_eq!(kit.sts.most_at_once(), 1);

    kit.sts.set_fault(Fault::Hang);
    let hanging: Vec<_> = (0..3).map(|_| tokio::spawn(kit.exchange(&token).send())).collect();
    kit.sts.wait_for_calls(5).await;
    assert_eq!(kit.sts.most_at_once(), 3);
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn what_a_mock_forgets_is_gone_and_nothing_else_is() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(600));
    let ended = kit.credentials().await;
    kit.sts.set_session_length(Duration::from_secs(6000));
    let valid = kit.credentials().await;
    kit.sts.fail_next(1, Fault::Hang);
    let hanging = tokio::spawn(kit.exchange(&kit.issuer.mint(spec())).send());
    kit.sts.wait_for_calls(3).await;
    // By the mock's clock, in which the first session has ended.
    kit.sts.set_clock_offset(700);
    let client = kit.client_with(ended);
    assert_eq!(client.get_caller_identity().send().await.unwrap_err().code(), Some("ExpiredToken"));

    kit.sts.forget_before(SystemTime::now());
    assert!(kit.sts.calls().is_empty());
    assert_eq!(client.get_caller_identity().send().await.unwrap_err().code(), Some("InvalidClientTokenId"));
    kit.client_with(valid).get_caller_identity().send().await.unwrap();
    assert_eq!(kit.sts.calls().len(), 2, "what comes after is remembered");
    kit.sts.wait_for_calls(6).await;
    hanging.abort();
}

#[tokio::test]
async fn a_call_tells_when_it_was_answered_and_when_its_session_ends() {
    let kit = Kit::start().await;
    kit.sts.set_clock_offset(300);
    kit.sts.set_latency(Duration::from_millis(30));
    let (_, body) = post(&kit.sts, &form(&kit.issuer.mint(spec()))).await;
    let before_the_next = SystemTime::now();
    kit.sts.set_fault(Fault::ConnectionReset);
    kit.exchange(&kit.issuer.mint(spec())).send().await.unwrap_err();
    let [granted, reset] = &kit.sts.calls()[..] else { panic!("two calls") };
    assert_eq!(granted.expiration, element(&body, "Expiration").map(date_time));
    let answered = granted.answered.unwrap();
    assert!(granted.at + Duration::from_millis(30) <= answered && answered <= before_the_next);
    assert_eq!((reset.expiration, reset.answered), (None, None));
}

#[tokio::test]
async fn an_exchange_whose_client_gave_up_is_no_longer_under_way() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    kit.sts.fail_next(1, Fault::Hang);
    let mut stream = TcpStream::connect(kit.sts.endpoint_url().trim_start_matches("http://")).await.unwrap();
    let form = form(&token);
    let request = format!("POST / HTTP/1.1\r\nhost: sts\r\ncontent-length: {}\r\n\r\n{form}", form.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    kit.sts.wait_for_calls(1).await;
    stream.shutdown().await.unwrap();
    let mut nothing = Vec::new();
    let _closed = stream.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
    kit.exchange(&token).send().await.unwrap();
    assert_eq!(kit.sts.most_at_once(), 1);
}

#[tokio::test]
async fn a_session_is_as_long_as_asked_or_as_the_mock_is_told() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    for (told, asked, expected) in
        [(None, None, 3600), (None, Some(900), 900), (Some(2), Some(900), 2), (Some(20), None, 20)]
    {
        kit.sts.set_session_length(told.map(Duration::from_secs));
        let asked = asked.map_or_else(String::new, |seconds: u32| format!("&DurationSeconds={seconds}"));
        let (head, body) = post(&kit.sts, &format!("{}{asked}", form(&token))).await;
        let expiration = date_time(element(&body, "Expiration").unwrap());
        let length = expiration.duration_since(http_date(header(&head, "date").unwrap())).unwrap();
        assert_eq!(length, Duration::from_secs(expected));
    }
}

#[tokio::test]
async fn a_role_of_another_sts_has_no_account() {
    let issuer = OidcIssuer::start().await;
    let role = "arn:aws:iam:::role/app";
    let sts = MockSts::builder().issuer(&issuer).role(TrustedRole::new(role)).start().await;
    let kit = Kit { issuer, sts };
    let answer = kit.exchange(&kit.issuer.mint(spec())).role_arn(role).send().await.unwrap();
    assert_eq!(answer.assumed_role_user().unwrap().arn(), "arn:aws:sts:::assumed-role/app/checkout-0");
}

#[tokio::test]
async fn the_sdk_config_names_the_mock_for_sts_only() {
    let kit = Kit::start().await;
    let config = kit.sts.sdk_config();
    let load = |service, env| {
        let key = ServiceConfigKey::builder().service_id(service).env(env).profile("endpoint_url").build().unwrap();
        config.service_config().unwrap().load_config(key)
    };
    assert_eq!(load("STS", "AWS_ENDPOINT_URL").as_deref(), Some(kit.sts.endpoint_url()));
    assert_eq!(load("sts", "AWS_ENDPOINT_URL").as_deref(), Some(kit.sts.endpoint_url()));
    assert_eq!(load("S3", "AWS_ENDPOINT_URL"), None);
    assert_eq!(load("STS", "AWS_REGION"), None);
    assert_eq!(config.endpoint_url(), None);
    assert!(config.credentials_provider().is_none());
}

#[tokio::test]
async fn the_server_lives_as_long_as_a_handle_and_no_longer() {
    let kit = Kit::start().await;
    let (address, issuer) = (kit.sts.endpoint_url().to_owned(), kit.issuer.clone());
    let other = kit.sts.clone();
    drop(kit);
    post(&other, "Action=Dance").await;
    drop(other);
    // The task that owns the socket is told, and gone as soon as the runtime gets to it.
    let gone = async {
        while TcpStream::connect(address.trim_start_matches("http://")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("nobody listens");
    get(issuer.url(), "/openid/v1/jwks").await;
}

#[tokio::test]
async fn p9_nothing_of_the_kit_prints_a_secret() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    let answer = kit.exchange(&token).send().await.unwrap();
    let credentials = answer.credentials().unwrap();
    let (key, secret) = (credentials.access_key_id(), credentials.secret_access_key());
    let session_token = credentials.session_token();
    kit.client_with(Credentials::new(key, secret, Some(session_token.to_owned()), None, "test"))
        .get_caller_identity()
        .send()
        .await
        .unwrap();
    let printed = format!(
        "{:?} {:#?} {:?} {:?} {:?} {:?}",
        kit.sts,
        kit.sts.calls(),
        kit.issuer,
        kit.sts.sdk_config(),
        spec(),
        MockSts::builder().issuer(&kit.issuer).role(TrustedRole::new(ROLE))
    );
    for canary in [&*token, token.rsplit_once('.').unwrap().1, secret, session_token] {
        assert!(!printed.contains(canary), "a secret in {printed}");
    }
    for useful in [ROLE, SUBJECT, key, kit.issuer.url(), kit.sts.endpoint_url()] {
        assert!(printed.contains(useful), "no {useful} in {printed}");
    }
}

#[test]
#[should_panic(expected = "is not a role's ARN")]
fn a_role_needs_a_roles_arn() {
    let _role = TrustedRole::new("checkout");
}

struct Kit {
    issuer: OidcIssuer,
    sts: MockSts,
}

impl Kit {
    async fn start() -> Self {
        let issuer = OidcIssuer::start().await;
        let role = TrustedRole::new(ROLE).subject(SUBJECT).audience("sts.amazonaws.com");
        let sts = MockSts::builder().issuer(&issuer).role(role).start().await;
        Self { issuer, sts }
    }

    fn exchange(&self, token: &str) -> AssumeRoleWithWebIdentityFluentBuilder {
        Client::from_conf(self.config().build())
            .assume_role_with_web_identity()
            .role_arn(ROLE)
            .role_session_name("checkout-0")
            .web_identity_token(token)
    }

    async fn credentials(&self) -> Credentials {
        let answer = self.exchange(&self.issuer.mint(spec())).send().await.unwrap();
        let given = answer.credentials().unwrap();
        let token = Some(given.session_token().to_owned());
        Credentials::new(given.access_key_id(), given.secret_access_key(), token, None, "test")
    }

    fn client_with(&self, credentials: Credentials) -> Client {
        Client::from_conf(self.config().credentials_provider(credentials).build())
    }

    fn config(&self) -> aws_sdk_sts::config::Builder {
        Config::from(&self.sts.sdk_config()).to_builder().retry_config(RetryConfig::disabled())
    }

    async fn no_key(&self, token: &str) -> bool {
        let error = self.exchange(token).send().await.unwrap_err();
        error.code() == Some("InvalidIdentityToken")
            && error.message().unwrap().starts_with("Couldn't retrieve verification key from your identity provider,")
    }
}

/// Changes a request when its signature is already made.
#[derive(Debug)]
struct AfterSigning(fn(&mut aws_sdk_sts::config::http::HttpRequest));

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl aws_sdk_sts::config::Intercept for AfterSigning {
    fn name(&self) -> &'static str {
        "AfterSigning"
    }

    fn modify_before_transmit(
        &self,
        context: &mut aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextMut<'_>,
        _: &aws_sdk_sts::config::RuntimeComponents,
        _: &mut aws_sdk_sts::config::ConfigBag,
    ) -> Result<(), aws_sdk_sts::error::BoxError> {
        (self.0)(context.request_mut());
        Ok(())
    }
}

/// A `GetCallerIdentity` for a browser: path and query, good for a minute.
fn presigned(sts: &MockSts, credentials: Credentials) -> String {
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let identity = credentials.into();
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-central-1")
        .name("sts")
        .time(SystemTime::now())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let target = "/?Action=GetCallerIdentity&Version=2011-06-15";
    let url = format!("{}{target}", sts.endpoint_url());
    let request = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(b"")).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let mut query = form_urlencoded::Serializer::new(format!("{target}&"));
    query.extend_pairs(instructions.params());
    query.finish()
}

fn spec() -> TokenSpec {
    TokenSpec::service_account("shop", "checkout")
}

fn form(token: &str) -> String {
    format!(
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=checkout-0\
         &WebIdentityToken={token}"
    )
}

async fn get(url: &str, path: &str) -> (String, String) {
    send(url, &format!("GET {path}"), "").await
}

async fn post(sts: &MockSts, form: &str) -> (String, String) {
    raw(sts, form).await.unwrap()
}

async fn raw(sts: &MockSts, form: &str) -> std::io::Result<(String, String)> {
    try_send(sts.endpoint_url(), "POST /", form).await
}

async fn send(url: &str, request: &str, body: &str) -> (String, String) {
    try_send(url, request, body).await.unwrap()
}

/// Head and body of the answer, as they are on the wire.
async fn try_send(url: &str, request: &str, body: &str) -> std::io::Result<(String, String)> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await?;
    let length = body.len();
    let request =
        format!("{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok((head.to_owned(), body.to_owned()))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

fn date_time(text: &str) -> SystemTime {
    parse_time(text, aws_smithy_types::date_time::Format::DateTime)
}

fn http_date(text: &str) -> SystemTime {
    parse_time(text, aws_smithy_types::date_time::Format::HttpDate)
}

fn parse_time(text: &str, format: aws_smithy_types::date_time::Format) -> SystemTime {
    aws_smithy_types::DateTime::from_str(text, format).unwrap().try_into().unwrap()
}
