//! Clusters and fleets: STS quotas, session length, trust policies, key rotation, alerts.
//!
//! This page is for people who run many pods or several clusters. It says how many STS calls a fleet makes, and how to
//! choose the session length. It also says how to set up trust between clusters and IAM, and how to rotate signing
//! keys.
//!
//! # STS quotas
//!
//! STS limits the calls of each account in each region with a token bucket. [The limits cannot be
//! raised](https://repost.aws/knowledge-center/iam-sts-throttling-error). AWS publishes no number for
//! `AssumeRoleWithWebIdentity`. Users report limits from 4 to hundreds of calls a second. STS throttles with HTTP
//! status 400 and the code `Throttling`.
//!
//! - Share one provider per process and role. Clones of the handle share one provider. So do all clients made from the
//!   config that [`install`](crate::BackgroundCredentialsProvider::install) returned. A provider per request or per
//!   client multiplies the calls.
//! - Use the STS of the region in which the pod runs. Each region has its own bucket.
//! - This crate slows down by itself. While credentials are valid, a throttled provider waits 2.5 to 5 s, then twice as
//!   long, and so on ([`policy`](super::policy)). Requests use the valid credentials meanwhile.
//!
//! # Session length
//!
//! [`session_length`](crate::Builder::session_length) takes 15 min to 12 h, up to the role's
//! [`MaxSessionDuration`](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html).
//!
//! | session length L | exchanges per hour and process: 1 / (0.675 L) | longest outage of STS without effect: 0.25 L to 0.40 L | a withdrawn permission may last |
//! |---|---|---|---|
//! | 15 min | 5.9 | 4 to 6 min | up to 15 min |
//! | 1 h (STS's default) | 1.5 | 15 to 24 min | up to 1 h |
//! | 4 h | 0.4 | 1 to 1.6 h | up to 4 h |
//! | 12 h | 0.12 | 3 to 4.8 h | up to 12 h |
//!
//! One hour suits most services. Longer sessions help throttled fleets and batch jobs with presigned URLs. Shorter
//! sessions cost more calls, and survive only shorter outages.
//!
//! To withdraw access at once, [revoke the
//! sessions](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html). Services then reject
//! the credentials, and the [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) starts a refresh.
//!
//! # Token lifetime
//!
//! The token's lifetime decides how long pods survive without the API server. A kubelet replaces a token [at 80 % of
//! its lifetime, or when it is 24 h
//! old](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#launch-a-pod-using-service-account-token-projection).
//! The kubelet may take 90 s longer. So about 20 % of the lifetime remains, less up to 90 s. With `expirationSeconds:
//! 86400` every pod survives about 4.8 h without the control plane. With `3600` a pod survives at least 10 min. The
//! minimum is 600. Only an exchange needs a valid token; requests with valid credentials do not.
//!
//! # How a fleet behaves
//!
//! - *Roll-out.* Each new process makes one exchange at once. A thousand pods that start within a minute make 17 calls
//!   a second. No library can avoid these calls. Spread the roll-out (`maxSurge`, `maxUnavailable`), or let `connect`
//!   wait until STS accepts them.
//! - *Steady state.* Each process draws each refresh time from 60 to 75 % of the lifetime. Processes that started
//!   together are spread after the first cycle, and more after each further cycle.
//! - *STS outage.* A pod notices the outage when its refresh is due. Requests fail only if the outage outlasts the
//!   session's remaining time, which is at least a quarter of the session. Retries come after seconds, then minutes,
//!   with jitter. So STS is not flooded when it returns.
//! - *Node restart.* The kubelet writes all tokens anew. New tokens alone cause no exchange.
//! - *Wrong trust policy.* Nothing fails at once. The next refresh fails and is retried every few minutes. Requests
//!   fail when the session ends. So alert on failed exchanges, not only on expiry.
//!
//! # Several clusters
//!
//! Each cluster is an issuer. It needs its own [OIDC
//! provider](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html) in each account that
//! has roles for it. Two clusters must not share an issuer URL: each cluster could then sign tokens for the service
//! accounts of the other. The token's `iss`, the provider's URL and the `issuer` of the discovery document must be
//! identical to the last character. The URL has no port, no query and no closing slash.
//!
//! A role for two clusters needs two statements in its trust policy, because the issuer is part of the condition keys:
//!
//! ```json
//! {
//!   "Version": "2012-10-17",
//!   "Statement": [
//!     {
//!       "Effect": "Allow",
//!       "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/blue" },
//!       "Action": "sts:AssumeRoleWithWebIdentity",
//!       "Condition": {
//!         "StringEquals": {
//!           "oidc.example.com/blue:sub": "system:serviceaccount:shop:checkout",
//!           "oidc.example.com/blue:aud": "sts.amazonaws.com"
//!         }
//!       }
//!     },
//!     {
//!       "Effect": "Allow",
//!       "Principal": { "Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.example.com/green" },
//!       "Action": "sts:AssumeRoleWithWebIdentity",
//!       "Condition": {
//!         "StringEquals": {
//!           "oidc.example.com/green:sub": "system:serviceaccount:shop:checkout",
//!           "oidc.example.com/green:aud": "sts.amazonaws.com"
//!         }
//!       }
//!     }
//!   ]
//! }
//! ```
//!
//! [`TokenClaims::trust_policy`](crate::TokenClaims::trust_policy) writes the statement for a token, and the example
//! `doctor` prints it. Always test both `sub` and `aud`, with `StringEquals`. With `StringLike` and
//! `system:serviceaccount:*`, anybody who may create a service account gets the role.
//!
//! [AWS's quotas](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html) limit how many clusters a
//! role can serve:
//!
//! | subject | default quota |
//! |---|---|
//! | trust policy of a role | 2,048 characters without white space, 4,096 on request |
//! | OIDC providers in an account | 100, more on request |
//! | client IDs (audiences) of a provider | 100 |
//!
//! A statement like those above takes about 290 characters. For an EKS issuer it takes 440. So a role can serve four to
//! six clusters by default, and nine to thirteen on request. For more clusters, give each cluster its own role, and let
//! that role assume the shared one.
//!
//! # Rotate the signing key of a cluster
//!
//! Keep the order of these steps. STS verifies a token with the keys that the issuer publishes, and may cache the keys.
//!
//! 1. Publish the new public key beside the old key. The API server accepts `--service-account-key-file` several times,
//!    and lists all keys in `/openid/v1/jwks`. Check that the *public* URL shows the new key before you continue.
//! 2. Sign with the new key: set `--service-account-signing-key-file`, which takes one key.
//! 3. Wait until every token in use is signed with the new key. This takes the longest `expirationSeconds`, at most 24
//!    h for tokens that kubelets project.
//! 4. Retire the old key.
//!
//! If tokens are signed before the key is published, STS answers `InvalidIdentityToken` ("Couldn't retrieve
//! verification key"). This crate treats the answer as an outage: valid credentials stay in use, and the token is sent
//! again. With sessions of one hour you have at least 15 min to publish the key. `examples/kubernetes/README.md` has
//! the steps for kubeadm, and a `CronJob` that publishes the keys.
//!
//! # Alerts
//!
//! `examples/observability/` has rules for Prometheus, each with a runbook. To build your own rules, use
//! [`status`](crate::BackgroundCredentialsProvider::status):
//!
//! | signal | alert when it lasts | meaning |
//! |---|---|---|
//! | [`Phase::Expired`](crate::Phase::Expired), or `Empty` for more than a minute | at once | requests fail |
//! | [`Phase::Stale`](crate::Phase::Stale) | a quarter of a session | requests will fail at `Status::expiry`; `Status::last_error` has the cause |
//! | `Status::consecutive_failures` rises in many pods | at once | STS or the issuer fails, or somebody changed a trust policy |
//! | kind [`Throttled`](crate::ErrorKind::Throttled) | some minutes | sessions are too short, providers are not shared, or a roll-out is too fast |
//! | [`rotation_due`](crate::TokenClaims::rotation_due) of `Status::token` has passed | 5 min | the kubelet does not replace the token; refreshes will fail after the token's `exp` |
//! | the published JWKS differs from `/openid/v1/jwks` | at once | the next key rotation would be an outage |
//! | the issuer URL, read from the internet, fails or takes longer than 2 s | at once | STS waits 5 s for it |
