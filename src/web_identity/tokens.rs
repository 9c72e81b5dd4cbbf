//! Tokens, wherever they come from.

use std::time::Duration;

use super::asked::AskedTokens;
use super::claims::TokenClaims;
use super::config::TokenOrigin;
use super::token::Token;
use super::watch::TokenWatch;
use crate::error::Error;
use crate::refresh::{Change, Class, Failure};
use aws_smithy_async::time::SharedTimeSource;

/// Gives the token for an exchange, and tells of others.
#[derive(Debug)]
pub(super) enum Tokens {
    File(TokenWatch),
    Source(AskedTokens),
}

impl Tokens {
    /// Nothing is read or asked.
    pub(super) fn new(origin: &TokenOrigin, attempt_timeout: Duration, time_source: SharedTimeSource) -> Self {
        match origin {
            TokenOrigin::File(config) => Self::File(TokenWatch::new(config, attempt_timeout, time_source)),
            TokenOrigin::Source(config) => Self::Source(AskedTokens::new(config.clone(), attempt_timeout)),
        }
    }

    /// Waits until the token can be had without delay, as far as that can be known without taking one.
    pub(super) async fn ready(&self, obstacle: impl Fn(Error)) -> Result<(), Failure> {
        match self {
            Self::File(watch) => watch.read(obstacle).await.map(drop),
            Self::Source(_) => Ok(()),
        }
    }

    /// The token for an exchange. `obstacle` hears what is waited for.
    pub(super) async fn token(&self, obstacle: impl Fn(Error)) -> Result<Token, Failure> {
        match self {
            Self::File(watch) => watch.read(obstacle).await,
            Self::Source(asked) => {
                obstacle(asked.waiting());
                asked.ask().await.map_err(super::without_token)
            }
        }
    }

    /// What a failure means where tokens come from here: a file says when it holds another one, a source has to be asked.
    pub(super) fn class(&self, class: Class) -> Class {
        match (self, class) {
            (Self::Source(_), Class::Blocked) => Class::Transient,
            (_, class) => class,
        }
    }

    /// Only a better token can help, or none is needed.
    pub(super) fn look_closely(&self, on: bool) {
        if let Self::File(watch) = self {
            watch.look_closely(on);
        }
    }

    /// Resolves once there is another token than was used last, or told of last. Cancel safe.
    pub(super) async fn changed(&self) -> Change {
        match self {
            Self::File(watch) => watch.changed().await,
            Self::Source(asked) => asked.changed().await,
        }
    }

    /// How often the file was seen with another token. `None`: there is no file.
    #[cfg(feature = "metrics")]
    pub(super) fn rotations(&self) -> Option<u64> {
        match self {
            Self::File(watch) => Some(watch.rotations()),
            Self::Source(_) => None,
        }
    }

    /// Whether file events come. `None`: none are wanted.
    #[cfg(feature = "metrics")]
    pub(super) fn watch_healthy(&self) -> Option<bool> {
        match self {
            Self::File(watch) => watch.healthy(),
            Self::Source(_) => None,
        }
    }

    /// Of the newest token that was seen.
    pub(super) fn claims(&self) -> Option<TokenClaims> {
        match self {
            Self::File(watch) => watch.claims(),
            Self::Source(asked) => asked.claims(),
        }
    }
}
