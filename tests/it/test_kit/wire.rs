//! What is on the wire: AWS's own XML, and each fault as it says.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_web_identity::test_util::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Kit, element, form, header, post, raw, spec};

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
        let form = form(&token);
        let mut attempt = std::pin::pin!(raw(&kit.sts, &form));
        let heard = async {
            kit.sts.wait_for_calls(before + 1).await;
            let patience = if fault == Fault::Hang { Duration::from_millis(300) } else { Duration::from_secs(60) };
            tokio::time::sleep(patience).await;
        };
        let attempt = tokio::select! {
            answer = &mut attempt => Ok(answer),
            () = heard => Err(()),
        };
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

fn date_time(text: &str) -> SystemTime {
    parse_time(text, aws_smithy_types::date_time::Format::DateTime)
}

fn http_date(text: &str) -> SystemTime {
    parse_time(text, aws_smithy_types::date_time::Format::HttpDate)
}

fn parse_time(text: &str, format: aws_smithy_types::date_time::Format) -> SystemTime {
    aws_smithy_types::DateTime::from_str(text, format).unwrap().try_into().unwrap()
}
