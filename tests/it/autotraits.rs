//! Auto traits of the public types: their behaviour across threads and panics is part of the API.

use std::fs;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::path::Path;

use aws_web_identity::test_util::{
    Algorithm, AssumableRole, Call, Caller, Fault, MockSts, MockStsBuilder, OidcIssuer, ProjectedVolume, Refusal,
    TestAws, TokenSpec, TrustedRole,
};
use aws_web_identity::token_source::TokenError;
use aws_web_identity::{
    AssumeRoleBuilder, BackgroundBuilder, BackgroundCredentialsProvider, BuildError, Builder, Closed, Error, ErrorKind,
    ExpiredPolicy, Phase, Registry, Status, TokenClaims, Updates, WebIdentityCredentialsProvider, token_source,
};

fn shared<T: Send + Sync + Unpin + 'static>() {}
fn calm<T: UnwindSafe + RefUnwindSafe>() {}
fn value<T: Clone + std::fmt::Debug>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}
fn sent<T: Send>(_: T) {}

#[test]
fn every_type_goes_to_other_threads() {
    shared::<WebIdentityCredentialsProvider>();
    shared::<BackgroundCredentialsProvider>();
    shared::<(Builder, BackgroundBuilder, AssumeRoleBuilder, Registry)>();
    shared::<Updates>();
    shared::<Status>();
    shared::<TokenClaims>();
    shared::<Error>();
    shared::<BuildError>();
    shared::<Closed>();
    shared::<(ErrorKind, ExpiredPolicy, Phase)>();
    shared::<(token_source::Token, TokenError)>();
    shared::<(OidcIssuer, MockSts, ProjectedVolume, TokenSpec, TrustedRole, AssumableRole, Call, Fault)>();
    shared::<(Algorithm, Caller, MockStsBuilder, Refusal, TestAws)>();
}

#[test]
fn plain_values_are_safe_across_panics() {
    calm::<(ErrorKind, ExpiredPolicy, Phase, TokenClaims, Closed)>();
}

#[test]
fn values_are_copied_and_printed() {
    value::<WebIdentityCredentialsProvider>();
    value::<BackgroundCredentialsProvider>();
    value::<Registry>();
    value::<Status>();
    value::<TokenClaims>();
    value::<(Error, BuildError)>();
    value::<Closed>();
    value::<(ErrorKind, ExpiredPolicy, Phase)>();
    value::<(OidcIssuer, MockSts, ProjectedVolume, Fault, Call, Caller, Refusal)>();
}

#[test]
fn errors_are_errors() {
    error::<Error>();
    error::<BuildError>();
    error::<Closed>();
    error::<TokenError>();
}

#[test]
fn every_future_goes_to_other_threads() {
    let builder = || WebIdentityCredentialsProvider::builder().role_arn("x").token_file("x");
    sent(builder().connect());
    sent(token_source::future::ProvideToken::ready(Err(TokenError::new("none"))));
    sent(token_source::future::Changed::new(std::future::pending()));
    sent(Registry::default().connect(builder()));
    fn chained(provider: &WebIdentityCredentialsProvider) {
        sent(provider.assume_role("x").connect());
        sent(BackgroundCredentialsProvider::builder(provider.clone()).connect());
    }
    let _compiled: fn(&WebIdentityCredentialsProvider) = chained;
    fn of(provider: &WebIdentityCredentialsProvider) {
        sent(provider.refresh());
        sent(provider.valid_for(std::time::Duration::ZERO));
        sent(provider.ready());
        sent(provider.shutdown());
        sent(async move { provider.updates().changed().await });
    }
    let _compiled: fn(&WebIdentityCredentialsProvider) = of;
}

#[test]
fn no_public_type_is_left_out() {
    let pinned = fs::read_to_string(Path::new(crate::ROOT).join("tests/it/autotraits.rs")).unwrap();
    let pinned: Vec<_> = pinned.split(|c: char| !c.is_alphanumeric()).collect();
    let types = public_types(&Path::new(crate::ROOT).join("src"));
    assert!(types.len() > 25, "too few types found: {types:?}");
    let left_out: Vec<_> = types.iter().filter(|name| !pinned.contains(&name.as_str())).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

/// The lint `unreachable_pub` ensures that each plain `pub` type is reachable for users.
pub(crate) fn public_types(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("docs") {
            // Recipes are code of users.
        } else if path.is_dir() {
            found.extend(public_types(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            found.extend(source.lines().filter_map(|line| {
                let item = line.trim_start().strip_prefix("pub ")?;
                let named = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| item.strip_prefix(kind))?;
                Some(named.chars().take_while(|c| c.is_alphanumeric()).collect())
            }));
        }
    }
    found
}
