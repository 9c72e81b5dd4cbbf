//! The errors for a missing role or token. The EKS webhook sets both variables or neither.

use std::borrow::Cow;

use crate::environment::Environment;
use crate::error::BuildError;

/// `role` and `token`: the variable or method that gave them, if any did.
pub(super) fn missing(
    role: Option<Cow<'static, str>>,
    token: Option<Cow<'static, str>>,
    env: &Environment,
) -> BuildError {
    if let Some(role) = role {
        return half(
            role,
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "the path of the projected token, or call Builder::token_file",
            env,
        );
    }
    if let Some(token) = token {
        return half(token, "AWS_ROLE_ARN", "the role's ARN, or call Builder::role_arn", env);
    }
    if !env.is_pod() {
        return BuildError::not_configured(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, and this is not a pod",
            format!(
                "set both, or call Builder::role_arn and Builder::token_file; a program that also runs outside pods \
                 can check is_not_configured() and use its other credentials{}",
                about_profile(env)
            ),
        );
    }
    if env.has_pod_identity() {
        return BuildError::not_injected(
            "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_CONTAINER_CREDENTIALS_FULL_URI is, \
             so this pod has EKS Pod Identity and not web identity",
            format!(
                "{TO_USE_POD_IDENTITY}; or remove the pod identity association and annotate the service account \
                     with eks.amazonaws.com/role-arn"
            ),
        );
    }
    BuildError::not_injected(
        "neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set although this is a pod \
         (KUBERNETES_SERVICE_HOST is set), so the identity webhook did not inject them",
        format!(
            "annotate the pod's service account with eks.amazonaws.com/role-arn and recreate the pod, because the \
             webhook changes only new pods; check that the webhook runs and that eks.amazonaws.com/skip-containers \
             does not name this container; without the webhook, project a token into the pod and set both \
             variables{}",
            about_profile(env)
        ),
    )
}

/// `given` is set, `missing` is not.
fn half(given: Cow<'static, str>, missing: &str, to_what: &str, env: &Environment) -> BuildError {
    let mut remedy = format!("set {missing} to {to_what}");
    if given.starts_with("AWS_") {
        remedy += &format!(
            "; if the EKS webhook should set both, remove {given} from the manifest: the webhook sets neither if one \
             is already set"
        );
    }
    if env.has_pod_identity() {
        remedy += &format!(
            "; AWS_CONTAINER_CREDENTIALS_FULL_URI is set, so this may be EKS Pod Identity: {TO_USE_POD_IDENTITY}"
        );
    }
    BuildError::invalid(format!("{given} is set but {missing} is not"), remedy).with_setting(given)
}

/// Names a profile, which may hold role and token file. Building reads no files, so the profile has no effect.
fn about_profile(env: &Environment) -> String {
    let text = |variable| {
        format!(
            "; {variable} is set, but this builder does not read web_identity_token_file in a profile: set the \
             variables as well, or build a BackgroundCredentialsProvider around the credentials provider of the \
             SdkConfig"
        )
    };
    env.profile().map_or_else(String::new, text)
}

const TO_USE_POD_IDENTITY: &str = "to use Pod Identity, build a BackgroundCredentialsProvider around \
                                   aws_config::ecs::EcsCredentialsProvider, as the example pod_identity and \
                                   docs::roles show";
