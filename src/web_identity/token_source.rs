//! Tokens that do not come from a file, but from Vault, a SPIFFE workload API, or the OIDC endpoint of a CI system.
//!
//! Implement [`ProvideToken`], and give it to [`Builder::token_source`](crate::Builder::token_source). The promises of the
//! crate hold as they do with a file. The exception is promise 6: a new token is noticed only if the source implements
//! [`changed`](ProvideToken::changed).
//!
//! ```
//! use aws_web_identity::WebIdentityCredentialsProvider;
//! use aws_web_identity::token_source::{ProvideToken, Token, TokenError, future};
//!
//! #[derive(Debug)]
//! struct Agent;
//!
//! impl Agent {
//!     async fn ask(&self) -> Result<String, std::io::Error> {
//!         // Request a token here.
//! #       Ok("token".to_owned())
//!     }
//! }
//!
//! impl ProvideToken for Agent {
//!     fn provide_token(&self) -> future::ProvideToken<'_> {
//!         future::ProvideToken::new(async { Token::new(self.ask().await.map_err(TokenError::new)?) })
//!     }
//! }
//!
//! let builder = WebIdentityCredentialsProvider::builder().token_source(Agent);
//! # drop(builder);
//! ```
//!
//! The example `token_source` implements one for GitHub Actions. [`docs::token_sources`](crate::docs::token_sources) lists
//! the differences from a file.

mod source_client;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub(super) use self::source_client::SourceClient;
use super::token_format;
use crate::scrub::{chain, printable};

/// A source of tokens.
///
/// The crate may print `Debug` and the errors of a source, so they must hold no secret.
pub trait ProvideToken: fmt::Debug + Send + Sync + 'static {
    /// Returns a token that STS accepts now: valid, and with an audience that the OIDC provider lists.
    ///
    /// The crate calls this once for each exchange: usually once or twice an hour, and every few seconds while exchanges fail.
    /// It also calls this after each change that [`changed`](Self::changed) reports, perhaps during the call of an exchange, and
    /// every 30 s while that fails. The crate keeps no token between exchanges. A source whose tokens are expensive should keep its token while it is valid.
    ///
    /// The call of an exchange begins when the exchange has one of the 8 slots at its STS endpoint, and may take
    /// [`attempt_timeout`](crate::Builder::attempt_timeout). A call that fails or takes longer is retried like an outage of
    /// STS. The future must not block its thread.
    ///
    /// # Cancel safety
    /// Within one exchange the crate drops the future when the time is over. It also drops it when the provider is shut down.
    fn provide_token(&self) -> future::ProvideToken<'_>;

    /// Resolves once [`provide_token`](Self::provide_token) would return another token than it last did. The default never
    /// resolves, which is right for a source that cannot know.
    ///
    /// A change starts an attempt after a failure. If the new token has another identity (`iss`, `sub` or `aud`), the
    /// credentials are refreshed. Otherwise valid credentials stay, and the new token causes no exchange. The crate calls this
    /// at most once a second.
    ///
    /// # Cancel safety
    /// The crate may drop the future at any time and call this again. The next future must then report a change that came in
    /// between.
    fn changed(&self) -> future::Changed<'_> {
        future::Changed::new(std::future::pending())
    }

    /// Distinguishes this source from others. Do not implement it: two sources with one number would mix up identities.
    #[doc(hidden)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }
}

/// Several providers may share a source in an `Arc`. A [`Registry`](crate::Registry) treats clones of an `Arc` as one source.
impl<T: ProvideToken + ?Sized> ProvideToken for Arc<T> {
    fn provide_token(&self) -> future::ProvideToken<'_> {
        (**self).provide_token()
    }

    fn changed(&self) -> future::Changed<'_> {
        (**self).changed()
    }

    fn address(&self) -> usize {
        (**self).address()
    }
}

/// A web identity token, usually a JWT. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// Takes the token, without the white space around it.
    ///
    /// # Errors
    /// Refuses text that is certainly not a token:
    ///
    /// - fewer than 4 or more than 20,000 bytes, the limits of STS
    /// - characters other than visible ASCII
    /// - an encrypted token
    /// - a token within other text, such as JSON, a header or quotes
    ///
    /// An opaque token is accepted. The error describes the text and does not repeat it.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let whole = Zeroizing::new(text.into());
        match token_format::parse(whole.as_bytes()) {
            Ok(text) => Ok(Self(Zeroizing::new(text.to_owned()))),
            Err(problem) => Err(TokenError(format!("the token from the source {problem}: {}", problem.remedy()))),
        }
    }

    fn into_text(self) -> Zeroizing<String> {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(** redacted **)")
    }
}

/// The reason why a source has no token. It becomes the [`source`](StdError::source) of an [`Error`](crate::Error) of kind
/// [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable).
#[derive(Debug)]
pub struct TokenError(String);

impl TokenError {
    /// Takes an error or a text, which should hold no secret.
    ///
    /// Keeps only the displayed text of the error and its causes, on one line of at most 512 characters. Parts that look like
    /// a token or a key are removed, because clients often print answers that they could not read.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(printable(&chain(&*cause.into()), "", 512))
    }
}

impl From<Box<dyn StdError + Send + Sync>> for TokenError {
    fn from(cause: Box<dyn StdError + Send + Sync>) -> Self {
        Self::new(cause)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for TokenError {}

/// The futures that the methods of [`ProvideToken`] return. They keep the trait object-safe.
pub mod future {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use aws_smithy_async::future::now_or_later::{BoxFuture, NowOrLater};

    use super::{Token, TokenError};

    /// The future of [`provide_token`](super::ProvideToken::provide_token).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ProvideToken<'a>(NowOrLater<Result<Token, TokenError>, BoxFuture<'a, Result<Token, TokenError>>>);

    impl<'a> ProvideToken<'a> {
        /// Resolves to the token when `future` does.
        pub fn new(future: impl Future<Output = Result<Token, TokenError>> + Send + 'a) -> Self {
            Self(NowOrLater::new(Box::pin(future)))
        }

        /// Resolves at once.
        pub fn ready(token: Result<Token, TokenError>) -> Self {
            Self(NowOrLater::ready(token))
        }
    }

    impl Future for ProvideToken<'_> {
        type Output = Result<Token, TokenError>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            Pin::new(&mut self.0).poll(cx)
        }
    }

    /// The future of [`changed`](super::ProvideToken::changed).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Changed<'a>(NowOrLater<(), BoxFuture<'a, ()>>);

    impl<'a> Changed<'a> {
        /// Resolves when `future` does.
        pub fn new(future: impl Future<Output = ()> + Send + 'a) -> Self {
            Self(NowOrLater::new(Box::pin(future)))
        }
    }

    impl Future for Changed<'_> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            Pin::new(&mut self.0).poll(cx)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_tells_sources_apart() {
        #[derive(Debug)]
        struct Vault(#[expect(dead_code, reason = "for a size")] u8);
        impl ProvideToken for Vault {
            fn provide_token(&self) -> future::ProvideToken<'_> {
                future::ProvideToken::ready(Token::new("abcd"))
            }
        }
        let (one, other) = (Arc::new(Vault(1)), Arc::new(Vault(2)));
        assert_eq!(one.address(), Arc::clone(&one).address());
        assert_ne!(one.address(), other.address());
    }

    #[test]
    fn token_keeps_sts_limits() {
        for (text, kept) in [("\n abcd\t", "abcd"), ("a.b.c-_=", "a.b.c-_=")] {
            assert_eq!(*Token::new(text).unwrap().into_text(), kept);
        }
        for (text, error) in [
            (" \r\n", "the token from the source is empty: its writer has not finished, or has failed"),
            (
                "{\"id_token\":\"canary\"}",
                "the token from the source begins with { or [, like JSON or a template: write only the token, which is \
                 status.token in a TokenRequest or ExecCredential; a JWT begins with eyJ",
            ),
        ] {
            assert_eq!(Token::new(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn p9_a_token_is_not_printed() {
        assert_eq!(format!("{:?}", Token::new("canary").unwrap()), "Token(** redacted **)");
        let shown = format!("{:?}", Token::new("canary canary").unwrap_err());
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn p9_failure_of_a_source_is_scrubbed() {
        #[derive(Debug)]
        struct Unread(String);
        impl fmt::Display for Unread {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the answer cannot be read")
            }
        }
        impl StdError for Unread {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(Box::leak(Box::new(std::io::Error::other(self.0.clone()))))
            }
        }
        let error = TokenError::new(Unread(
            "got eyJjYW5hcnk.eyJjYW5hcnk.canary0canary0canary0canary0canary0canary0".to_owned(),
        ));
        assert_eq!(error.to_string(), "the answer cannot be read: got [redacted].[redacted].[redacted]");
        assert!(error.source().is_none() && !format!("{error:?}").contains("canary"), "{error:?}");
    }
}
