//! The configuration that a program loads in a pod.

use std::io;
use std::path::Path;

use aws_config::{BehaviorVersion, Region, SdkConfig};

/// Loads aws-config's default chain. A profile holds the variables of the pod, since a process has one environment
/// only.
#[expect(deprecated, reason = "the new names of these types need one dependency more")]
pub(crate) async fn load(pod: Pod<'_>) -> io::Result<SdkConfig> {
    use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
    let Pod { profile, role_arn, session_name, token_file, sts } = pod;
    let token_file = token_file.display();
    std::fs::write(
        profile,
        format!(
            "[default]\nrole_arn = {role_arn}\nrole_session_name = {session_name}\n\
             web_identity_token_file = {token_file}\nservices = mock\n\
             [services mock]\nsts =\n  endpoint_url = {sts}\n"
        ),
    )?;
    let files = ProfileFiles::builder().with_file(ProfileFileKind::Config, profile).build();
    let loader = aws_config::defaults(BehaviorVersion::latest()).region(Region::from_static("eu-central-1"));
    Ok(loader.profile_files(files).load().await)
}

#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    /// Where to write the profile.
    pub(crate) profile: &'a Path,
    pub(crate) role_arn: &'a str,
    pub(crate) session_name: &'a str,
    pub(crate) token_file: &'a Path,
    /// Endpoint of STS.
    pub(crate) sts: &'a str,
}
