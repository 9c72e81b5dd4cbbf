//! Many pods, many clusters: quotas, session length, what a fleet does, trust, key rotation, and what to alert on.
//!
//! # STS's quotas
//!
//! STS limits the calls of an account in a region, with a token bucket, and [the limits cannot be
//! raised](https://repost.aws/knowledge-center/iam-sts-throttling-error). AWS names no figure for
//! `AssumeRoleWithWebIdentity`; users report from 4 to hundreds of calls a second. It throttles with status 400 and the
//! code `Throttling`. Whatever the figure is:
//!
//! - Share one provider per process and role. Clones of the handle, and all clients made from what
//!   [`install`](crate::BackgroundCredentialsProvider::install) returned, count as one caller. A provider built per
//!   request, or per client, multiplies the calls by as much.
//! - A region has a bucket of its own: pods that ask the STS of the region they run in do not compete with those of
//!   another.
//! - Throttled, this crate waits for 2.5 to 5 s while credentials are valid, then for twice that, and so on: they are
//!   used meanwhile, and nobody waits.
//!
//! # The length of a session
//!
//! [`session_length`](crate::Builder::session_length), between 15 min and 12 h, up to the role's
//! [`MaxSessionDuration`](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_update-role-settings.html).
//!
//! | length | exchanges an hour for each process | STS may be away for, once a refresh was due | withdrawing access takes |
//! |---|---|---|---|
//! | 15 min | 5.9 | 4 to 6 min | up to 15 min |
//! | 1 h (STS's default) | 1.5 | 15 to 24 min | up to 1 h |
//! | 4 h | 0.4 | 1 to 1.6 h | up to 4 h |
//! | 12 h | 0.12 | 3 to 4.8 h | up to 12 h |
//!
//! The second column is 1 / (0.675 L), the third 0.25 L to 0.40 L. An hour is right for most. Longer ones are for
//! fleets that are throttled, and for batch jobs on presigned URLs; shorter ones cost calls, and leave less time to an
//! outage. Whoever must take access away at once does not wait for the session to end, but [revokes
//! it](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_revoke-sessions.html): the services then refuse,
//! and [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) hears it.
//!
//! The token's life is another matter. It says for how long pods get on without the API server: a kubelet replaces a
//! token [at 80 % of its life or when it is 24 h
//! old](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#launch-a-pod-using-service-account-token-projection).
//! With `expirationSeconds: 86400` an outage of the control plane of 4.8 h is survived by all, with 3600 one of 12 min
//! (a refresh needs a valid token, valid credentials do not). It cannot be less than 600.
//!
//! # What a fleet does
//!
//! - *Roll-out.* Each new process makes one exchange at once. A thousand pods that start in a minute make 17 calls a
//!   second, and no library can help that: spread the roll-out (`maxSurge`, `maxUnavailable`), or let `connect` wait
//!   out the throttling.
//! - *Afterwards* each draws its next refresh from 60 to 75 % of the lifetime, anew each time, so that those who
//!   started together are apart after the first cycle, and more so after each further one.
//! - *An STS outage* is noticed by a pod when its refresh is due, and fails requests only where it outlasts what
//!   remains of the session: a quarter at least. The attempts are seconds apart, then minutes (see [the
//!   policy](super::policy)), each wait with jitter, so that STS is not overrun when it is back.
//! - *A node that restarts* makes its kubelet write all tokens anew. That alone causes no exchange.
//! - *A wrong trust policy*, rolled out, makes nobody fail at once: it is heard at the next refresh, tried again every
//!   few minutes, and is an outage only when the session ends. Alert on failures, not on expiry alone.
//!
//! # Several clusters
//!
//! Each cluster is an issuer, and needs [an OIDC
//! provider](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_create_oidc.html) of its own in each
//! account with roles for it. Two clusters must not share an issuer URL: each would vouch for the other's
//! `system:serviceaccount:…` names. `iss`, the provider's URL and the document's `issuer` agree to the last character,
//! without a port, query or closing slash.
//!
//! A role that is used from two clusters has two statements in its trust policy. The issuer stands in the keys of the
//! condition, so they cannot be one:
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
//! [`TokenClaims::trust_policy`](crate::TokenClaims::trust_policy) makes the one for a token; the example `doctor`
//! prints it. Always with both `sub` and `aud`, and `StringEquals`: with `StringLike` and `system:serviceaccount:*`
//! whoever may create a service account gets the role.
//!
//! What bounds it, [by AWS's reference](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html):
//!
//! | | default |
//! |---|---|
//! | a role's trust policy | 2048 characters without white space, 4096 on request |
//! | OIDC providers in an account | 100, more on request |
//! | client IDs (audiences) of a provider | 100 |
//!
//! A statement as above takes about 290 characters, one for an EKS issuer 440: a role is good for four to six clusters
//! by default, for nine to thirteen on request. Beyond that give each cluster roles of its own, or a role from which to
//! assume the shared one.
//!
//! # To rotate the cluster's signing key
//!
//! Publish, sign, wait, retire, in this order. STS verifies a token under what the issuer publishes, and may keep keys
//! for a while.
//!
//! 1. Publish the new public key beside the old one: `--service-account-key-file` may be given several times, and the
//!    API server's `/openid/v1/jwks` lists all of them. See it at the *public* URL before going on.
//! 2. Sign with the new key: `--service-account-signing-key-file`, of which there is one.
//! 3. Wait until each token in use is signed with it: the longest `expirationSeconds`, at most 24 h of those that
//!    kubelets project.
//! 4. Retire the old key.
//!
//! Out of order, STS answers `InvalidIdentityToken` until the key is published ("Couldn't retrieve verification key").
//! This crate backs off as from throttling, keeps what is valid in use, and sends the token again; with sessions of an
//! hour there are 15 min at least to publish it. `examples/kubernetes/README.md` has the steps for kubeadm, and a
//! `CronJob` that publishes.
//!
//! # What to alert on
//!
//! `examples/observability/` has rules for Prometheus, each with a runbook; by hand, from
//! [`status`](crate::BackgroundCredentialsProvider::status):
//!
//! | what | when | it means |
//! |---|---|---|
//! | [`Phase::Expired`](crate::Phase::Expired), or `Empty` for more than a minute | at once | requests fail |
//! | [`Phase::Stale`](crate::Phase::Stale) | for longer than a quarter of a session | they will, at `Status::expiry`; `Status::last_error` says why |
//! | `Status::consecutive_failures` over the fleet | when it rises in many pods | STS, the issuer, or a trust policy that somebody changed |
//! | kind [`Throttled`](crate::ErrorKind::Throttled) | when it does not end | sessions too short, providers not shared, a roll-out too fast |
//! | `Status::token`'s [`rotation_due`](crate::TokenClaims::rotation_due) | 5 min past | the kubelet does not rotate: the credentials will end at some refresh after the token's `exp` |
//! | the published JWKS | when it differs from `/openid/v1/jwks` | the next key rotation would be an outage |
//! | the issuer's URL, from the internet | when it fails, or takes longer than 2 s | STS waits 5 s for it |
