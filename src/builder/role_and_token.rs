//! Whose session it is to be, and by which token: the two belong together, or are both absent.

use std::path::PathBuf;

use crate::environment::{Environment, Given};
use crate::error::BuildError;
use crate::web_identity::SourceConfig;

/// Where tokens come from, as it was given.
pub(super) enum RawToken {
    File(PathBuf),
    Source(SourceConfig),
}

/// The webhook sets both variables or, if either is set already, none.
pub(super) fn role_and_token(
    role_arn: Option<String>,
    token_file: Option<PathBuf>,
    token_source: Option<SourceConfig>,
    env: &Environment,
) -> Result<(Given<String>, Given<RawToken>), BuildError> {
    let role_arn = match role_arn {
        Some(value) => Some(Given { by: "Builder::role_arn", value }),
        None => env.role_arn()?,
    };
    match (role_arn, token(token_file, token_source, env)?) {
        (Some(role_arn), Some(token)) => Ok((role_arn, token)),
        (Some(role_arn), None) => {
            let missing = ("AWS_WEB_IDENTITY_TOKEN_FILE", "the path of the projected token", "token_file");
            Err(half(role_arn.by, missing, env))
        }
        (None, Some(token)) => Err(half(token.by, ("AWS_ROLE_ARN", "the role's ARN", "role_arn"), env)),
        (None, None) if env.is_pod() && env.has_pod_identity() => Err(BuildError::not_injected(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_CONTAINER_CREDENTIALS_FULL_URI is, so \
             this pod has EKS Pod Identity and not web identity",
            format!(
                "{TO_USE_POD_IDENTITY}; or take the pod identity association away and annotate the service account \
                     with eks.amazonaws.com/role-arn"
            ),
        )),
        (None, None) if env.is_pod() => Err(BuildError::not_injected(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set although this is a pod \
             (KUBERNETES_SERVICE_HOST is set), so the identity webhook did not inject them",
            format!(
                "annotate the pod's service account with eks.amazonaws.com/role-arn and create the pod anew, for only new \
                 pods are changed; see that the webhook runs and that eks.amazonaws.com/skip-containers does not name this \
                 container; without the webhook, project a token into the pod and set both variables{}",
                of_profile(env)
            ),
        )),
        (None, None) => Err(BuildError::not_configured(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, and this is not a pod",
            format!(
                "set both, or call Builder::role_arn and Builder::token_file; a program that also runs elsewhere can ask \
                 is_not_configured() and keep the credentials it has{}",
                of_profile(env)
            ),
        )),
    }
}

fn token(
    file: Option<PathBuf>,
    source: Option<SourceConfig>,
    env: &Environment,
) -> Result<Option<Given<RawToken>>, BuildError> {
    match (file, source) {
        (Some(_), Some(source)) => Err(BuildError::invalid(
            format!("Builder::token_file and Builder::token_source ({}) are both called", source.name),
            "tokens come from one place, take one out",
        )),
        (Some(path), None) => Ok(Some(Given { by: "Builder::token_file", value: RawToken::File(path) })),
        (None, Some(source)) => Ok(Some(Given { by: "Builder::token_source", value: RawToken::Source(source) })),
        (None, None) => Ok(env.token_file().map(|given| Given { by: given.by, value: RawToken::File(given.value) })),
    }
}

/// A profile may name role and token file, too. Building reads no file, so that it cannot be seen.
fn of_profile(env: &Environment) -> String {
    let said = |variable| {
        format!(
            "; {variable} is set, but web_identity_token_file in a profile is not read here: set the variables as well, or \
             build a BackgroundCredentialsProvider around the credentials provider of the SdkConfig"
        )
    };
    env.profile().map_or_else(String::new, said)
}

fn half(given: &'static str, (missing, what, method): (&str, &str, &str), env: &Environment) -> BuildError {
    let webhook = if given.starts_with("AWS_") {
        format!(
            "; if the EKS webhook should have set both, take {given} out of the manifest: it sets neither if it finds \
             one"
        )
    } else {
        String::new()
    };
    let pod_identity = if env.has_pod_identity() {
        format!("; AWS_CONTAINER_CREDENTIALS_FULL_URI is set, so this may be EKS Pod Identity: {TO_USE_POD_IDENTITY}")
    } else {
        String::new()
    };
    BuildError::invalid(
        format!("{given} is set but {missing} is not"),
        format!("set it to {what}, or call Builder::{method}{webhook}{pod_identity}"),
    )
    .with_setting(given)
}

const TO_USE_POD_IDENTITY: &str = "to use Pod Identity, build a BackgroundCredentialsProvider around \
                                   aws_config::ecs::EcsCredentialsProvider, as the example pod_identity and docs::roles show";
