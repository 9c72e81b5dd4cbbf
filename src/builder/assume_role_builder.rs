//! The builder of a chained role: a role that is assumed with the credentials of another provider.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::invalid_value::{Shown, invalid_value, quoted};
use super::session_settings::SessionRules;
use super::{EngineSettings, SessionSettings, role_arn, session_name, tags, warnings};
use crate::adapters;
use crate::assume_role::AssumeRole;
use crate::environment::{Environment, Given};
use crate::error::{BuildError, Error};
use crate::provider::{BackgroundCredentialsProvider, ChainBase};
use crate::refresh::{ExpiredPolicy, ShutdownWhen};
use crate::sts::ChainSettings;

/// Builds a [`BackgroundCredentialsProvider`] for a chained role: a role that is assumed with the credentials of a base
/// provider.
///
/// The chained role uses the base's STS client, region, endpoint and timeouts, so that there is one set of connections.
/// Unless they are set here, session name, refresh window, wait timeout and expired policy are the base's, too. Session
/// policies and session length are not taken over. The rules of the values are those of STS's [`AssumeRole`]; a value
/// that breaks its rule gives a [`BuildError`].
///
/// [`AssumeRole`]: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
#[must_use = "a builder does nothing until build() or connect()"]
pub struct AssumeRoleBuilder {
    base: BackgroundCredentialsProvider,
    role_arn: String,
    session: SessionSettings,
    chain: ChainSettings,
    engine: EngineSettings,
}

impl BackgroundCredentialsProvider {
    /// Returns a builder for a chained role, in this account or another: a role that is assumed with the credentials of
    /// this provider.
    ///
    /// The chained role counts as a handle of this provider, and is refreshed in the background, too. Chains may have
    /// any length. A role that trusts the cluster's issuer itself needs no chain: see
    /// [`to_builder`](crate::WebIdentityCredentialsProvider::to_builder).
    ///
    /// The chained role uses the STS of this provider. A [wrapped](Self::builder) provider has the STS of the
    /// `SdkConfig` that its builder was [given](crate::BackgroundBuilder::configure). Without a config, the environment
    /// decides, as for [`Builder`](crate::Builder).
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
            session: SessionSettings::default(),
            chain: ChainSettings::default(),
            engine: EngineSettings::default(),
        }
    }
}

impl AssumeRoleBuilder {
    /// Sets the session name, which CloudTrail shows: 2 to 64 characters of `A-Z a-z 0-9 _ + = , . @ -`. Default: the
    /// session name of the base.
    pub fn session_name(mut self, name: impl Into<String>) -> Self {
        self.session.name = Some(name.into());
        self
    }

    /// Sets the lifetime of the credentials: whole seconds from 900 (15 min) to 3,600 (1 h). Unset: the default of STS, one
    /// hour.
    ///
    /// AWS limits a chained session to [one
    /// hour](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining), whatever the
    /// role's `MaxSessionDuration` is.
    pub fn session_length(mut self, length: Duration) -> Self {
        self.session.length = Some(length);
        self
    }

    /// Sets the external id that the [owner of the
    /// role](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html) requires. It
    /// has 2 to 1,224 characters of `A-Z a-z 0-9 _ + = , . @ : / -`
    /// ([`AssumeRole`](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html)). Default: none.
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.chain.external_id = Some(id.into());
        self
    }

    /// Sets [session tags](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html), each a key and a
    /// value. Policies can decide by them (`aws:PrincipalTag`). Default: none. A later list replaces an earlier one.
    ///
    /// The role's trust policy and a policy of the base must allow `sts:TagSession`. Policies and tags together have
    /// one more limit. Only STS can tell whether they fit.
    ///
    /// | rule | source |
    /// |---|---|
    /// | at most 50 tags; a key counts once, in upper or lower case | [`AssumeRole`](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html) |
    /// | keys of 1 to 128 characters, values of 0 to 256 | [`Tag`](https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html) |
    /// | letters, digits, spaces and `_ . : / = + - @` | [`Tag`](https://docs.aws.amazon.com/STS/latest/APIReference/API_Tag.html) |
    /// | neither key nor value begins with `aws:` | [rules for tags](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules) |
    ///
    /// ```no_run
    /// # async fn example(identity: aws_web_identity::WebIdentityCredentialsProvider) -> Result<(), aws_web_identity::Error> {
    /// let lake = identity
    ///     .assume_role("arn:aws:iam::210987654321:role/lake")
    ///     .tags([("tenant", "blue"), ("stage", "production")])
    ///     .transitive_tag_keys(["tenant"])
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn tags(mut self, tags: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        self.chain.tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self
    }

    /// Sets the keys of [`tags`](Self::tags) that the next roles of a chain
    /// [inherit](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html#id_session-tags_role-chaining).
    /// Default: none. A later list replaces an earlier one.
    ///
    /// Each key must be a key of `tags`, in upper or lower case, because STS accepts no other. A transitive tag of the
    /// base's session needs no call of this method: the session inherits it, and STS refuses to set it again.
    pub fn transitive_tag_keys(mut self, keys: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.chain.transitive_tag_keys = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the person or program behind the session, which CloudTrail and `aws:SourceIdentity` show. It has 2 to 64
    /// characters of `A-Z a-z 0-9 _ + = , . @ -`, and does not begin with `aws:`
    /// ([rules](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_control-access_monitor.html#id_credentials_temp_control-access_monitor-know)).
    /// Default: the source identity of the base's session, if it has one.
    ///
    /// The role's trust policy and a policy of the base must allow `sts:SetSourceIdentity`. A source identity holds for
    /// all later roles of the chain, which cannot change it.
    pub fn source_identity(mut self, identity: impl Into<String>) -> Self {
        self.chain.source_identity = Some(identity.into());
        self
    }

    /// Sets a session policy in JSON, as [`Builder::policy`](crate::Builder::policy). Default: no session policy.
    pub fn policy(mut self, json: impl Into<String>) -> Self {
        self.session.policy = Some(json.into());
        self
    }

    /// Sets managed policies that limit the session, as [`Builder::policy_arns`](crate::Builder::policy_arns). Default:
    /// none.
    pub fn policy_arns(mut self, arns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.session.policy_arns = arns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets when to refresh, as [`Builder::refresh_window`](crate::Builder::refresh_window). Default: the base's.
    pub fn refresh_window(mut self, window: RangeInclusive<f64>) -> Self {
        self.engine.refresh_window = Some(window);
        self
    }

    /// Sets how long a caller waits while there are no valid credentials: 1 ms to 12 h. Default: the base's.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.engine.wait_timeout = Some(timeout);
        self
    }

    /// Sets what callers get when the credentials have expired during an outage. Default: the base's.
    pub fn expired_policy(mut self, policy: ExpiredPolicy) -> Self {
        self.engine.expired_policy = Some(policy);
        self
    }

    /// Shuts this provider down when the future resolves, as [`Builder::shutdown_when`](crate::Builder::shutdown_when).
    /// The base continues. Default: never, even if the base has such a future.
    pub fn shutdown_when(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.engine.shutdown_when = ShutdownWhen::new(future);
        self
    }

    /// Builds a provider without credentials. Its first use starts the first exchange, and before that an exchange of
    /// the base if the base has no valid credentials. This method needs no runtime.
    ///
    /// # Errors
    /// [`is_invalid`](BuildError::is_invalid): a value breaks its rule. The text names the setting and the remedy.
    pub fn build(self) -> Result<BackgroundCredentialsProvider, BuildError> {
        let base = self.base.chain_base().map_err(BuildError::clone)?;
        let home = &base.sts.home;
        let role_arn = Given::to("BackgroundCredentialsProvider", "assume_role", self.role_arn);
        let region = Given { by: "the base's region".into(), value: home.region.to_string() };
        let role_arn = role_arn::parse(role_arn, home, &region)?;
        let name = match &self.session.name {
            Some(name) => session_name::parse(Given::to(BUILDER, "session_name", name.clone()))?,
            None => base.session_name.clone(),
        };
        let session = self.session.resolve(&SESSION_RULES, role_arn, name)?;
        let ChainSettings { external_id, tags, transitive_tag_keys, source_identity } = self.chain;
        let tags = tags::tags(tags)?;
        let chain = ChainSettings {
            external_id: external_id.map(self::external_id).transpose()?,
            transitive_tag_keys: tags::transitive_tag_keys(transitive_tag_keys, &tags)?,
            tags,
            source_identity: source_identity.map(tags::source_identity).transpose()?,
        };
        let shutdown_when = self.engine.shutdown_when.clone();
        let engine = self.engine.resolve(BUILDER, self.base.engine().clone())?;
        warnings::about_sts(&base.sts, &Environment::real(), &warnings::WARNED);
        let sts = base.endpoints();
        let chain_base = ChainBase::new(session.name.clone(), base.sts.clone(), Some(&sts));
        let observer = adapters::observer(&session.role_arn, None);
        let source = AssumeRole::new(self.base.handle().clone(), session, chain, sts);
        let handle = engine.new_handle(Arc::new(source), shutdown_when, observer);
        Ok(BackgroundCredentialsProvider::of(handle, engine, None, Ok(chain_base)))
    }

    /// Builds a provider and waits for its first credentials. The returned provider can sign at once.
    ///
    /// # Errors
    /// The errors of [`build`](Self::build) have the kind
    /// [`InvalidConfiguration`](crate::ErrorKind::InvalidConfiguration). If only a human can mend the cause of a failed
    /// exchange, the method returns its error at once. Two cases get retries within seconds first: a role or issuer
    /// that IAM may not know yet, and an unclear answer. During an outage the method waits for
    /// [`wait_timeout`](Self::wait_timeout), and then returns the error of the last attempt. If the base failed, the
    /// base's error is the source.
    ///
    /// # Cancel safety
    /// Dropping the future drops the provider and ends its attempts.
    pub async fn connect(self) -> Result<BackgroundCredentialsProvider, Error> {
        let provider = self.build()?;
        provider.connected().await?;
        Ok(provider)
    }
}

/// Quotes each value as in errors: it may be a misplaced token.
impl fmt::Debug for AssumeRoleBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRoleBuilder")
            .field("base", &self.base)
            .field("role_arn", &Shown(&self.role_arn))
            .field("session_name", &self.session.name.as_deref().map(Shown))
            .finish_non_exhaustive()
    }
}

const BUILDER: &str = "AssumeRoleBuilder";
const SESSION_RULES: SessionRules = SessionRules {
    builder: BUILDER,
    longest_seconds: 3600,
    about_length: "a chained session lasts whole seconds from 900 (15 min) to 3600, whatever the role's \
                   MaxSessionDuration is; for longer ones let the role trust the token's issuer, and assume it \
                   without a chain",
};

fn external_id(id: String) -> Result<String, BuildError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=1224).contains(&id.len()) && id.bytes().all(is_plain) {
        return Ok(id);
    }
    Err(invalid_value(
        "AssumeRoleBuilder::external_id",
        quoted(&id),
        "an external id has 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -",
    ))
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;

    use super::*;
    use crate::WebIdentityCredentialsProvider;

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
    fn chained_session_lasts_an_hour_at_most() {
        let with = |seconds| base().assume_role(ROLE).session_length(Duration::from_secs(seconds));
        for seconds in [900, 3600] {
            with(seconds).build().unwrap();
        }
        for seconds in [0, 899, 3601, 43_200] {
            assert_eq!(
                refusal(with(seconds)),
                format!(
                    "AssumeRoleBuilder::session_length is {seconds}s: a chained session lasts whole seconds from 900 \
                     (15 min) to 3600, whatever the role's MaxSessionDuration is; for longer ones let the role trust \
                     the token's issuer, and assume it without a chain"
                )
                .replace("is 0s", "is 0ns")
            );
        }
    }

    #[test]
    fn p12_values_that_sts_refuses_are_refused() {
        let builder = || base().assume_role(ROLE);
        assert!(refusal(base().assume_role("lake")).contains("assume_role is \"lake\", which is not a role's ARN"));
        assert!(refusal(builder().session_name("a b")).contains("AssumeRoleBuilder::session_name is \"a b\""));
        assert!(refusal(builder().external_id("x")).contains("AssumeRoleBuilder::external_id is \"x\""));
        assert!(refusal(builder().external_id("a b")).contains("2 to 1224"));
        assert!(refusal(builder().policy("x")).contains("AssumeRoleBuilder::policy is not JSON"));
        assert!(refusal(builder().policy_arns(["x"])).contains("AssumeRoleBuilder::policy_arns is \"x\""));
        assert!(
            refusal(builder().refresh_window(0.0..=0.5)).contains("AssumeRoleBuilder::refresh_window is 0.0..=0.5")
        );
        assert!(refusal(builder().wait_timeout(Duration::ZERO)).contains("AssumeRoleBuilder::wait_timeout is 0ns"));
        assert!(refusal(builder().tags([("a", "#")])).starts_with("AssumeRoleBuilder::tags is the value \"#\""));
        assert!(
            refusal(builder().transitive_tag_keys(["a"])).contains("AssumeRoleBuilder::transitive_tag_keys is \"a\"")
        );
        assert!(refusal(builder().source_identity("a")).contains("AssumeRoleBuilder::source_identity is \"a\""));
        let longest = "x".repeat(1224);
        assert!(refusal(builder().external_id(format!("{longest}x"))).contains("2 to 1224"));
        builder().external_id(longest).build().unwrap();
        let lake = builder().external_id("orders:eu/1").tags([("a", "")]).transitive_tag_keys(["A"]);
        lake.source_identity("jane@example.com").build().unwrap();
    }
}
