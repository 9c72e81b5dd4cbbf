//! The front door for a role that is assumed with another's credentials.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::arn::{RoleArn, policy_arns};
use super::parse::{self, Shown, quoted, refused};
use super::standby::is_aws;
use crate::adapters;
use crate::assume_role::AssumeRole;
use crate::environment::Given;
use crate::error::{BuildError, Error};
use crate::provider::{BackgroundCredentialsProvider, Engine, WebIdentityCredentialsProvider};
use crate::refresh::{ExpiredPolicy, ShutdownWhen, Source};
use crate::sts::Session;

/// Builds a [`BackgroundCredentialsProvider`] for a role that is assumed with the credentials of another: role
/// chaining.
///
/// The base's region, endpoint and STS client are used, so that nothing is connected to twice, and unless set here its
/// session name, refresh window, timeouts and policy for expired credentials. Session policies and
/// session length are the base's own. What a setting accepts is the rule of STS's [`AssumeRole`]; a value that breaks
/// it is a [`BuildError`].
///
/// [`AssumeRole`]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#[must_use = "a builder does nothing until build() or connect()"]
pub struct AssumeRoleBuilder {
    base: WebIdentityCredentialsProvider,
    role_arn: String,
    session_name: Option<String>,
    session_length: Option<Duration>,
    external_id: Option<String>,
    policy: Option<String>,
    policy_arns: Vec<String>,
    refresh_window: Option<RangeInclusive<f64>>,
    wait_timeout: Option<Duration>,
    expired_policy: Option<ExpiredPolicy>,
    shutdown_when: ShutdownWhen,
}

impl WebIdentityCredentialsProvider {
    /// Starts a provider for another role, in this account or another, that is assumed with this provider's
    /// credentials.
    ///
    /// It is a handle of this provider like any other, and refreshes in the background as this one does. A role that
    /// trusts the cluster's issuer itself needs no chain: see [`to_builder`](Self::to_builder).
    ///
    /// ```no_run
    /// # async fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
    /// let lake = identity.assume_role("arn:aws:iam::210987654321:role/lake").external_id("orders").connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn assume_role(&self, role_arn: impl Into<String>) -> AssumeRoleBuilder {
        AssumeRoleBuilder {
            base: self.clone(),
            role_arn: role_arn.into(),
            session_name: None,
            session_length: None,
            external_id: None,
            policy: None,
            policy_arns: Vec::new(),
            refresh_window: None,
            wait_timeout: None,
            expired_policy: None,
            shutdown_when: ShutdownWhen::default(),
        }
    }
}

impl AssumeRoleBuilder {
    /// The name of the session, as CloudTrail shows it: 2 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`. Default: the
    /// base's.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session_name = Some(name.into());
        self
    }

    /// How long credentials shall live: whole seconds, 900 (15 min) to 3600. Unset: STS's default, one hour.
    ///
    /// More than [one hour](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining) AWS
    /// gives to no chained session, whatever the role's `MaxSessionDuration` is.
    pub fn session_length(mut self, length: Duration) -> Self {
        self.session_length = Some(length);
        self
    }

    /// What the [owner of the
    /// role](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html) wants to see
    /// in each call: 2 to 1224 characters of `A-Z a-z 0-9 _ + = , . @ : / -`. Unset: none.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// A session policy, in JSON, as [`Builder::policy`](crate::Builder::policy). Unset: what the role allows.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.policy = Some(json.into());
        self
    }

    /// Managed policies that limit the session, as [`Builder::policy_arns`](crate::Builder::policy_arns).
    pub fn policy_arns(mut self, arns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.policy_arns = arns.into_iter().map(Into::into).collect();
        self
    }

    /// When to refresh, as [`Builder::refresh_window`](crate::Builder::refresh_window). Default: the base's.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.refresh_window = Some(window);
        self
    }

    /// How long a caller waits while there are no usable credentials: 1 ms to 12 h. Default: the base's.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.wait_timeout = Some(timeout);
        self
    }

    /// What callers get when the credentials have expired and STS is away. Default: the base's.
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.expired_policy = Some(policy);
        self
    }

    /// Shuts this provider down when the future resolves, as [`Builder::shutdown_when`](crate::Builder::shutdown_when). The
    /// base goes on. Default: never; the base's future is the base's alone.
    pub fn shutdown_when(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown_when = ShutdownWhen::new(future);
        self
    }

    /// A provider without credentials as yet: the first to ask makes it fetch them, after the base's if need be. Needs
    /// no runtime.
    ///
    /// # Errors
    /// [`is_invalid`](BuildError::is_invalid): a value breaks its rule; the text says which and what to do.
    pub fn build(self) -> Result<BackgroundCredentialsProvider, BuildError> {
        let base = self.base.source().config();
        let role_arn = Given { by: "WebIdentityCredentialsProvider::assume_role", value: self.role_arn };
        let at_aws = base.sts.home.endpoint_url.is_none();
        let role = RoleArn::parse(&role_arn, is_aws(base.sts.home.endpoint_url.as_deref()))?;
        if at_aws {
            let region = Given { by: "the base's region", value: base.sts.home.region.to_string() };
            role.check_region(role_arn.by, &region)?;
        }
        let name = match self.session_name {
            Some(value) => parse::session_name(Given { by: "AssumeRoleBuilder::session_name", value })?,
            None => base.session.name.clone(),
        };
        let session = Session {
            role_arn: role.into_string(),
            name,
            length: self.session_length.map(session_length).transpose()?,
            policy: self
                .policy
                .map(|value| parse::policy(Given { by: "AssumeRoleBuilder::policy", value }))
                .transpose()?,
            policy_arns: policy_arns(Given { by: "AssumeRoleBuilder::policy_arns", value: self.policy_arns })?,
        };
        let external_id = self.external_id.map(external_id).transpose()?;

        let Engine { mut policy, time_source, runtime, .. } = self.base.engine().clone();
        if let Some(value) = self.refresh_window {
            let by = "AssumeRoleBuilder::refresh_window";
            policy.refresh_window = parse::refresh_window(Given { by, value })?;
        }
        if let Some(value) = self.wait_timeout {
            let by = "AssumeRoleBuilder::wait_timeout";
            policy.wait_timeout = parse::wait_timeout(Given { by, value })?;
        }
        policy.expired = self.expired_policy.unwrap_or(policy.expired);
        let engine = Engine { policy, time_source, shutdown_when: self.shutdown_when, runtime };
        let sts = self.base.source().sts().another();
        let source = AssumeRole::new(self.base.supervisor().clone(), session, external_id, sts);
        let observer = adapters::observer(source.subject(), None);
        Ok(BackgroundCredentialsProvider::from_parts(source, engine, observer))
    }

    /// [`build`](Self::build), and the first credentials: what comes back can sign at once.
    ///
    /// # Errors
    /// Those of `build`, as [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). That of the exchange or,
    /// as its source, of the base's: at once if only a human can mend it, else after
    /// [`wait_timeout`](Self::wait_timeout).
    ///
    /// # Cancel safety
    /// Dropping the future drops the provider, and with it the attempts.
    pub async fn connect(self) -> Result<BackgroundCredentialsProvider, Error> {
        self.build()?.connected().await
    }
}

/// A token or key may stand in the place of what was meant.
impl fmt::Debug for AssumeRoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRoleBuilder")
            .field("base", &self.base)
            .field("role_arn", &Shown(&self.role_arn))
            .field("session_name", &self.session_name.as_deref().map(Shown))
            .finish_non_exhaustive()
    }
}

fn session_length(length: Duration) -> Result<Duration, BuildError> {
    if length.subsec_nanos() == 0 && (900..=3600).contains(&length.as_secs()) {
        return Ok(length);
    }
    Err(refused(
        "AssumeRoleBuilder::session_length",
        format_args!("{length:?}"),
        "a chained session lasts whole seconds from 900 (15 min) to 3600, whatever the role's MaxSessionDuration is; for \
         longer ones let the role trust the token's issuer, and assume it without a chain",
    ))
}

fn external_id(id: String) -> Result<String, BuildError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=1224).contains(&id.len()) && id.bytes().all(is_plain) {
        return Ok(id);
    }
    Err(refused(
        "AssumeRoleBuilder::external_id",
        quoted(&id),
        "an external id has 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -",
    ))
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;

    use super::*;

    const ROLE: &str = "arn:aws:iam::210987654321:role/lake";

    fn base() -> WebIdentityCredentialsProvider {
        let builder = WebIdentityCredentialsProvider::builder().role_arn("arn:aws:iam::123456789012:role/app");
        let builder = builder.token_file("/run/token").session_name("pod-1").endpoint_url("http://127.0.0.1:1");
        builder.region(Region::from_static("eu-central-1")).session_length(Duration::from_secs(7200)).build().unwrap()
    }

    fn refusal(builder: AssumeRoleBuilder) -> String {
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn more_than_an_hour_is_refused_before_it_surprises() {
        let with = |seconds| base().assume_role(ROLE).session_length(Duration::from_secs(seconds));
        for seconds in [900, 3600] {
            with(seconds).build().unwrap();
        }
        for seconds in [0, 899, 3601, 43_200] {
            assert_eq!(
                refusal(with(seconds)),
                format!(
                    "AssumeRoleBuilder::session_length is {seconds}s: a chained session lasts whole seconds from 900 (15 min) \
                     to 3600, whatever the role's MaxSessionDuration is; for longer ones let the role trust the token's \
                     issuer, and assume it without a chain"
                )
                .replace("is 0s", "is 0ns")
            );
        }
    }

    #[test]
    fn p12_each_value_that_sts_would_refuse_is_refused() {
        let builder = || base().assume_role(ROLE);
        assert!(refusal(base().assume_role("lake")).contains("assume_role is \"lake\", which is no role's ARN"));
        assert!(refusal(builder().session_name("a b")).contains("AssumeRoleBuilder::session_name is \"a b\""));
        assert!(refusal(builder().external_id("x")).contains("AssumeRoleBuilder::external_id is \"x\""));
        assert!(refusal(builder().external_id("a b")).contains("2 to 1224"));
        assert!(refusal(builder().policy("x")).contains("AssumeRoleBuilder::policy is not JSON"));
        assert!(refusal(builder().policy_arns(["x"])).contains("AssumeRoleBuilder::policy_arns is \"x\""));
        assert!(
            refusal(builder().refresh_window(0.0..=0.5)).contains("AssumeRoleBuilder::refresh_window is 0.0..=0.5")
        );
        assert!(refusal(builder().wait_timeout(Duration::ZERO)).contains("AssumeRoleBuilder::wait_timeout is 0ns"));
        builder().external_id("orders:eu/1").build().unwrap();
    }
}
