//! What kubeadm and the API server refuse in a `ClusterConfiguration` of v1beta4.
//!
//! Source: kubeadm's reference of v1beta4, and the API server's options for service accounts.

use std::collections::BTreeSet;

use serde_json::Value;

const CLUSTER: &[&str] = &[
    "apiServer",
    "apiVersion",
    "caCertificateValidityPeriod",
    "certificateValidityPeriod",
    "certificatesDir",
    "clusterName",
    "controlPlaneEndpoint",
    "controllerManager",
    "dns",
    "encryptionAlgorithm",
    "etcd",
    "featureGates",
    "imageRepository",
    "kind",
    "kubernetesVersion",
    "networking",
    "proxy",
    "scheduler",
];
const API_SERVER: &[&str] = &["certSANs", "extraArgs", "extraEnvs", "extraVolumes"];
const COMPONENT: &[&str] = &["extraArgs", "extraEnvs", "extraVolumes"];

/// The faults of a configuration, one sentence each.
pub(crate) fn faults(config: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    if config["apiVersion"] != "kubeadm.k8s.io/v1beta4" || config["kind"] != "ClusterConfiguration" {
        faults.push("this is no ClusterConfiguration of v1beta4".to_owned());
    }
    unknown_fields("the configuration", config, CLUSTER, &mut faults);
    for (component, known) in [("apiServer", API_SERVER), ("controllerManager", COMPONENT), ("scheduler", COMPONENT)] {
        unknown_fields(component, &config[component], known, &mut faults);
        let arguments = &config[component]["extraArgs"];
        if !arguments.is_null() && !arguments.is_array() {
            faults.push(format!("{component}.extraArgs must be a list of names and values"));
        }
        for argument in arguments.as_array().into_iter().flatten() {
            unknown_fields(&format!("{component}.extraArgs"), argument, &["name", "value"], &mut faults);
            match (argument["name"].as_str(), argument["value"].as_str()) {
                (Some(name), Some(_)) if !name.is_empty() && !name.starts_with('-') => {}
                _ => faults.push(format!("{component}.extraArgs must not have {argument}")),
            }
        }
    }
    let version = config["kubernetesVersion"].as_str().unwrap_or_default();
    let numbers: Vec<_> = version.strip_prefix('v').unwrap_or_default().split('.').collect();
    if numbers.len() != 3 || numbers.iter().any(|number| number.parse::<u16>().is_err()) {
        faults.push(format!("kubernetesVersion {version:?} must be vMAJOR.MINOR.PATCH"));
    }
    service_account_faults(config, &mut faults);
    faults
}

/// The values of an argument of the API server, in order.
pub(crate) fn api_server_values<'a>(config: &'a Value, name: &str) -> Vec<&'a str> {
    let arguments = config["apiServer"]["extraArgs"].as_array().into_iter().flatten();
    arguments.filter(|argument| argument["name"] == name).filter_map(|argument| argument["value"].as_str()).collect()
}

fn unknown_fields(place: &str, value: &Value, known: &[&str], faults: &mut Vec<String>) {
    let names = value.as_object().into_iter().flat_map(|fields| fields.keys());
    faults.extend(
        names.filter(|name| !known.contains(&name.as_str())).map(|name| format!("{place} has no field {name}")),
    );
}

fn service_account_faults(config: &Value, faults: &mut Vec<String>) {
    let values = |name| api_server_values(config, name);
    let issuers = values("service-account-issuer");
    let different: BTreeSet<_> = issuers.iter().collect();
    if different.len() != issuers.len() {
        faults.push("service-account-issuer must not have one value twice".to_owned());
    }
    for url in issuers.iter().chain(&values("service-account-jwks-uri")) {
        if url.parse::<http::Uri>().ok().and_then(|url| url.scheme_str().map(str::to_owned)).as_deref() != Some("https")
        {
            faults.push(format!("{url} must be an https URL"));
        }
    }
    for name in ["service-account-jwks-uri", "service-account-signing-key-file"] {
        if values(name).len() != 1 {
            faults.push(format!("{name} must have one value"));
        }
    }
    let keys = values("service-account-key-file");
    let signing_keys = values("service-account-signing-key-file");
    for file in keys.iter().chain(&signing_keys) {
        if !file.starts_with("/etc/kubernetes/pki/") {
            faults.push(format!("kubeadm does not mount {file} into the API server"));
        }
    }
    for private in signing_keys {
        if !keys.contains(&&*private.replace(".key", ".pub")) {
            faults.push(format!("no service-account-key-file verifies what {private} signs"));
        }
    }
}
