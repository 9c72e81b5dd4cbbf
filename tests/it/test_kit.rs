//! The test kit, through real SDK clients and raw sockets. The other tests rely on it.

mod answers_and_faults;
mod fake_service;
mod issuer;
mod signatures;
mod test_aws;

pub(crate) use fake_service::signed;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Config;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::error::ProvideErrorMetadata;
use aws_sdk_sts::operation::assume_role_with_web_identity::builders::AssumeRoleWithWebIdentityFluentBuilder;
use aws_types::service_config::ServiceConfigKey;
use aws_web_identity::test_util::{Algorithm, Fault, MockSts, OidcIssuer, TokenSpec, TrustedRole};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ROLE: &str = "arn:aws:iam::123456789012:role/teams/checkout";
const SUBJECT: &str = "system:serviceaccount:shop:checkout";

#[tokio::test]
async fn exchange_gives_credentials_that_sign_requests() {
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
    let key = Some(credentials.access_key_id());
    assert_eq!((calls[0].access_key_id.as_deref(), calls[0].signed_with.as_deref()), (key, None));
    assert_eq!((calls[1].access_key_id.as_deref(), calls[1].signed_with.as_deref()), (None, key));
    for call in &calls {
        assert_eq!((call.status, call.code.as_deref(), call.fault), (Some(200), None, None));
    }
}

#[tokio::test]
async fn each_exchange_gives_different_credentials() {
    let kit = Kit::start().await;
    let (first, second) = (kit.credentials().await, kit.credentials().await);
    assert_ne!(first.access_key_id(), second.access_key_id());
    assert_ne!(first.secret_access_key(), second.secret_access_key());
    assert_ne!(first.session_token(), second.session_token());
    // The older credentials stay valid.
    kit.client_with(first).get_caller_identity().send().await.unwrap();
}

#[tokio::test]
async fn bad_token_is_refused_for_its_reason() {
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
async fn key_verifies_its_own_algorithm_only() {
    let kit = Kit::start().await;
    // The header of one token with the rest of another.
    let es256 = kit.issuer.mint(spec());
    let rs256 = kit.issuer.mint(spec().algorithm(Algorithm::Rs256));
    let mixed = format!("{}.{}", es256.split_once('.').unwrap().0, rs256.split_once('.').unwrap().1);
    let error = kit.exchange(&mixed).send().await.unwrap_err();
    assert_eq!(error.message(), Some("The token's signature does not match"));
}

#[tokio::test]
async fn bad_parameter_is_refused_in_awss_words() {
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
async fn sessions_hold_across_regions_and_faults_do_not() {
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
async fn role_arn_without_account_is_accepted() {
    let issuer = OidcIssuer::start().await;
    let role = "arn:aws:iam:::role/app";
    let sts = MockSts::builder().issuer(&issuer).role(TrustedRole::new(role)).start().await;
    let kit = Kit { issuer, sts };
    let answer = kit.exchange(&kit.issuer.mint(spec())).role_arn(role).send().await.unwrap();
    assert_eq!(answer.assumed_role_user().unwrap().arn(), "arn:aws:sts:::assumed-role/app/checkout-0");
}

#[tokio::test]
async fn sdk_config_names_mock_for_sts_only() {
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
async fn server_ends_with_its_last_handle() {
    let kit = Kit::start().await;
    let (address, issuer) = (kit.sts.endpoint_url().to_owned(), kit.issuer.clone());
    let other = kit.sts.clone();
    drop(kit);
    post(&other, "Action=Dance").await;
    drop(other);
    // The server's task ends as soon as the runtime polls it.
    let gone = async {
        while TcpStream::connect(address.trim_start_matches("http://")).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("the server must stop");
    get(issuer.url(), "/openid/v1/jwks").await;
}

#[tokio::test]
async fn p9_kit_prints_no_secret() {
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
        assert!(!printed.contains(canary), "secret in {printed}");
    }
    for useful in [ROLE, SUBJECT, key, kit.issuer.url(), kit.sts.endpoint_url()] {
        assert!(printed.contains(useful), "no {useful} in {printed}");
    }
}

#[test]
#[should_panic(expected = "is not a role's ARN")]
fn role_needs_a_role_arn() {
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

/// Head and body of the raw answer.
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

/// The program on the page of the kit.
mod complete_test {
    include!("../../src/test_util/complete_test.rs");

    #[test]
    fn complete_test_of_the_documentation_passes() {
        main().unwrap();
    }
}
