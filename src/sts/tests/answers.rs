//! The known answers of AWS, Ceph, MinIO, SeaweedFS, emulators and proxies, each sent over a real socket.

use std::time::{Duration, SystemTime};

use crate::error::ErrorKind;
use crate::refresh::{Class, Grant};
use crate::sts::testing::{DATE, JWT, NOW, ROLE, SECRET, SESSION, Server, Then, config, http, session, success, xml};
use crate::sts::{Authentication, ExchangeFailure, NoConnection, Reason, StsClient, remedy};

use crate::error::ErrorKind::{
    InvalidConfiguration, RoleDenied, ServiceUnavailable, Throttled, TimedOut, TokenRejected, Unexpected,
};
use crate::refresh::Class::{BadInput, Misconfigured, NotYetKnown, Outage, Unclear};

async fn exchange(reply: impl Into<Vec<u8>>) -> Result<Grant, Box<ExchangeFailure>> {
    let server = Server::start(reply, Then::Close).await;
    let authentication = Authentication::Token { jwt: JWT, expires_at: None, valid_from: None };
    StsClient::of(&config(&server.url)).exchange(&session(ROLE), &authentication, Duration::from_secs(60)).await
}

/// Name, reply, reason, class, kind, and a text that must be in the error or in its remedy.
type Row = (&'static str, Vec<u8>, Reason, Class, ErrorKind, &'static str);

async fn check(rows: Vec<Row>) {
    for (name, reply, reason, class, kind, seen) in rows {
        let failure = exchange(reply).await.err().unwrap_or_else(|| panic!("{name}: a grant"));
        let session = session(ROLE);
        let text = format!("{}\n{}", failure.message, remedy(failure.reason, &failure.remedy_context(&session)));
        let got = (failure.reason, failure.reason.class(), failure.reason.kind());
        assert_eq!(got, (reason, class, kind), "{name}: {text}");
        assert!(text.contains(seen), "{name}: {seen:?} is not in {text}");
        for secret in [JWT, SECRET, SESSION, "hvs.CAES", "vault-secret", "BODYCANARY"] {
            assert!(!text.contains(secret), "{name}: {text}");
        }
    }
}

fn page(status: u16, server: &str, body: &str) -> Vec<u8> {
    http(status, &format!("Content-Type: text/html\r\nServer: {server}\r\n"), body).into()
}

fn json(status: u16, body: &str) -> Vec<u8> {
    http(status, "Content-Type: application/json\r\n", body).into()
}

/// Texts: API reference of STS, and public reports of its errors.
#[tokio::test]
#[rustfmt::skip]
async fn aws_answers_are_understood() {
    let says = |status, code, message| xml(DATE, status, code, message).into_bytes();
    let token = |message| says(400, "InvalidIdentityToken", message);
    check(vec![
        ("denied", says(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"), Reason::RoleDenied, NotYetKnown, RoleDenied, "Not authorized"),
        ("denied, role of a misleading name", says(403, "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::123456789012:role/audience"), Reason::RoleDenied, NotYetKnown, RoleDenied, "AccessDenied"),
        ("no provider", token("No OpenIDConnect provider found in your account for https://issuer.example.com"), Reason::NoProvider, NotYetKnown, TokenRejected, "No OpenIDConnect"),
        ("audience", token("Incorrect token audience"), Reason::Audience, Misconfigured, TokenRejected, "audience"),
        ("keys", token("Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"), Reason::IssuerUnreachable, Outage, ServiceUnavailable, "verification key"),
        ("thumbprint", token("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint"), Reason::Thumbprint, Misconfigured, TokenRejected, "thumbprint"),
        ("malformed", token("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"), Reason::Malformed, Misconfigured, TokenRejected, "JWT"),
        ("no sub", token("Missing a required claim: sub"), Reason::TokenUnclear, Unclear, TokenRejected, "required claim"),
        ("expired", says(400, "ExpiredTokenException", "Token expired: current date/time 1893456000 must be before the expiration date/time 1893452400"), Reason::TokenExpired, BadInput, TokenRejected, "expiration date"),
        ("claim", says(403, "IDPRejectedClaim", "The claim was rejected by the identity provider"), Reason::ClaimRejected, BadInput, TokenRejected, "rejected"),
        ("issuer", says(400, "IDPCommunicationError", "The identity provider could not be reached"), Reason::IssuerUnreachable, Outage, ServiceUnavailable, "reached"),
        ("region", says(403, "RegionDisabledException", "STS is not activated in this region for account:123456789012. Your account administrator can activate STS in this region using the IAM Console."), Reason::RegionDisabled, Misconfigured, InvalidConfiguration, "activate STS"),
        ("length", says(400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."), Reason::SessionTooLong, Misconfigured, InvalidConfiguration, "MaxSessionDuration"),
        ("throttled", says(400, "Throttling", "Rate exceeded"), Reason::Throttled, Class::Throttled, Throttled, "limits the calls"),
        ("fault", says(500, "InternalFailure", ""), Reason::ServerFault, Outage, ServiceUnavailable, "outage"),
        // Another service of AWS at the endpoint: IAM, then API Gateway.
        ("action", says(400, "InvalidAction", "Could not find operation AssumeRoleWithWebIdentity for version 2011-06-15"), Reason::UnknownCode, Unclear, Unexpected, "AWS_ENDPOINT_URL_STS"),
        ("api gateway", json(403, r#"{"message":"Missing Authentication Token"}"#), Reason::NotSts, Unclear, Unexpected, "Missing Authentication Token"),
        // STS answers in JSON if a proxy before it asks for JSON.
        ("json", json(400, r#"{"Error":{"Code":"ExpiredTokenException","Message":"Token expired","Type":"Sender"},"RequestId":"7c41e222"}"#), Reason::TokenExpired, BadInput, TokenRejected, "Token expired"),
        ("json protocol", json(403, r#"{"__type":"com.amazonaws.sts#AccessDeniedException","message":"No"}"#), Reason::RoleDenied, NotYetKnown, RoleDenied, "AccessDeniedException"),
    ])
    .await;
}

/// Ceph: rgw_rest_sts.cc, rgw_common.cc (`rgw_http_sts_errors`, `rgw_http_s3_errors`).
#[tokio::test]
#[rustfmt::skip]
async fn ceph_answers_are_understood() {
    let says = |status, code: &str| {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message></Message><RequestId>tx1-default</RequestId><HostId>1-default-default</HostId></Error>"
        );
        http(status, "Content-Type: application/xml\r\n", &body).into_bytes()
    };
    check(vec![
        ("denied", says(403, "AccessDenied"), Reason::RoleDenied, NotYetKnown, RoleDenied, "AccessDenied"),
        ("issuer not reached", says(400, "InvalidArgument"), Reason::Unexplained, Outage, ServiceUnavailable, "InvalidArgument"),
        ("no role", says(404, "NoSuchEntity"), Reason::RoleDenied, NotYetKnown, RoleDenied, "NoSuchEntity"),
        ("token", says(400, "InvalidIdentityToken"), Reason::TokenUnclear, Unclear, TokenRejected, "InvalidIdentityToken"),
        ("no STS (rgw_s3_auth_use_sts)", says(405, "MethodNotAllowed"), Reason::UnknownCode, Unclear, Unexpected, "AWS_ENDPOINT_URL_STS"),
        ("busy", says(503, "SlowDown"), Reason::Throttled, Class::Throttled, Throttled, "SlowDown"),
    ])
    .await;
}

/// MinIO: sts-handlers.go, sts-errors.go, internal/config/identity/openid; golang-jwt's errors.go (versions 3, 4 and 5).
#[tokio::test]
#[rustfmt::skip]
async fn minio_answers_are_understood() {
    let says = |status, code: &str, message: &str| {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type></Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>178D5E53CEF44BA1</RequestId></ErrorResponse>"
        );
        http(status, "Content-Type: application/xml\r\nServer: MinIO\r\n", &body).into_bytes()
    };
    let invalid = |message| says(400, "InvalidParameterValue", message);
    check(vec![
        ("expired", says(400, "ExpiredToken", "The web identity token that was passed is expired or is not valid. Get a new identity token from the identity provider and then retry the request."), Reason::TokenExpired, BadInput, TokenRejected, "new identity token"),
        ("expired, by text", invalid("token has invalid claims: token is expired"), Reason::TokenExpired, BadInput, TokenRejected, "expired"),
        ("early", invalid("Token used before issued"), Reason::TooEarly, Outage, TokenRejected, "before issued"),
        ("early, newer", invalid("token has invalid claims: token is not valid yet"), Reason::TooEarly, Outage, TokenRejected, "not valid yet"),
        ("audience", invalid("STS JWT Token has `aud` claim invalid, `aud` must match configured OpenID Client ID"), Reason::Audience, Misconfigured, TokenRejected, "OpenID Client ID"),
        ("party", invalid("STS JWT Token has `azp` claim invalid, `azp` must match configured OpenID Client ID"), Reason::Audience, Misconfigured, TokenRejected, "azp"),
        ("signature", invalid("token signature is invalid: crypto/rsa: verification error"), Reason::Signature, Misconfigured, TokenRejected, "signature"),
        ("unknown key", invalid("key is of invalid type"), Reason::Signature, Misconfigured, TokenRejected, "key"),
        ("no key", invalid("Invalid kid value &lt;nil&gt;"), Reason::Signature, Misconfigured, TokenRejected, "Invalid kid value <nil>"),
        ("malformed", invalid("token is malformed: token contains an invalid number of segments"), Reason::Malformed, Misconfigured, TokenRejected, "segments"),
        ("issuer", invalid("Get &#34;https://issuer.example.com/keys&#34;: x509: certificate has expired or is not yet valid"), Reason::IssuerUnreachable, Outage, ServiceUnavailable, "x509"),
        ("role", invalid("Role arn:minio:iam:::role/dummy-internal does not exist"), Reason::UnknownCode, Unclear, Unexpected, "does not exist"),
        ("duration", invalid("Invalid token expiry"), Reason::UnknownCode, Unclear, Unexpected, "Invalid token expiry"),
        ("denied", says(403, "AccessDenied", "Generating temporary credentials not allowed for this request."), Reason::RoleDenied, NotYetKnown, RoleDenied, "not allowed"),
        ("starting", says(503, "STSNotInitialized", "STS API not initialized, please try again."), Reason::ServerFault, Outage, ServiceUnavailable, "try again"),
        ("upstream", says(500, "InternalError", "An upstream service required for this operation failed - please try again or contact an administrator."), Reason::ServerFault, Outage, ServiceUnavailable, "upstream"),
        ("http", says(400, "InsecureConnection", "The request was made over a plain HTTP connection. A TLS connection is required."), Reason::UnknownCode, Unclear, Unexpected, "TLS connection is required"),
    ])
    .await;
}

/// moto: core/exceptions.py (three templates, all with CDATA). LocalStack: aws/protocol/serializer.py, plugins' coverage text.
#[tokio::test]
#[rustfmt::skip]
async fn emulator_answers_are_understood() {
    let head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    let fields = |code: &str, message: &str| {
        format!(
            "<Error>\n        <Code>{code}</Code>\n        <Message><![CDATA[{message}]]></Message>\n        \n      </Error>"
        )
    };
    let id = "<RequestId>7a62c49f-347e-4fc4-9331-6e8eEXAMPLE</RequestId>";
    let reply = |status, body: String| http(status, "Content-Type: application/xml\r\n", &body).into_bytes();
    let in_errors = |status, code, message| {
        reply(
            status,
            format!(
                "{head}  <ErrorResponse>\n    <Errors>\n      {}\n    </Errors>\n  {id}\n</ErrorResponse>\n",
                fields(code, message)
            ),
        )
    };
    let coverage = "API for service &#x27;sts&#x27; not yet implemented or pro feature";
    let localstack = format!(
        "<?xml version='1.0' encoding='utf-8'?>\n<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Code>InternalFailure</Code><Message>{coverage}</Message></Error><RequestId>93d2</RequestId></ErrorResponse>"
    );
    check(vec![
        ("moto, errors", in_errors(400, "ValidationError", "1 validation error detected: Value 'x' at 'roleArn' failed to satisfy constraint"), Reason::Setting, Misconfigured, InvalidConfiguration, "'roleArn'"),
        ("moto, keys", in_errors(403, "InvalidClientTokenId", "The security token included in the request is invalid."), Reason::KeyRejected, Outage, TokenRejected, "security token"),
        ("moto, wrapped", reply(403, format!("{head}<ErrorResponse>{}{id}</ErrorResponse>", fields("AccessDenied", "No & <no>"))), Reason::RoleDenied, NotYetKnown, RoleDenied, "No & <no>"),
        ("moto, single", reply(403, format!("{head}{}", fields("AccessDenied", "No"))), Reason::RoleDenied, NotYetKnown, RoleDenied, "\"No\""),
        ("ec2", reply(400, format!("<Response><Errors>{}</Errors><RequestID>93d2</RequestID></Response>", fields("AccessDenied", "No"))), Reason::RoleDenied, NotYetKnown, RoleDenied, "\"No\""),
        ("localstack", reply(501, localstack), Reason::UnknownCode, Unclear, Unexpected, "'sts' not yet implemented"),
    ])
    .await;
}

/// SeaweedFS: s3api_sts.go, iam/sts/constants.go, iam/oidc/oidc_provider.go. It answers most of what is wrong with a token with
/// `AccessDenied`.
#[tokio::test]
#[rustfmt::skip]
async fn seaweedfs_answers_are_understood() {
    let says = |status, code, message| xml("", status, code, message).into_bytes();
    let wrapped = |why: &str| {
        let text = format!("token validation failed with provider for issuer https://issuer.example.com: {why}");
        xml("", 403, "AccessDenied", &text).into_bytes()
    };
    check(vec![
        ("expired", says(400, "ExpiredTokenException", "token has expired"), Reason::TokenExpired, BadInput, TokenRejected, "expired"),
        ("audience", says(400, "InvalidParameterValue", "invalid token audience"), Reason::Audience, Misconfigured, TokenRejected, "audience"),
        ("issuer", says(400, "InvalidParameterValue", "invalid token issuer"), Reason::NoProvider, NotYetKnown, TokenRejected, "issuer"),
        ("malformed", says(400, "InvalidParameterValue", "invalid token format"), Reason::Malformed, Misconfigured, TokenRejected, "format"),
        ("unknown issuer", says(403, "AccessDenied", "no identity provider registered for issuer: https://issuer.example.com"), Reason::NoProvider, NotYetKnown, TokenRejected, "no identity provider"),
        ("issuer not reached", wrapped("failed to get public key: failed to fetch JWKS: JWKS endpoint returned status: 503"), Reason::IssuerUnreachable, Outage, ServiceUnavailable, "503"),
        ("unknown key", wrapped("failed to get public key: key with ID k2 not found in JWKS after refresh"), Reason::Signature, Misconfigured, TokenRejected, "k2"),
        ("early", wrapped("failed to validate JWT token: token has invalid claims: token is not valid yet"), Reason::TooEarly, Outage, TokenRejected, "not valid yet"),
        ("denied", says(403, "AccessDenied", "Access Denied"), Reason::RoleDenied, NotYetKnown, RoleDenied, "Access Denied"),
        ("starting", says(503, "ServiceUnavailable", "STS service not initialized"), Reason::ServerFault, Outage, ServiceUnavailable, "not initialized"),
        // Texts of other JWT libraries: jsonwebtoken (Rust), PyJWT, Nimbus and auth0 (Java).
        ("rust, early", says(400, "InvalidParameterValue", "ImmatureSignature"), Reason::TooEarly, Outage, TokenRejected, "Immature"),
        ("rust, expired", says(400, "InvalidParameterValue", "ExpiredSignature"), Reason::TokenExpired, BadInput, TokenRejected, "Expired"),
        ("rust, issuer", says(400, "InvalidParameterValue", "InvalidIssuer"), Reason::NoProvider, NotYetKnown, TokenRejected, "Issuer"),
        ("python, early", says(400, "InvalidRequest", "The token is not yet valid (iat)"), Reason::TooEarly, Outage, TokenRejected, "iat"),
        ("java, early", says(401, "Unauthorized", "JWT before use time"), Reason::TooEarly, Outage, TokenRejected, "before use"),
        ("java, early 2", says(401, "Unauthorized", "The Token can't be used before 2030-01-01T00:00:00Z."), Reason::TooEarly, Outage, TokenRejected, "used before"),
    ])
    .await;
}

/// nginx, Apache, Squid (errors/templates), Envoy, Istio, AWS's load balancer, Kubernetes, Python's http.server, portals.
#[tokio::test]
#[rustfmt::skip]
async fn foreign_servers_are_told_from_sts() {
    let nginx = |title| {
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        )
    };
    // Squid repeats the head of the request within its page.
    let squid = "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n<html><head>\n<meta type=\"copyright\" content=\"Copyright (C) 1996-2020\">\n<title>ERROR: The requested URL could not be retrieved</title>\n</head><body id=ERR_ACCESS_DENIED>\n<h1>ERROR</h1><a href=\"mailto:webmaster?body=HTTP%20Request%3A%0D%0ABODYCANARY\">webmaster</a></body></html>";
    let login = "<?xml version=\"1.0\"?><!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\"><html xmlns=\"http://www.w3.org/1999/xhtml\"><head><TITLE lang=\"en\">\n Sign in\n</TITLE></head><body>BODYCANARY</body></html>";
    let text = |status, server: &str, body: &str| {
        http(status, &format!("Content-Type: text/plain\r\nServer: {server}\r\n"), body).into_bytes()
    };
    let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"forbidden: User \"system:anonymous\" cannot post path \"/\"","reason":"Forbidden","details":{},"code":403}"#;
    let redirect = |headers: &str| http(302, headers, "<html><body>BODYCANARY").into_bytes();
    check(vec![
        ("nginx", page(502, "nginx/1.25.3", &nginx("502 Bad Gateway")), Reason::ServerFault, Outage, ServiceUnavailable, "HTTP 502 from \"nginx/1.25.3\", text/html, an HTML page: \"502 Bad Gateway\""),
        ("nginx, method", page(405, "nginx", &nginx("405 Not Allowed")), Reason::NotSts, Unclear, Unexpected, "405 Not Allowed"),
        ("load balancer", page(504, "awselb/2.0", &nginx("504 Gateway Time-out")), Reason::ServerFault, Outage, ServiceUnavailable, "awselb"),
        ("apache", page(200, "Apache", "<html><body><h1>It works!</h1></body></html>"), Reason::NotSts, Unclear, Unexpected, "an HTML page: \"It works!\""),
        ("squid", page(403, "squid/5.7", squid), Reason::NotSts, Unclear, Unexpected, "ERROR: The requested URL could not be retrieved"),
        ("proxy login", page(407, "squid/5.7", "<html><title>Cache Access Denied</title>"), Reason::NotSts, Unclear, Unexpected, "a proxy that requires a login"),
        ("portal", page(200, "", login), Reason::NotSts, Unclear, Unexpected, "an HTML page: \"Sign in\""),
        ("portal, 511", page(511, "", "<html><title>Login required</title>"), Reason::NotSts, Unclear, Unexpected, "portal"),
        ("portal, redirect", redirect("Location: https://portal.example.com/login?token=BODYCANARY\r\n"), Reason::NotSts, Unclear, Unexpected, "a redirect: \"https://portal.example.com/login\""),
        ("redirect to nowhere", redirect(""), Reason::NotSts, Unclear, Unexpected, "HTTP 302"),
        ("envoy", text(503, "envoy", "upstream connect error or disconnect/reset before headers. reset reason: connection failure"), Reason::ServerFault, Outage, ServiceUnavailable, "text: \"upstream connect error"),
        ("istio", text(403, "istio-envoy", "RBAC: access denied"), Reason::NotSts, Unclear, Unexpected, "RBAC: access denied"),
        ("too many", text(429, "envoy", "local_rate_limited"), Reason::Throttled, Class::Throttled, Throttled, "local_rate_limited"),
        ("timeout", text(408, "", "Request Timeout"), Reason::NoAnswer, Outage, TimedOut, "Request Timeout"),
        ("python", page(501, "SimpleHTTP/0.6 Python/3.12", "<!DOCTYPE HTML>\n<html lang=\"en\"><head><title>Error response</title></head>"), Reason::NotSts, Unclear, Unexpected, "SimpleHTTP"),
        ("kubernetes", json(403, status), Reason::NotSts, Unclear, Unexpected, "system:anonymous"),
        ("oauth", json(400, r#"{"error":"invalid_request","error_description":"Missing grant_type"}"#), Reason::NotSts, Unclear, Unexpected, "Missing grant_type"),
        ("spring", json(404, r#"{"timestamp":"2030-01-01","status":404,"error":"Not Found","path":"/"}"#), Reason::NotSts, Unclear, Unexpected, "JSON: \"Not Found\""),
        ("vault, error", json(403, r#"{"errors":["permission denied"]}"#), Reason::NotSts, Unclear, Unexpected, "permission denied"),
        ("s3", http(200, "", "<?xml version=\"1.0\"?>\n<ListAllMyBucketsResult><Owner>BODYCANARY</Owner></ListAllMyBucketsResult>") .into(), Reason::NotSts, Unclear, Unexpected, "unknown XML: \"ListAllMyBucketsResult\""),
        ("nothing", http(200, "", "\r\n ").into(), Reason::NotSts, Unclear, Unexpected, "an empty body"),
    ])
    .await;
}

/// Vault: its secrets engine for AWS. The container endpoint of AWS: EKS Pod Identity and ECS.
#[tokio::test]
#[rustfmt::skip]
async fn p9_bodies_with_credentials_are_not_quoted() {
    let vault = r#"{"request_id":"1","lease_id":"aws/sts/app/1","data":{"access_key":"ASIABODYCANARY","secret_key":"vault-secret","security_token":"hvs.CAESBODYCANARY"}}"#;
    let container = format!(
        r#"{{"AccessKeyId":"ASIABODYCANARY","SecretAccessKey":"{SECRET}","Token":"{SESSION}","Expiration":"2030-01-01T01:00:00Z"}}"#
    );
    let as_json =
        format!(r#"{{"AssumeRoleWithWebIdentityResponse":{{"AssumeRoleWithWebIdentityResult":{container}}}}}"#);
    let ini = "aws_access_key_id = ASIABODYCANARY\naws_secret_access_key = vault-secret\n";
    let of = |status, body: &str| http(status, "", body).into_bytes();
    let mut rows = Vec::new();
    for status in [200, 403] {
        let foreign = |name, body: &str, seen| (name, of(status, body), Reason::NotSts, Unclear, Unexpected, seen);
        rows.extend([
            foreign("vault", vault, "no content type, JSON"),
            foreign("vault, cut", &vault[..vault.len() - 2], "no content type, JSON"),
            foreign("vault in a list", &format!("[{vault}]"), "no content type, JSON"),
            foreign("container", &container, "no content type, JSON"),
            foreign("sts in json", &as_json, "no content type, JSON"),
            foreign("xml", &success().replace("AssumeRole", "GetRole"), "unknown XML: \"GetRoleWithWebIdentityResponse\""),
            foreign("xml in text", &format!("BODYCANARY {}", success()).replace("BODYCANARY ", "<p>BODYCANARY</p>"), "unknown XML: \"p\""),
            foreign("html", &format!("<html><body>{vault}</body>"), "an HTML page"),
            foreign("binary", "BODYCANARY\u{1}\0", "binary data"),
        ]);
    }
    let said = r#"{"error":{"code":"AccessDenied","message":"BODYCANARY"}}"#;
    rows.push(("message", of(200, said), Reason::NotSts, Unclear, Unexpected, "no content type, JSON"));
    rows.push(("ini", of(200, ini), Reason::NotSts, Unclear, Unexpected, "no content type, text"));
    rows.push((
        "wrong status",
        of(403, &success()),
        Reason::NotSts,
        Unclear,
        Unexpected,
        "a success document with the status of an error",
    ));
    let utf16: Vec<u8> = format!("\u{feff}{}", success()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut reply =
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", utf16.len()).into_bytes();
    reply.extend(utf16);
    rows.push(("utf-16", reply, Reason::NotSts, Unclear, Unexpected, "binary data"));
    check(rows).await;
}

#[tokio::test]
#[rustfmt::skip]
async fn encoded_answer_is_named_and_not_quoted() {
    let mut rows = Vec::new();
    for (name, header, seen) in [
        ("gzip", "Content-Encoding: gzip\r\n", "encoded (gzip), which the request does not allow"),
        ("brotli", "content-encoding: BR\r\n", "encoded (BR)"),
        ("two", "Content-Encoding: zstd, identity\r\n", "encoded (zstd)"),
        ("two lines", "Content-Encoding: identity\r\nContent-Encoding: deflate\r\n", "Switch compression off"),
        ("odd", "Content-Encoding: x-BODY\r\n", "encoded (x-BODY)"),
    ] {
        rows.push((name, http(200, header, "BODYCANARY").into(), Reason::Encoded, Unclear, Unexpected, seen));
    }
    rows.push((
        "gateway",
        http(502, "Content-Encoding: gzip\r\n", "BODYCANARY").into(),
        Reason::ServerFault,
        Outage,
        ServiceUnavailable,
        "gzip",
    ));
    let mut silent = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n\x1f\x8b\x08\0".to_vec();
    silent.extend(b"BODYCANARY");
    rows.push(("not declared", silent, Reason::Encoded, Unclear, Unexpected, "gzip, not declared"));
    check(rows).await;
    for plain in ["identity", "aws-chunked", "utf-8", ""] {
        exchange(http(200, &format!("Content-Encoding: {plain}\r\n"), &success())).await.ok().unwrap();
    }
}

/// The HTTP client reads the frames. A whole answer may be framed oddly, and a cut one must never pass for a whole one.
#[tokio::test]
async fn odd_frames_are_read_or_an_outage() {
    let body = success();
    let (first, second) = body.split_at(100);
    let length = body.len();
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let chunks = chunk(first) + &chunk(second);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    for (name, reply) in [
        ("interim answers", format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n{whole}")),
        ("HTTP/1.0 without a length", format!("HTTP/1.0 200 OK\r\n\r\n{body}")),
        ("chunks and a trailer", format!("{chunked}\r\n{chunks}0\r\nX: y\r\n\r\n")),
        ("chunks and a wrong length", format!("{chunked}Content-Length: 10\r\n\r\n{chunks}0\r\n\r\n")),
        ("large header", whole.replacen("\r\n", &format!("\r\nX: {}\r\n", "x".repeat(200_000)), 1)),
        ("second answer", whole.clone() + &whole.replace("ASIAEXAMPLE", "ASIASECOND")),
    ] {
        let grant = exchange(reply).await.unwrap_or_else(|failure| panic!("{name}: {}", failure.message));
        assert_eq!(grant.credentials.access_key_id(), "ASIAEXAMPLE", "{name}");
    }
    let cut = Reason::Broken;
    let none = Reason::NoConnection(NoConnection::Unreachable);
    for (name, reply, reason) in [
        ("cut", whole[..whole.len() - 1].to_owned(), cut),
        ("white space is missing", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", length + 5), cut),
        ("last chunk is missing", format!("{chunked}\r\n{chunks}"), cut),
        ("chunk of impossible size", format!("{chunked}\r\nffffffffffffffffff\r\n{body}"), cut),
        ("endless trailer", format!("{chunked}\r\n{chunks}0\r\nX: {}", "x".repeat(2_000_000)), cut),
        ("endless header", format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(2_000_000)), none),
        ("two lengths", whole.replacen("\r\n", "\r\nContent-Length: 10\r\n", 1), none),
        ("impossible length", whole.replacen(&length.to_string(), "18446744073709551615", 1), none),
        ("impossible status", whole.replacen("200", "000", 1), none),
    ] {
        let failure = exchange(reply).await.err().unwrap_or_else(|| panic!("{name}: a grant"));
        assert_eq!((failure.reason, failure.reason.class()), (reason, Outage), "{name}: {}", failure.message);
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn xml_is_read_as_xml() {
    let (half, rest) = SECRET.split_at(20);
    let prefixed =
        success().replace("xmlns=", "xmlns:s=").replace("</", "\u{1}").replace('<', "<s:").replace('\u{1}', "</s:");
    for (name, body) in [
        ("prolog", format!("\u{feff}\r\n <?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- <Error> --><?x y?>\n{}", success())),
        ("end", format!("{}<!-- bye --><?x y?>\n", success())),
        ("cdata", success() .replace(SECRET, &format!("<![CDATA[{SECRET}]]>")) .replace(SESSION, &format!("\n<![CDATA[{SESSION}]]>\n"))),
        ("pieces", success().replace(SECRET, &format!("{half}<![CDATA[{}]]>{}", &rest[..4], &rest[4..]))),
        ("comments", success().replace(SECRET, &format!("{half}<!-- -->{}<?x y?>{}", &rest[..4], &rest[4..]))),
        ("references", success().replace(SECRET, &format!("{half}&#x{:x};{}", rest.as_bytes()[0], &rest[1..]))),
        ("prefixes", prefixed),
        ("attributes", success().replace("<SecretAccessKey>", "<SecretAccessKey a='>' >")),
        ("latin-1", String::new()),
    ] {
        let mut body = body.into_bytes();
        if name == "latin-1" {
            body = success().into_bytes();
            let audience = body.windows(17).position(|part| part == b"sts.amazonaws.com").unwrap();
            body[audience] = 0xe9;
        }
        let mut reply =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()).into_bytes();
        reply.extend(body);
        let grant = exchange(reply).await.unwrap_or_else(|failure| panic!("{name}: {}", failure.message));
        let keys = grant.credentials;
        assert_eq!((keys.secret_access_key(), keys.session_token()), (SECRET, Some(SESSION)), "{name}");
    }
}

#[tokio::test]
#[rustfmt::skip]
async fn malformed_xml_gives_no_credentials() {
    let of = |body: String| http(200, "", &body).into_bytes();
    let bad = |name, body, seen| (name, of(body), Reason::BadGrant, Unclear, Unexpected, seen);
    let (before, _) = success().split_once("</Credentials>").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let deep = format!("{}{}", "<a>".repeat(1_000), "</a>".repeat(1_000));
    let lol = "<!DOCTYPE a [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>";
    check(vec![
        bad("cut", before.clone(), "was cut before its closing tag"),
        bad("cut in a comment", format!("{before}<!-- "), "was cut before its closing tag"),
        bad("crossed", success().replace("</Credentials>", "</Result>"), "not well-formed"),
        bad("two roots", format!("{}{}", success(), success()), "not well-formed"),
        bad("doctype", format!("{lol}{}", success()), "a DOCTYPE"),
        bad("unknown entity", success().replace(SECRET, "&key;"), "not well-formed"),
        bad("deep", success().replace("<Audience>", &format!("{deep}<Audience>")), "too many elements"),
        bad("element in a key", success().replace(SECRET, "half<b/>"), "no secret access key"),
        bad("a byte of no text", success().replace(SECRET, "half\u{fffd}"), "no secret access key"),
        bad("another result", success() .replace("<AssumeRoleWithWebIdentityResult>", "<AssumeRoleResult>") .replace("</AssumeRoleWithWebIdentityResult>", "</AssumeRoleResult>"), "no Credentials element"),
        ("cut error", of("<ErrorResponse><Error><Code>Access".to_owned()), Reason::Broken, Outage, ServiceUnavailable, "its closing tag is missing"),
        ("crossed error", of("<ErrorResponse><Error><Code>AccessDenied</Error></ErrorResponse>".to_owned()), Reason::NotSts, Unclear, Unexpected, "XML that is not well-formed"),
        ("error of another kind", of("<Error><Reason>BODYCANARY</Reason></Error>".to_owned()), Reason::NotSts, Unclear, Unexpected, "XML without credentials or an error code"),
        ("foreign and cut", of("<Other><Error>".to_owned()), Reason::NotSts, Unclear, Unexpected, "unknown XML: \"Other\""),
    ])
    .await;
}

#[tokio::test]
#[rustfmt::skip]
async fn expiration_is_read_or_shown() {
    let expiring = |text: &str| http(200, DATE, &success().replace("2030-01-01T01:00:00Z", text)).into_bytes();
    let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(NOW * 1000 + 3_600_000 + millis);
    for (text, millis) in [
        ("2030-01-01T01:00:00Z", 0),
        ("2030-01-01T01:00:00.500Z", 500),
        (" 2030-01-01T03:00:00+02:00 ", 0),
        ("2030-01-01T03:00:00+0200", 0),
        ("2030-01-01T01:00:00", 0),
        ("2030-01-01T01:00:00.5", 500),
        ("1893459600", 0),
        ("1893459600.5", 500),
        ("1.8934596E9", 0),
    ] {
        let grant = exchange(expiring(text)).await.unwrap_or_else(|failure| panic!("{text}: {}", failure.message));
        assert_eq!(grant.expiration, at(millis), "{text}");
    }
    let bad = |text, seen| (text, expiring(text), Reason::BadGrant, Unclear, Unexpected, seen);
    check(vec![
        bad("tomorrow", "has the expiration \"tomorrow\""),
        bad("1970-01-01T01:00:00Z", "has the expiration \"1970-01-01T01:00:00Z\""),
        bad("1893459600000", "1893459600000"),
        bad("NaN", "NaN"),
        bad("inf", "inf"),
        bad("-1", "-1"),
        bad("é", "has the expiration"),
        bad("", "has the expiration"),
        bad("Tue Jan 01 01:00:00 UTC 2030", "Tue Jan 01 01:00:00 UTC 2030"),
        bad(SECRET, "has the expiration a text of 40 bytes"),
        bad("wJalrXUtn/K7mDeNg2/bPxRfiCY33/ExAmPlEK4Y", "has the expiration \"[redacted]\""),
        bad(SESSION, "has the expiration a text of 30 bytes"),
    ])
    .await;
}
