use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_web_identity::WebIdentityCredentialsProvider;

/// Returns at once while credentials are valid. Otherwise this thread waits for them.
pub fn keys(identity: &WebIdentityCredentialsProvider) -> Result<Credentials, CredentialsError> {
    let mut future = pin!(identity.provide_credentials());
    // The rest does what `block_on` of `pollster` or `futures::executor` does.
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(credentials) => return credentials,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
