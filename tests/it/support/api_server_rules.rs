//! What the API server refuses in an object although its schema allows it.
//!
//! Source: Kubernetes' reference of names, labels, pods, jobs and services.

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::Value;

use super::manifests::pod_of;

const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
const LABEL_KEY: &str = r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
const LABEL_VALUE: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$";
const PORT_NAME: &str = "^[a-z0-9-]{1,15}$";
const VARIABLE: &str = "^[-._a-zA-Z][-._a-zA-Z0-9]*$";
const CRON: &str = r"^[0-9*/,-]+( [0-9*/,-]+){4}$";

/// The faults of an object, one sentence each.
pub(crate) fn faults(object: &Value) -> Vec<String> {
    let mut faults = Faults::default();
    let (kind, metadata) = (text(&object["kind"]), &object["metadata"]);
    let name_rule = if ["Namespace", "Service"].contains(&kind) { LABEL } else { SUBDOMAIN };
    // RBAC allows more: `system:node`.
    if kind != "ClusterRoleBinding" {
        faults.must_match(name_rule, "the name", text(&metadata["name"]));
    }
    if !metadata["namespace"].is_null() {
        faults.must_match(LABEL, "the namespace", text(&metadata["namespace"]));
    }
    faults.labels(&metadata["labels"]);
    match kind {
        "Deployment" => {
            faults.pod(pod_of(object), &["Always"]);
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            faults.labels(labels);
            if &object["spec"]["selector"]["matchLabels"] != labels {
                faults.add("the selector does not match the pods' labels");
            }
        }
        "CronJob" => {
            // A job's name is longer than that of its CronJob, and its pods' names are longer still.
            if text(&metadata["name"]).len() > 52 {
                faults.add("the name is longer than 52 characters");
            }
            faults.must_match(CRON, "the schedule", text(&object["spec"]["schedule"]));
            if !["Allow", "Forbid", "Replace"].contains(&text(&object["spec"]["concurrencyPolicy"])) {
                faults.add("there is no such concurrencyPolicy");
            }
            faults.pod(pod_of(object), &["Never", "OnFailure"]);
        }
        "Service" => {
            for port in list(&object["spec"]["ports"]) {
                faults.must_match(LABEL, "the port's name", text(&port["name"]));
            }
        }
        "ConfigMap" => {
            for name in object["data"].as_object().into_iter().flat_map(|data| data.keys()) {
                faults.must_match("^[-._a-zA-Z0-9]+$", "the key", name);
            }
        }
        _ => {}
    }
    faults.0
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn must_match(&mut self, rule: &str, what: &str, value: &str) {
        if !Regex::new(rule).unwrap().is_match(value) {
            self.add(format!("{what} {value:?} does not match {rule}"));
        }
    }

    fn labels(&mut self, labels: &Value) {
        for (key, value) in labels.as_object().into_iter().flatten() {
            self.must_match(LABEL_KEY, "the label", key);
            self.must_match(LABEL_VALUE, "the label's value", text(value));
        }
    }

    fn pod(&mut self, pod: &Value, restart_policies: &[&str]) {
        if !restart_policies.contains(&pod["restartPolicy"].as_str().unwrap_or("Always")) {
            self.add(format!("restartPolicy must be one of {restart_policies:?}"));
        }
        let volumes = self.names("volume", LABEL, list(&pod["volumes"]));
        for source in list(&pod["volumes"]).flat_map(|volume| list(&volume["projected"]["sources"])) {
            self.projected(source);
        }
        let containers = || list(&pod["initContainers"]).chain(list(&pod["containers"]));
        self.names("container", LABEL, containers());
        for container in containers() {
            self.container(container, &volumes);
        }
    }

    fn projected(&mut self, source: &Value) {
        if source.as_object().map(|kinds| kinds.len()) != Some(1) {
            self.add("a projected source must be of one kind");
        }
        let token = &source["serviceAccountToken"];
        if !token.is_null() && !(600..=1 << 32).contains(&token["expirationSeconds"].as_u64().unwrap_or(3600)) {
            self.add("expirationSeconds must be 600 or more");
        }
        let items = list(&source["configMap"]["items"]);
        for path in items.chain((!token.is_null()).then_some(token)).map(|file| text(&file["path"])) {
            if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
                self.add(format!("the path {path:?} must be relative, and must not leave the volume"));
            }
        }
    }

    fn container(&mut self, container: &Value, volumes: &BTreeSet<&str>) {
        let ports = self.names("port", PORT_NAME, list(&container["ports"]));
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            if let Some(port) = container[probe]["httpGet"]["port"].as_str()
                && !ports.contains(port)
            {
                self.add(format!("{probe} has the unknown port {port}"));
            }
        }
        self.names("variable", VARIABLE, list(&container["env"]));
        let mut paths = BTreeSet::new();
        for mount in list(&container["volumeMounts"]) {
            let (name, path) = (text(&mount["name"]), text(&mount["mountPath"]));
            if !volumes.contains(name) {
                self.add(format!("there is no volume {name} to mount"));
            }
            if path.is_empty() || path.contains(':') || !paths.insert(path) {
                self.add(format!("mountPath {path:?} must be unique, without a colon"));
            }
        }
        let resources = &container["resources"];
        for (name, limit) in resources["limits"].as_object().into_iter().flatten() {
            let request = &resources["requests"][name];
            if !request.is_null() && quantity(request) > quantity(limit) {
                self.add(format!("the request of {name} is above its limit"));
            }
        }
        let quantities = ["limits", "requests"].map(|kind| resources[kind].as_object()).into_iter().flatten().flatten();
        for (name, amount) in quantities {
            if quantity(amount).is_none() {
                self.add(format!("{amount} of {name} is no quantity"));
            }
        }
    }

    /// The names of these items. They must be unique.
    fn names<'a>(&mut self, what: &str, rule: &str, items: impl Iterator<Item = &'a Value>) -> BTreeSet<&'a str> {
        let mut names = BTreeSet::new();
        for item in items {
            let name = text(&item["name"]);
            self.must_match(rule, &format!("the {what}"), name);
            if !names.insert(name) {
                self.add(format!("there are two {what}s {name}"));
            }
        }
        names
    }
}

/// A quantity in thousandths.
fn quantity(value: &Value) -> Option<u64> {
    let value = value.as_str()?;
    let number = value.trim_end_matches(char::is_alphabetic);
    let factor = match &value[number.len()..] {
        "m" => 1,
        "" => 1000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
