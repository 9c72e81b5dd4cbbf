//! Tokens that are not in a file: from Vault, a SPIFFE workload API, the OIDC endpoint of a CI system.
//!
//! A source is something that can be asked for a token: [`ProvideToken`], given to
//! [`Builder::token_source`](crate::Builder::token_source). The rest stays as it is with a file: refreshed beside the
//! requests, one exchange at a time, no failure that hides valid credentials.
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
//!         // A request to wherever tokens are.
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
//! The example `token_source` has one for GitHub Actions; [`docs::token_sources`](crate::docs::token_sources) says what is
//! other than with a file.

mod client;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

pub(super) use self::client::SourceClient;
use super::token_format;
use crate::scrub::{chain, printable};

/// Something that can be asked for a token, again and again.
///
/// `Debug` and the errors must hold no secret: they may be printed.
pub trait ProvideToken: fmt::Debug + Send + Sync + 'static {
    /// A token that STS will accept now: before its `exp`, with the audience that the OIDC provider lists.
    ///
    /// Asked once for each exchange, which is once or twice an hour as a rule, and every few seconds at most while
    /// exchanges fail. Nothing is kept from one exchange to the next: a source to which asking is dear keeps its token
    /// itself, and gives it for as long as it is good.
    ///
    /// It is asked once the exchange has its turn at STS. Asking and the exchange together have the [`attempt_timeout`](crate::Builder::attempt_timeout). What fails, or takes
    /// longer, is tried again as an outage of STS is. Like all futures it must not block its thread.
    ///
    /// # Cancel safety
    /// The future is dropped when its time is over, and when the provider is shut down.
    fn provide_token(&self) -> future::ProvideToken<'_>;

    /// Resolves once there is another token than [`provide_token`](Self::provide_token) gave last. Default: never, which is
    /// right for a source that cannot know.
    ///
    /// It ends a failing state at once, and lets credentials be renewed when the token is somebody else's now (other
    /// `iss`, `sub` or `aud`). While all is well a new token causes no exchange. Listened to once a second at most.
    ///
    /// # Cancel safety
    /// The future may be dropped and made anew at any time: a change in between must be told by the next one.
    fn changed(&self) -> future::Changed<'_> {
        future::Changed::new(std::future::pending())
    }

    /// Tells this source from others. Not for implementations: a number given twice would mix up identities.
    #[doc(hidden)]
    fn address(&self) -> usize {
        std::ptr::from_ref(self).cast::<()>().addr()
    }
}

/// For a source that several providers share. A [`Registry`](crate::Registry) knows clones of an `Arc` as one source.
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

/// A web identity token: a JWT, as a rule. Wiped when dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token, without the white space around it.
    ///
    /// # Errors
    /// What is certainly none: less than 4 bytes or more than 20 000 (STS's bounds), other characters than visible ASCII, an
    /// encrypted token, and what holds a token and more, such as JSON, a header, or quotes. An opaque token is one. The
    /// error says what it is and does not repeat it.
    pub fn new(text: impl Into<String>) -> Result<Self, TokenError> {
        let whole = Zeroizing::new(text.into());
        match token_format::parse(whole.as_bytes()) {
            Ok(text) => Ok(Self(Zeroizing::new(text.to_owned()))),
            // Nothing in it is anybody's secret.
            Err(problem) => Err(TokenError(format!("what the source gave {problem}: {}", problem.remedy()))),
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

/// Why a source has no token. Becomes the [`source`](StdError::source) of an [`Error`](crate::Error) of kind
/// [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable).
#[derive(Debug)]
pub struct TokenError(String);

impl TokenError {
    /// Of an error, or of a text. It should hold no secret.
    ///
    /// What the error and its causes display is kept, on one line of at most 512 characters and without what looks like a
    /// token or a key; the error itself is not, for clients like to print the answers that they could not read.
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

/// What the methods of [`ProvideToken`] return, so that the trait can be made into an object.
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
        /// A token that has to be waited for.
        pub fn new(future: impl Future<Output = Result<Token, TokenError>> + Send + 'a) -> Self {
            Self(NowOrLater::new(Box::pin(future)))
        }

        /// A token that is there.
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
    fn token_keeps_sts_limits() {
        for (text, kept) in [("\n abcd\t", "abcd"), ("a.b.c-_=", "a.b.c-_=")] {
            assert_eq!(*Token::new(text).unwrap().into_text(), kept);
        }
        for (text, error) in [
            (" \r\n", "what the source gave is empty: whoever writes it has not finished, or has failed"),
            (
                "{\"id_token\":\"canary\"}",
                "what the source gave begins with { or [, as JSON or a template does: write the token alone, which is \
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
