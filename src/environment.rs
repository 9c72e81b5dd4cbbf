//! The environment variables: their names, and what an absent one means. No other file reads them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::BuildError;
use crate::scrub::printable;

/// Declares a constant for each variable, and a list of all of them.
macro_rules! variables {
    ($($constant:ident = $name:literal;)*) => {
        $(const $constant: &str = $name;)*
        const ALL: &[&str] = &[$($constant),*];
    };
}

variables! {
    ROLE_ARN = "AWS_ROLE_ARN";
    TOKEN_FILE = "AWS_WEB_IDENTITY_TOKEN_FILE";
    POD_IDENTITY = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    ACCESS_KEY = "AWS_ACCESS_KEY_ID";
    SESSION_NAME = "AWS_ROLE_SESSION_NAME";
    POD_NAME = "HOSTNAME";
    REGION = "AWS_REGION";
    DEFAULT_REGION = "AWS_DEFAULT_REGION";
    STS_ENDPOINT = "AWS_ENDPOINT_URL_STS";
    ENDPOINT = "AWS_ENDPOINT_URL";
    IGNORE_ENDPOINTS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    USE_FIPS = "AWS_USE_FIPS_ENDPOINT";
    USE_DUAL_STACK = "AWS_USE_DUALSTACK_ENDPOINT";
    IN_POD = "KUBERNETES_SERVICE_HOST";
    PROFILE = "AWS_PROFILE";
    CONFIG_FILE = "AWS_CONFIG_FILE";
}

const PROXIES: [&str; 4] = ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];

/// The variables at one moment.
///
/// An empty variable counts as absent, because manifests, templates and shells can often blank a variable but not
/// remove it. A variable is checked only when somebody asks for it, so that an unused variable causes no error.
pub(crate) struct Environment(HashMap<&'static str, OsString>);

/// A value, and the variable or method that gave it. Errors name both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Given<T> {
    pub(crate) by: Cow<'static, str>,
    pub(crate) value: T,
}

impl<T> Given<T> {
    /// A value that was given to a method of a builder.
    pub(crate) fn to(builder: &str, method: &str, value: T) -> Self {
        Self { by: format!("{builder}::{method}").into(), value }
    }
}

impl Environment {
    pub(crate) fn real() -> Self {
        Self::from_fn(|name| env::var_os(name))
    }

    pub(crate) fn from_fn(read: impl Fn(&str) -> Option<OsString>) -> Self {
        let present = |name| read(name).filter(|value| !value.is_empty()).map(|value| (name, value));
        Self(ALL.iter().copied().chain(PROXIES).filter_map(present).collect())
    }

    pub(crate) fn role_arn(&self) -> Result<Option<Given<String>>, BuildError> {
        self.text(ROLE_ARN)
    }

    /// Not converted to text: a path need not be UTF-8.
    pub(crate) fn token_file(&self) -> Option<Given<PathBuf>> {
        self.0.get(TOKEN_FILE).map(|path| Given { by: TOKEN_FILE.into(), value: path.into() })
    }

    pub(crate) fn session_name(&self) -> Result<Option<Given<String>>, BuildError> {
        self.text(SESSION_NAME)
    }

    /// Kubernetes sets `HOSTNAME` to the name of the pod. The name is only a hint, so a bad one is no error.
    pub(crate) fn pod_name(&self) -> Option<String> {
        self.0.get(POD_NAME).map(|name| name.to_string_lossy().into_owned())
    }

    /// The order is that of the SDK.
    pub(crate) fn region(&self) -> Result<Option<Given<String>>, BuildError> {
        self.first_text([REGION, DEFAULT_REGION])
    }

    /// The order is that of the SDK.
    pub(crate) fn sts_endpoint_url(&self) -> Result<Option<Given<String>>, BuildError> {
        if self.flag(IGNORE_ENDPOINTS)? { Ok(None) } else { self.first_text([STS_ENDPOINT, ENDPOINT]) }
    }

    /// True if `url` comes from a variable although `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is set. The SDK's config
    /// loader keeps such a URL if the program has set the loader's own `endpoint_url`.
    pub(crate) fn is_ignored_endpoint(&self, url: &str) -> Result<bool, BuildError> {
        let is_ours = [STS_ENDPOINT, ENDPOINT].iter().any(|name| self.0.get(name).is_some_and(|value| value == url));
        Ok(is_ours && self.flag(IGNORE_ENDPOINTS)?)
    }

    pub(crate) fn use_fips(&self) -> Result<bool, BuildError> {
        self.flag(USE_FIPS)
    }

    pub(crate) fn use_dual_stack(&self) -> Result<bool, BuildError> {
        self.flag(USE_DUAL_STACK)
    }

    /// The kubelet sets the variable in every container.
    pub(crate) fn is_pod(&self) -> bool {
        self.0.contains_key(IN_POD)
    }

    /// The variable that names a profile or its file. Neither is read here.
    pub(crate) fn profile(&self) -> Option<&'static str> {
        [PROFILE, CONFIG_FILE].into_iter().find(|name| self.0.contains_key(name))
    }

    /// In a pod the variable belongs to EKS Pod Identity. ECS and others use it, too.
    pub(crate) fn has_pod_identity(&self) -> bool {
        self.0.contains_key(POD_IDENTITY)
    }

    pub(crate) fn has_web_identity(&self) -> bool {
        self.0.contains_key(ROLE_ARN) || self.0.contains_key(TOKEN_FILE)
    }

    /// The SDK's default chain takes this key before anything else.
    pub(crate) fn has_access_key(&self) -> bool {
        self.0.contains_key(ACCESS_KEY)
    }

    /// The variable that sends plain http through a proxy.
    pub(crate) fn proxy_of_plain_http(&self) -> Option<&'static str> {
        PROXIES.into_iter().find(|name| self.0.contains_key(name))
    }

    fn first_text(&self, names: [&'static str; 2]) -> Result<Option<Given<String>>, BuildError> {
        names.into_iter().find(|name| self.0.contains_key(name)).map_or(Ok(None), |name| self.text(name))
    }

    fn text(&self, name: &'static str) -> Result<Option<Given<String>>, BuildError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        match value.to_str() {
            Some(text) => Ok(Some(Given { by: name.into(), value: text.to_owned() })),
            // The value is not shown: it may be a misplaced token.
            None => {
                Err(BuildError::invalid(format!("{name} is not UTF-8"), "write it again as plain text")
                    .with_setting(name))
            }
        }
    }

    /// The SDK warns of a value that is neither true nor false, and ignores it. Here it is an error: a typing error
    /// must not turn FIPS off.
    fn flag(&self, name: &'static str) -> Result<bool, BuildError> {
        match self.text(name)? {
            None => Ok(false),
            Some(given) if given.value.eq_ignore_ascii_case("true") => Ok(true),
            Some(given) if given.value.eq_ignore_ascii_case("false") => Ok(false),
            Some(given) => Err(BuildError::invalid(
                format!("{name} is {:?}", printable(&given.value, "", 40)),
                "set it to true or false, or remove it",
            )
            .with_setting(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<const N: usize>(variables: [(&str, &str); N]) -> Environment {
        Environment::from_fn(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        })
    }

    fn text(given: Result<Option<Given<String>>, BuildError>) -> Option<(&'static str, String)> {
        given.unwrap().map(|given| match given.by {
            Cow::Borrowed(variable) => (variable, given.value),
            Cow::Owned(other) => panic!("{other} is no variable"),
        })
    }

    #[test]
    fn empty_variable_counts_as_absent() {
        let env = of([("AWS_ROLE_ARN", ""), ("AWS_REGION", ""), ("AWS_DEFAULT_REGION", "eu-north-1"), (USE_FIPS, "")]);

        assert_eq!(text(env.role_arn()), None);
        assert_eq!(text(env.region()), Some(("AWS_DEFAULT_REGION", "eu-north-1".into())));
        assert!(!env.use_fips().unwrap());
        assert!(env.token_file().is_none());
        assert!(!env.is_pod());
    }

    #[test]
    fn more_specific_variable_wins() {
        let env = of([
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "eu-west-2"),
            ("AWS_ENDPOINT_URL", "https://all.example"),
            ("AWS_ENDPOINT_URL_STS", "https://sts.example"),
        ]);

        assert_eq!(text(env.region()), Some(("AWS_REGION", "eu-west-1".into())));
        assert_eq!(text(env.sts_endpoint_url()), Some(("AWS_ENDPOINT_URL_STS", "https://sts.example".into())));
        assert_eq!(
            text(of([("AWS_ENDPOINT_URL", "https://all.example")]).sts_endpoint_url()),
            Some(("AWS_ENDPOINT_URL", "https://all.example".into()))
        );
    }

    #[test]
    fn configured_endpoints_are_ignored_on_request() {
        let env =
            of([("AWS_ENDPOINT_URL_STS", "https://sts.example"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE")]);

        assert_eq!(text(env.sts_endpoint_url()), None);
        assert!(env.is_ignored_endpoint("https://sts.example").unwrap());
        assert!(!env.is_ignored_endpoint("https://elsewhere.example").unwrap());
    }

    #[test]
    fn flag_is_true_false_or_an_error() {
        for (value, expected) in [("true", true), ("True", true), ("false", false), ("FALSE", false)] {
            assert_eq!(of([(USE_FIPS, value)]).use_fips().unwrap(), expected, "{value}");
            assert_eq!(of([(USE_DUAL_STACK, value)]).use_dual_stack().unwrap(), expected, "{value}");
        }
        assert_eq!(
            of([(USE_FIPS, "1")]).use_fips().unwrap_err().to_string(),
            r#"AWS_USE_FIPS_ENDPOINT is "1": set it to true or false, or remove it"#
        );
        let token = of([(USE_FIPS, "eyJhbGciOiJSUzI1NiJ9.eyJjYW5hcnkiOjF9.canary-canary-canary")]);
        assert!(token.use_fips().unwrap_err().to_string().contains("[redacted].[redacted]"), "p9");
    }

    #[test]
    fn web_identity_and_pod_identity_are_told_apart() {
        let pod_identity = (POD_IDENTITY, "http://169.254.170.23/v1/credentials");

        assert!(of([pod_identity]).has_pod_identity() && !of([pod_identity]).has_web_identity());
        assert!(of([(ROLE_ARN, "x")]).has_web_identity() && of([(TOKEN_FILE, "x")]).has_web_identity());
        assert!(of([(ACCESS_KEY, "x")]).has_access_key() && !of([pod_identity]).has_access_key());
    }

    #[cfg(unix)]
    #[test]
    fn only_a_path_may_be_other_than_utf8() {
        use std::os::unix::ffi::OsStringExt;

        let env = Environment::from_fn(|_| Some(OsString::from_vec(b"/run/\xff".to_vec())));

        assert_eq!(env.role_arn().unwrap_err().to_string(), "AWS_ROLE_ARN is not UTF-8: write it again as plain text");
        assert!(env.region().unwrap_err().to_string().starts_with("AWS_REGION is "));
        assert_eq!(env.token_file().unwrap().value, PathBuf::from(OsString::from_vec(b"/run/\xff".to_vec())));
        assert_eq!(env.pod_name().unwrap(), "/run/\u{fffd}");
    }
}
