//! Token sources: tokens from Vault, SPIFFE or a CI system instead of a file.
//!
//! This page is for people who write a [`ProvideToken`](crate::token_source::ProvideToken) for
//! [`Builder::token_source`](crate::Builder::token_source). The source may be a client of Vault's identity tokens, a
//! SPIFFE workload API, or a CI system's OIDC endpoint. It lists the differences from a token file. The example
//! `token_source` is a source for [GitHub Actions](https://docs.github.com/en/actions/reference/security/oidc).
//!
//! If the kubelet mounts the token, use the file, and not a source that reads the file. With the file, new tokens are
//! noticed sooner.
//!
//! | subject | token file | token source |
//! |---|---|---|
//! | when the token is read | for each exchange, when the exchange has a slot at its STS endpoint | the same; the token is not kept |
//! | time limit | part of the [`attempt_timeout`](crate::Builder::attempt_timeout); an exchange waits up to 0.5 s for a missing file | part of the `attempt_timeout` |
//! | no token | the file is polled every second, then every 5 s; an exchange follows when the file changes, or within 60 s | an outage, with the same retry delays as an outage of STS ([`policy`](super::policy)) |
//! | STS says that the token has expired or was withdrawn | the next exchange follows when the file changes, or within 60 s | an outage: the next attempt follows within seconds, and asks the source for another token |
//! | error | [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable), which says what is wrong with the file | the same kind; `source()` has the text of the source's own error, without what looks like a secret |
//! | new token | noticed by file events and polling | noticed if the source implements [`changed`](crate::token_source::ProvideToken::changed) |
//! | new token with another identity (`iss`, `sub`, `aud`) | causes an exchange | the same, if the source implements `changed` |
//!
//! - A failure of the source never sends an exchange to a [standby](super::standby), because STS was not asked.
//! - A panic of the source costs one attempt.
//! - The source runs on the engine thread and must not block ([`limits`](super::limits#requirements)).
//! - A slow source occupies one of the 8 exchange slots that a process has for each STS endpoint.
//! - To share a source among providers, give each a clone of one `Arc`. A [`Registry`](crate::Registry) recognises the
//!   shared source by that `Arc`.
//! - [`Status::token`](crate::Status) shows the claims of the last token that the source gave.
