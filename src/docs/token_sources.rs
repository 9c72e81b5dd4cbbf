//! Tokens from a source of your own instead of a file, and the differences.
//!
//! [`Builder::token_source`](crate::Builder::token_source) takes whatever implements
//! [`ProvideToken`](crate::token_source::ProvideToken): a client of Vault's identity tokens, of a SPIFFE workload API,
//! of the OIDC endpoint of a CI system. The example `token_source` is one for [GitHub
//! Actions](https://docs.github.com/en/actions/reference/security/oidc). Everything else holds as it does with a file.
//!
//! | | a file | a source |
//! |---|---|---|
//! | the token is taken | for each exchange, once its turn at STS has come | the same; nothing is kept in between |
//! | time for that | part of the [`attempt_timeout`](crate::Builder::attempt_timeout); a missing file is waited for up to 0.5 s | part of the `attempt_timeout` |
//! | there is no token | the file is looked at every second, then every 5 s; an exchange is tried when it changes, or after 60 s | an outage like one of STS, with the same retry delays ([`policy`](super::policy)) |
//! | STS calls it expired or rejected | the same | the same: the next attempt asks for another |
//! | kind of the error | [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable), says what is wrong with the file | the same; what the source's own error displays, less what looks like a secret, is its `source()` |
//! | a new token | is seen by file events and polling | if the source [tells](crate::token_source::ProvideToken::changed) |
//! | a token of somebody else (`iss`, `sub`, `aud`) | renews the credentials | the same, if the source tells |
//!
//! A source that fails sends nobody to a [standby](super::standby): STS was not asked. A source that panics costs one
//! attempt. A source runs on the engine thread and must not block ([`limits`](super::limits)). A slow source keeps its
//! turn while it is asked: a process asks at most 8 at once per STS endpoint. Several providers share a source in an `Arc`, by
//! which a [`Registry`](crate::Registry) knows it, too. [`Status::token`](crate::Status) shows the
//! claims of the last token that was given.
//!
//! The kubelet's token of a pod stays in a file, also where it is read by something else: there is nothing to gain by a
//! source around it, and its rotation would be seen later.
