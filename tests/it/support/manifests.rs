//! The manifests of `examples/kubernetes`, as their tools read them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ISSUER: &str = "https://shop-oidc-123456789012.s3.eu-central-1.amazonaws.com/prod";
pub(crate) const AUDIENCE: &str = "sts.amazonaws.com";

pub(crate) fn root() -> &'static Path {
    Path::new(crate::ROOT)
}

pub(crate) fn folder() -> PathBuf {
    root().join("examples/kubernetes")
}

pub(crate) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// The documents of a file in `examples/kubernetes`, or at another path.
pub(crate) fn documents(file: impl AsRef<Path>) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    let documents = text.split("\n---\n");
    documents.map(|document| plain(serde_norway::from_str(document).unwrap())).collect()
}

pub(crate) fn all_of_kubernetes() -> Vec<Value> {
    ["checkout.yaml", "discovery-publisher.yaml", "eks-webhook.yaml"].into_iter().flat_map(documents).collect()
}

pub(crate) fn find(file: &str, kind: &str) -> Value {
    documents(file).into_iter().find(|document| document["kind"] == kind).unwrap()
}

pub(crate) fn pod_of(workload: &Value) -> &Value {
    let job = &workload["spec"]["jobTemplate"]["spec"];
    let template = if job.is_null() { &workload["spec"] } else { job };
    &template["template"]["spec"]
}

pub(crate) fn variables(container: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let listed = container["env"].as_array().into_iter().flatten();
    listed.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

pub(crate) fn variables_with_config_maps(container: &Value, file: &str) -> BTreeMap<String, String> {
    let mut all = variables(container);
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let map = find(file, "ConfigMap");
        assert_eq!(map["metadata"]["name"], source["configMapRef"]["name"]);
        let data = map["data"].as_object().unwrap();
        all.extend(data.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    }
    all
}

/// A template as CloudFormation makes it of the parameters' defaults.
pub(crate) fn template(file: &str) -> Value {
    let mut template = documents(file).remove(0);
    assert_eq!(template["AWSTemplateFormatVersion"], "2010-09-09");
    let mut known: BTreeMap<String, String> = [
        ("AWS::AccountId", ACCOUNT),
        ("AWS::Region", REGION),
        ("AWS::Partition", "aws"),
        ("AWS::URLSuffix", "amazonaws.com"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    for (name, parameter) in template["Parameters"].as_object().unwrap() {
        known.insert(name.clone(), parameter["Default"].as_str().expect("a default").to_owned());
    }
    resolve(&mut template, &known);
    template
}

fn resolve(value: &mut Value, known: &BTreeMap<String, String>) {
    if let Some(text) = value["!Sub"].as_str() {
        let mut text = text.to_owned();
        for (name, to) in known {
            text = text.replace(&format!("${{{name}}}"), to);
        }
        assert!(!text.contains("${"), "unknown parameter: {text}");
        *value = Value::from(text);
    } else if let Some(name) = value["!Ref"].as_str() {
        let to = known.get(name).cloned().unwrap_or_else(|| name.to_owned());
        *value = Value::from(to);
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, known)),
        Value::Object(fields) => fields.values_mut().for_each(|field| resolve(field, known)),
        _ => {}
    }
}

/// YAML as JSON; a tag becomes an object with one field.
fn plain(value: serde_norway::Value) -> Value {
    use serde_norway::Value as Yaml;

    match value {
        Yaml::Tagged(tagged) => json!({ tagged.tag.to_string(): plain(tagged.value) }),
        Yaml::Sequence(items) => items.into_iter().map(plain).collect(),
        Yaml::Mapping(fields) => {
            let named = |(name, field): (Yaml, Yaml)| (name.as_str().expect("a name").to_owned(), plain(field));
            Value::Object(fields.into_iter().map(named).collect())
        }
        other => serde_json::to_value(other).unwrap(),
    }
}
