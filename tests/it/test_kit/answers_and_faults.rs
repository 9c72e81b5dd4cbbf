//! Answers on the wire: the XML of AWS, and each fault.

use std::time::{Duration, SystemTime};

use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_web_identity::test_util::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Kit, element, form, header, post, raw, spec};
use crate::support::fault_list;

#[tokio::test]
async fn clock_offset_moves_date_expiration_and_checks() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(5));
    let token = kit.issuer.mint(spec().lifetime(Duration::from_secs(600)));
    for offset in [0, -3, 300] {
        kit.sts.set_clock_offset(offset);
        if offset < 0 {
            // STS's clock is before the token's `iat`.
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
async fn answer_is_in_awss_xml() {
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
async fn each_fault_sends_its_answer() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    for (fault, status, code, message) in [
        (Fault::ServiceUnavailable, 503, "ServiceUnavailable", "Service Unavailable"),
        (Fault::Throttled, 400, "Throttling", "Rate exceeded"),
        (Fault::AccessDenied, 403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
        (Fault::ExpiredToken, 400, "ExpiredTokenException", "Token expired"),
        (fault_list::INCORRECT_AUDIENCE, 400, "InvalidIdentityToken", "Incorrect token audience"),
    ] {
        kit.sts.fail_next(1, fault);
        let (head, body) = post(&kit.sts, &form(&token)).await;
        assert_eq!(head[9..12], status.to_string(), "{fault:?}");
        assert_eq!((element(&body, "Code"), element(&body, "Message")), (Some(code), Some(message)), "{fault:?}");
        assert_eq!(header(&head, "x-amzn-requestid"), element(&body, "RequestId"), "{fault:?}");
        let call = kit.sts.calls().pop().unwrap();
        assert_eq!((call.fault, call.status, call.code.as_deref()), (Some(fault), Some(status), Some(code)));

        kit.sts.fail_next(1, fault);
        let error = kit.exchange(&token).send().await.unwrap_err();
        assert_eq!(error.code(), Some(code), "the SDK must read the code: {error:?}");
    }
}

#[tokio::test]
async fn page_is_sent_as_given() {
    let kit = Kit::start().await;
    for fault in [fault_list::JSON, fault_list::REDIRECT, fault_list::EMPTY_BODY] {
        kit.sts.fail_next(1, fault);
        let (head, sent) = post(&kit.sts, &form("token")).await;
        let Fault::Page { status, content_type, body } = fault else { panic!("not a page") };
        assert_eq!((&head[9..12], &*sent), (&*status.to_string(), body));
        assert_eq!((header(&head, "content-type"), header(&head, "x-amzn-requestid")), (Some(content_type), None));
        let login = format!("{}/login", kit.sts.endpoint_url());
        assert_eq!(header(&head, "location"), (status == 302).then_some(&*login));
        let call = kit.sts.calls().pop().unwrap();
        assert_eq!((call.status, call.code), (Some(status), None));
    }
}

#[tokio::test]
async fn fault_can_break_connection_or_never_answer() {
    let kit = Kit::start().await;
    let form = form(&kit.issuer.mint(spec()));
    kit.sts.fail_next(1, Fault::ConnectionReset);
    let error = raw(&kit.sts, &form).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    kit.sts.fail_next(1, Fault::CutBody);
    let (head, body) = raw(&kit.sts, &form).await.unwrap();
    let length: usize = header(&head, "content-length").unwrap().parse().unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && !body.is_empty() && body.len() < length, "{head} {body}");

    kit.sts.fail_next(1, Fault::Hang);
    let patience = async {
        kit.sts.wait_for_calls(3).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    tokio::select! {
        answer = raw(&kit.sts, &form) => panic!("{answer:?}"),
        () = patience => {}
    }
    assert!(kit.sts.calls().iter().all(|call| call.fault.is_some() && call.status.is_none()));
}

#[tokio::test]
async fn queued_faults_come_before_a_standing_one() {
    let kit = Kit::start().await;
    let token = kit.issuer.mint(spec());
    kit.sts.set_fault(Fault::AccessDenied);
    kit.sts.fail_next(2, Fault::Throttled);
    kit.sts.fail_next(1, fault_list::INTERNAL_FAILURE);
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
async fn errors_carry_the_retry_after_header() {
    let kit = Kit::start().await;
    kit.sts.set_retry_after(Duration::from_secs(7));
    for (fault, expected) in
        [(Fault::Throttled, Some("7")), (fault_list::BAD_GATEWAY, Some("7")), (fault_list::GARBAGE, None)]
    {
        kit.sts.fail_next(1, fault);
        let (head, _) = post(&kit.sts, &form("token")).await;
        assert_eq!(header(&head, "retry-after"), expected, "{fault:?}");
    }
}

#[tokio::test]
async fn overlapping_exchanges_are_counted() {
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
async fn forget_before_drops_older_calls_and_sessions() {
    let kit = Kit::start().await;
    kit.sts.set_session_length(Duration::from_secs(600));
    let ended = kit.credentials().await;
    kit.sts.set_session_length(Duration::from_secs(6000));
    let valid = kit.credentials().await;
    kit.sts.fail_next(1, Fault::Hang);
    let hanging = tokio::spawn(kit.exchange(&kit.issuer.mint(spec())).send());
    kit.sts.wait_for_calls(3).await;
    // By the mock's clock the first session has ended.
    kit.sts.set_clock_offset(700);
    let client = kit.client_with(ended);
    assert_eq!(client.get_caller_identity().send().await.unwrap_err().code(), Some("ExpiredToken"));

    kit.sts.forget_before(SystemTime::now());
    assert!(kit.sts.calls().is_empty());
    assert_eq!(client.get_caller_identity().send().await.unwrap_err().code(), Some("InvalidClientTokenId"));
    kit.client_with(valid).get_caller_identity().send().await.unwrap();
    assert_eq!(kit.sts.calls().len(), 2, "later calls must be kept");
    kit.sts.wait_for_calls(6).await;
    hanging.abort();
}

#[tokio::test]
async fn call_records_answer_time_and_session_end() {
    let kit = Kit::start().await;
    kit.sts.set_clock_offset(300);
    kit.sts.set_latency(Duration::from_millis(30));
    let (_, body) = post(&kit.sts, &form(&kit.issuer.mint(spec()))).await;
    let before_the_next = SystemTime::now();
    kit.sts.set_fault(Fault::ConnectionReset);
    kit.exchange(&kit.issuer.mint(spec())).send().await.unwrap_err();
    let [granted, reset] = &kit.sts.calls()[..] else { panic!("expected two calls") };
    assert_eq!(granted.expiration, element(&body, "Expiration").map(date_time));
    let answered = granted.answered.unwrap();
    assert!(granted.at + Duration::from_millis(30) <= answered && answered <= before_the_next);
    assert_eq!((reset.expiration, reset.answered), (None, None));
}

#[tokio::test]
async fn cancelled_exchange_no_longer_counts() {
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
async fn session_length_is_requested_or_overridden() {
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
