//! The scenarios. Each uses the kit's issuer, volume and STS, and has one fault.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::time::{Duration, SystemTime};

use aws_web_identity::test_util::{Fault, MockSts, OidcIssuer, TrustedRole};

use super::pod::{Pod, Scenario};
use super::servers;
use crate::support::fault_list;
use crate::support::{ClosedPort, ROLE, Rig, spec};

macro_rules! scenarios {
    ($($name:ident),+ $(,)?) => {
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),+];

        pub(super) async fn all() -> Vec<Scenario> {
            vec![$($name().await.named(stringify!($name))),+]
        }
    };
}

scenarios![
    eks_clock_hours_behind,
    eks_fips_where_there_is_none,
    eks_keys_in_the_environment,
    eks_no_region,
    eks_no_role,
    eks_pod_identity_alone,
    eks_proxy_lets_nobody_out,
    eks_role_does_not_exist,
    eks_tls_opened_by_a_proxy,
    eks_token_of_the_api_server,
    eks_throttled,
    eks_trust_policy_names_another_account,
    eks_webhook_did_not_inject,
    eks_wrong_region,
    own_audience_not_listed,
    own_certificate_of_another_host,
    own_endpoint_is_an_object_store,
    own_endpoint_of_a_private_ca,
    own_endpoint_with_tls,
    own_endpoint_without_tls,
    own_issuer_not_registered,
    own_issuer_only_in_the_cluster,
    own_issuer_unreachable,
    own_nobody_listens,
    own_proxy_page_answers,
    own_signing_key_not_published,
    own_sts_through_a_plain_proxy,
    own_token_early,
    own_token_for_root_alone,
    own_token_in_a_subpath_mount,
    own_volume_missing,
    own_wrong_file_name,
    laptop_home_directory_not_expanded,
    laptop_nothing_set,
    laptop_role_of_the_saml_pair,
    laptop_token_as_json,
    laptop_token_copied_yesterday,
];

// On EKS.

async fn eks_clock_hours_behind() -> Scenario {
    let rig = Rig::start().await;
    let two_hours = Duration::from_secs(7200);
    rig.sts.set_clock_offset(7200);
    rig.rotate(spec().issued_at(SystemTime::now() + two_hours));
    let statement = "On EKS. The node's clock is two hours behind; the token and STS have the right time.";
    Scenario::new(statement, Pod::of(rig)).whoami(&["we are"]).doctor(&["fail     clock", "behind", "NTP"])
}

async fn eks_fips_where_there_is_none() -> Scenario {
    let pod = Pod::of(Rig::start().await).without("AWS_ENDPOINT_URL_STS").with("AWS_USE_FIPS_ENDPOINT", "true");
    let statement = "On EKS in eu-central-1. FIPS endpoints are asked for, and STS has none there.";
    Scenario::new(statement, pod.without_names())
        .whoami(&["sts-fips.eu-central-1.amazonaws.com", "AWS_USE_FIPS_ENDPOINT=false"])
        .doctor(&["sts-fips.eu-central-1.amazonaws.com", "AWS_USE_FIPS_ENDPOINT=false"])
}

async fn eks_keys_in_the_environment() -> Scenario {
    let pod = Pod::of(Rig::start().await).with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    let statement = "On EKS. All is well, but keys of a user are in the environment, too, from an old Secret.";
    Scenario::new(statement, pod.with("AWS_SECRET_ACCESS_KEY", "old"))
        .whoami(&["we are"])
        .doctor(&["pass     exchange"])
}

async fn eks_no_region() -> Scenario {
    let pod = Pod::of(Rig::start().await).without("AWS_REGION").without("AWS_ENDPOINT_URL_STS");
    let statement = "On EKS. No region is set, as a chart's own env block may have it.";
    Scenario::new(statement, pod).whoami(&["AWS_REGION"]).doctor(&["not set: AWS_REGION", "set AWS_REGION"])
}

async fn eks_no_role() -> Scenario {
    let node = servers::node().await;
    let pod = Pod::of(Rig::start().await).without("AWS_ROLE_ARN").with("KUBERNETES_SERVICE_HOST", "10.0.0.1");
    let pod = pod.with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &node).called(&node, "{node}");
    let statement = "On EKS. The manifest mounts the token and sets its path, but AWS_ROLE_ARN is forgotten. The node has a \
                     role of its own.";
    Scenario::new(statement, pod).whoami(&["AWS_ROLE_ARN"]).doctor(&["not set: AWS_ROLE_ARN", "set AWS_ROLE_ARN"])
}

async fn eks_pod_identity_alone() -> Scenario {
    let rig = Rig::start().await;
    let (agent, token) = (servers::agent().await, rig.volume.token_path());
    let pod = Pod::of(rig).without("AWS_ROLE_ARN").without("AWS_WEB_IDENTITY_TOKEN_FILE");
    let pod = pod
        .with("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{agent}/v1/credentials"))
        .with("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap())
        .with("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .called(&agent, "{agent}");
    let statement = "On EKS. The service account has an EKS Pod Identity association, and no role for web identity.";
    Scenario::new(statement, pod)
        .whoami(&["EKS Pod Identity", "BackgroundCredentialsProvider"])
        .doctor(&["EKS Pod Identity", "BackgroundCredentialsProvider"])
}

async fn eks_proxy_lets_nobody_out() -> Scenario {
    let proxy = servers::refusing_proxy().await;
    let pod = Pod::of(Rig::start().await).without("AWS_ENDPOINT_URL_STS").with("HTTPS_PROXY", &proxy);
    let statement = "On EKS. HTTPS_PROXY names a proxy that lets nobody through to STS.";
    Scenario::new(statement, pod.called(&proxy, "{proxy}"))
        .whoami(&["the proxy in HTTPS_PROXY refuses", "NO_PROXY"])
        .doctor(&["the proxy in HTTPS_PROXY refuses", "NO_PROXY"])
}

async fn eks_role_does_not_exist() -> Scenario {
    let pod = Pod::of(Rig::start().await).with("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/teams/chekcout");
    let statement = "On EKS. The annotation misspells the role: chekcout for checkout.";
    Scenario::new(statement, pod).whoami(&["AccessDenied", "role/teams/chekcout exists"]).doctor(&[
        "fail     exchange",
        "AccessDenied",
        "role/teams/chekcout exists",
    ])
}

async fn eks_tls_opened_by_a_proxy() -> Scenario {
    let proxy = servers::opening_proxy().await;
    let pod = Pod::of(Rig::start().await).without("AWS_ENDPOINT_URL_STS").with("HTTPS_PROXY", &proxy);
    let statement = "On EKS. HTTPS_PROXY names a proxy that intercepts TLS; the image does not have the proxy's CA.";
    Scenario::new(statement, pod.called(&proxy, "{proxy}"))
        .whoami(&["UnknownIssuer", "a proxy intercepts TLS", "SSL_CERT_FILE"])
        .doctor(&["fail     endpoint", "UnknownIssuer", "SSL_CERT_FILE"])
}

async fn eks_token_of_the_api_server() -> Scenario {
    let rig = Rig::start().await;
    rig.rotate(spec().audience("https://kubernetes.default.svc"));
    let statement = "On EKS. AWS_WEB_IDENTITY_TOKEN_FILE names the token that each pod has for the API server.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["is for the API server", "https://kubernetes.default.svc", "Project a serviceAccountToken"])
        .doctor(&["is for the API server", "https://kubernetes.default.svc", "project a serviceAccountToken"])
}

async fn eks_trust_policy_names_another_account() -> Scenario {
    let rig = Rig::start().await;
    rig.sts.set_role(TrustedRole::new(ROLE).subject("system:serviceaccount:shop:checkout"));
    rig.rotate(spec().subject("system:serviceaccount:shop:default"));
    let statement = "On EKS. The trust policy names the service account checkout; the pod runs as default.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&[
            "AccessDenied",
            "system:serviceaccount:shop:default",
            "run the pod under a service account that the policy names",
        ])
        .doctor(&[
            "AccessDenied",
            "system:serviceaccount:shop:default",
            "run the pod under a service account that the policy names",
        ])
}

async fn eks_throttled() -> Scenario {
    let rig = Rig::start().await;
    rig.sts.set_fault(Fault::Throttled);
    let statement = "On EKS. Thousands of pods start at once, and STS throttles the account.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["Rate exceeded", "limits the calls of account 123456789012", "start fewer pods at once"])
        .doctor(&["Rate exceeded", "limits the calls of account 123456789012", "start fewer pods at once"])
}

async fn eks_webhook_did_not_inject() -> Scenario {
    let node = servers::node().await;
    let pod = Pod::of(Rig::start().await).without("AWS_ROLE_ARN").without("AWS_WEB_IDENTITY_TOKEN_FILE");
    let pod = pod
        .with("KUBERNETES_SERVICE_HOST", "10.0.0.1")
        .with("AWS_EC2_METADATA_SERVICE_ENDPOINT", &node)
        .called(&node, "{node}");
    let statement = "On EKS. The service account was annotated after the pod had started, so the webhook added nothing. \
                     The node has a role of its own.";
    Scenario::new(statement, pod)
        .whoami(&["neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE", "eks.amazonaws.com/role-arn"])
        .doctor(&["not set: AWS_ROLE_ARN", "eks.amazonaws.com/role-arn", "recreate the pod"])
}

async fn eks_wrong_region() -> Scenario {
    let pod = Pod::of(Rig::start().await).without("AWS_ENDPOINT_URL_STS").with("AWS_REGION", "eu-centrall-1");
    Scenario::new("On EKS. The region is misspelled: eu-centrall-1.", pod.without_names())
        .whoami(&["sts.eu-centrall-1.amazonaws.com is not found", "Check AWS_REGION (eu-centrall-1)"])
        .doctor(&["sts.eu-centrall-1.amazonaws.com is not found", "Check AWS_REGION (eu-centrall-1)"])
}

// On a cluster of one's own.

async fn own_audience_not_listed() -> Scenario {
    let rig = Rig::start().await;
    rig.rotate(spec().audience("vault"));
    let statement =
        "On a cluster of one's own. The volume's audience is vault; IAM's provider lists sts.amazonaws.com.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["(vault) as a client ID", "correct it in `audience` of the volume's serviceAccountToken"])
        .doctor(&["(vault) as a client ID", "correct it in `audience` of the volume's serviceAccountToken"])
}

async fn own_certificate_of_another_host() -> Scenario {
    let (sts, certificate) = servers::tls("sts.storage.svc").await;
    let sts = sts.replace("127.0.0.1", "localhost");
    let directory = tempfile::tempdir().unwrap();
    let authorities = directory.path().join("ca.pem");
    fs::write(&authorities, certificate).unwrap();
    let pod = Pod::of(Rig::start().await).with("AWS_ENDPOINT_URL_STS", &sts).called(&sts, "{sts}");
    let pod = pod.with("SSL_CERT_FILE", authorities.to_str().unwrap());
    let pod = pod.called(directory.path().to_str().unwrap(), "{config}").keeping(directory);
    let statement =
        "On a cluster of one's own. STS is asked by another name than its certificate has: sts.storage.svc.";
    Scenario::new(statement, pod)
        .whoami(&["only valid for DnsName(\"sts.storage.svc\")", "Check the host name in AWS_ENDPOINT_URL_STS"])
        .doctor(&["only valid for DnsName(\"sts.storage.svc\")", "Check the host name in AWS_ENDPOINT_URL_STS"])
}

async fn own_endpoint_is_an_object_store() -> Scenario {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>MethodNotAllowed</Code><Message>The specified \
                method is not allowed against this resource.</Message><Resource>/</Resource></Error>";
    let store = servers::answers(405, "application/xml", body).await;
    let pod = Pod::of(Rig::start().await).with("AWS_ENDPOINT_URL_STS", &store).called(&store, "{store}");
    Scenario::new("On a cluster of one's own. The endpoint of STS is that of the object store, which has no STS.", pod)
        .whoami(&["MethodNotAllowed", "AWS_ENDPOINT_URL_STS"])
        .doctor(&["MethodNotAllowed", "AWS_ENDPOINT_URL_STS"])
}

async fn own_endpoint_of_a_private_ca() -> Scenario {
    let (sts, _) = servers::tls("localhost").await;
    let sts = sts.replace("127.0.0.1", "localhost");
    let pod = Pod::of(Rig::start().await).with("AWS_ENDPOINT_URL_STS", &sts).called(&sts, "{sts}");
    Scenario::new(
        "On a cluster of one's own. The certificate of STS is of a private CA that the image does not have.",
        pod,
    )
    .whoami(&["UnknownIssuer", "private CA", "SSL_CERT_FILE"])
    .doctor(&["UnknownIssuer", "private CA", "SSL_CERT_FILE"])
}

async fn own_endpoint_with_tls() -> Scenario {
    let (sts, _) = servers::tls("localhost").await;
    let url = sts.replace("https:", "http:");
    let pod = Pod::of(Rig::start().await).with("AWS_ENDPOINT_URL_STS", &url).called(&url, "{sts}");
    Scenario::new("On a cluster of one's own. The endpoint's URL begins with http, and the port speaks TLS.", pod)
        .whoami(&["speaks TLS, but the URL begins with http", "the same URL with https"])
        .doctor(&["speaks TLS, but the URL begins with http", "the same URL with https"])
}

async fn own_endpoint_without_tls() -> Scenario {
    let rig = Rig::start().await;
    let url = rig.sts.endpoint_url().replace("http:", "https:");
    let pod = Pod::of(rig).with("AWS_ENDPOINT_URL_STS", url);
    Scenario::new(
        "On a cluster of one's own. The endpoint's URL begins with https, and the port speaks plain http.",
        pod,
    )
    .whoami(&["the server at https://{sts} does not speak TLS", "a URL with http"])
    .doctor(&["the server at https://{sts} does not speak TLS", "a URL with http"])
}

async fn own_issuer_not_registered() -> Scenario {
    let issuer = OidcIssuer::start().await;
    let rig = Rig::from_parts(&issuer, MockSts::builder().role(TrustedRole::new(ROLE)).start().await);
    let statement = "On a cluster of one's own. The account has no OIDC provider for the cluster's issuer.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["No OpenIDConnect provider found", "create an IAM OIDC provider for http://{issuer}"])
        .doctor(&["No OpenIDConnect provider found", "create an IAM OIDC provider for http://{issuer}"])
}

async fn own_issuer_only_in_the_cluster() -> Scenario {
    let rig = Rig::start().await;
    rig.rotate(spec().issuer("https://kubernetes.default.svc.cluster.local"));
    let statement = "On a cluster of one's own. The API server runs with kubeadm's default issuer, which only the cluster \
                     can reach.";
    Scenario::new(statement, Pod::of(rig).without_names())
        .whoami(&["cannot trust the issuer https://kubernetes.default.svc.cluster.local", "--service-account-issuer"])
        .doctor(&["https://kubernetes.default.svc.cluster.local cannot be reached", "--service-account-issuer"])
}

async fn own_issuer_unreachable() -> Scenario {
    let rig = Rig::start().await;
    rig.issuer.set_available(false);
    let statement =
        "On a cluster of one's own. The issuer's pages are behind a firewall, or down: STS cannot read its keys.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["Couldn't retrieve verification key", "/.well-known/openid-configuration"])
        .doctor(&["fail     issuer", "answers 503", "Couldn't retrieve verification key"])
}

async fn own_nobody_listens() -> Scenario {
    let closed = ClosedPort::new();
    let pod = Pod::of(Rig::start().await).with("AWS_ENDPOINT_URL_STS", &closed.url).called(&closed.url, "{closed}");
    Scenario::new("On a cluster of one's own. Nothing listens at the port of the endpoint.", pod.keeping(closed))
        .whoami(&["nothing accepts connections at http://{closed}", "Check the host and the port"])
        .doctor(&["nothing accepts connections at http://{closed}", "Check the host and the port"])
}

async fn own_proxy_page_answers() -> Scenario {
    let rig = Rig::start().await;
    rig.sts.set_fault(fault_list::HTML_ERROR);
    let statement = "On a cluster of one's own. A gateway answers in place of STS, with a page of its own.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["an HTML page", "a server that is not STS answers at http://{sts}"])
        .doctor(&["an HTML page", "a server that is not STS answers at http://{sts}"])
}

async fn own_signing_key_not_published() -> Scenario {
    let rig = Rig::start().await;
    rig.issuer.hold_back_keys(true);
    rig.issuer.rotate_key();
    rig.rotate(spec());
    let statement = "On a cluster of one's own. The API server has a new signing key; the copy of its keys that the issuer's \
                     bucket publishes is the old one.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["Couldn't retrieve verification key", "kid {kid}", "not published yet"])
        .doctor(&["fail     signing_key", "but not the token's key", "/openid/v1/jwks"])
}

async fn own_sts_through_a_plain_proxy() -> Scenario {
    let page = "<html><head><title>ERROR: The requested URL could not be retrieved</title></head></html>";
    let proxy = servers::answers(503, "text/html", page).await;
    let pod = Pod::of(Rig::start().await)
        .with("AWS_ENDPOINT_URL_STS", "http://sts.storage.svc:8000")
        .with("HTTP_PROXY", &proxy)
        .called(&proxy, "{proxy}");
    let statement = "On a cluster of one's own. STS is a service in the cluster, by plain http. HTTP_PROXY is set for the \
                     world outside, and NO_PROXY does not name the cluster's services.";
    Scenario::new(statement, pod.without_names())
        .whoami(&["http://sts.storage.svc:8000", "HTTP 503", "HTTP_PROXY", "NO_PROXY must name"])
        .doctor(&["http://sts.storage.svc:8000", "503", "proxy"])
}

async fn own_token_early() -> Scenario {
    let rig = Rig::start().await;
    rig.rotate(spec().issued_at(SystemTime::now() + Duration::from_secs(600)));
    let statement =
        "On a cluster of one's own. The clock of the control plane is ten minutes ahead, and so are its tokens.";
    Scenario::new(statement, Pod::of(rig))
        .whoami(&["Token is not valid yet", "Compare the clocks of http://{issuer}"])
        .doctor(&["fail     token_expiry", "issued", "set the clocks of the control plane"])
}

async fn own_token_for_root_alone() -> Scenario {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let token = directory.path().join("token");
    fs::write(&token, rig.issuer.mint(spec())).unwrap();
    fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let pod = Pod::of(rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()).run_as(65_534);
    let pod = pod.called(directory.path().to_str().unwrap(), "{volume}").keeping(directory);
    Scenario::new(
        "On a cluster of one's own. The token's file is for root alone; the program runs as somebody else.",
        pod,
    )
    .whoami(&["mode 0600", "fsGroup"])
    .doctor(&["Permission denied", "mode 0600", "fsGroup"])
}

async fn own_token_in_a_subpath_mount() -> Scenario {
    let rig = Rig::start().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let spec = spec().issued_at(SystemTime::now() - Duration::from_secs(2 * 86_400));
    fs::write(&path, rig.issuer.mint(spec)).unwrap();
    // What the kubelet's next rotation makes of a subPath mount: a file without a name.
    let file = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let nameless = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
    let pod = Pod::of(rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", &nameless).called(&nameless, "{volume}/token");
    let pod = pod.called(directory.path().to_str().unwrap(), "{node}").keeping(file);
    Scenario::new("On a cluster of one's own. The token is mounted by subPath, and so was never replaced.", pod)
        .whoami(&["expired at", "a subPath mount never changes"])
        .doctor(&["fail     token_file", "mounted by itself, as by subPath", "without subPath"])
}

async fn own_volume_missing() -> Scenario {
    let pod = Pod::of(Rig::start().await).with("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/none/token");
    Scenario::new("On a cluster of one's own. The variables are set, and the volume is not mounted.", pod)
        .whoami(&["/var/run/secrets/none/token", "projected"])
        .doctor(&["/var/run/secrets/none is missing, too", "project a serviceAccountToken"])
}

async fn own_wrong_file_name() -> Scenario {
    let rig = Rig::start().await;
    let path = rig.volume.token_path().with_file_name("tokn");
    let pod = Pod::of(rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap());
    Scenario::new("On a cluster of one's own. The volume is mounted, and the variable names tokn in it for token.", pod)
        .whoami(&["{volume}/tokn"])
        .doctor(&["{volume} has no such file", "serviceAccountToken"])
}

// On a laptop.

async fn laptop_home_directory_not_expanded() -> Scenario {
    let pod = Pod::of(Rig::start().await).with("AWS_WEB_IDENTITY_TOKEN_FILE", "~/token");
    Scenario::new("On a laptop. The path begins with ~, which no shell expanded, since it came from an env file.", pod)
        .whoami(&["~/token", "no shell replaces ~ here"])
        .doctor(&["~/token", "no shell replaces ~ here"])
}

async fn laptop_nothing_set() -> Scenario {
    let pod = Pod::bare().with("AWS_EC2_METADATA_DISABLED", "true");
    Scenario::new("On a laptop. Nothing is set.", pod)
        .whoami(&["neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE"])
        .doctor(&["not set: AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE, AWS_REGION"])
}

async fn laptop_role_of_the_saml_pair() -> Scenario {
    let pair = "arn:aws:iam::123456789012:role/checkout,arn:aws:iam::123456789012:saml-provider/sso";
    let pod = Pod::of(Rig::start().await).with("AWS_ROLE_ARN", pair);
    Scenario::new("On a laptop. The role is copied from a SAML set-up, with the provider behind a comma.", pod)
        .whoami(&["a SAML pair of role and provider", "give only the role"])
        .doctor(&["fail     role", "a SAML pair of role and provider", "give only the role"])
}

async fn laptop_token_as_json() -> Scenario {
    let rig = Rig::start().await;
    let token = format!(r#"{{"kind":"TokenRequest","status":{{"token":"{}"}}}}"#, rig.issuer.mint(spec()));
    let pod = with_token_file(rig, token);
    Scenario::new("On a laptop. The file holds the answer of kubectl create token -o json, not the token in it.", pod)
        .whoami(&["begins with { or [, like JSON", "status.token in a TokenRequest"])
        .doctor(&["begins with { or [, like JSON", "status.token in a TokenRequest"])
}

async fn laptop_token_copied_yesterday() -> Scenario {
    let rig = Rig::start().await;
    let token = rig.issuer.mint(spec().issued_at(SystemTime::now() - Duration::from_secs(86_400)));
    let pod = with_token_file(rig, token);
    Scenario::new("On a laptop. The token was copied from a pod yesterday.", pod).whoami(&["expired at"]).doctor(&[
        "fail     token_expiry",
        "expired",
        "a copied file must be made anew",
    ])
}

/// A laptop with a token file of this content.
fn with_token_file(rig: Rig, content: String) -> Pod {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, content).unwrap();
    let pod = Pod::of(rig).with("AWS_WEB_IDENTITY_TOKEN_FILE", path.to_str().unwrap());
    pod.called(directory.path().to_str().unwrap(), "{laptop}").keeping(directory)
}
