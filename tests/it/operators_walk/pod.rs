//! A pod of a manifest: its volumes in a folder, and its containers as processes.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::world::World;
use crate::support::manifests::{AUDIENCE, find, pod_of, variables_with_config_maps};

pub(super) struct Pod {
    pub(super) spec: Value,
    file: String,
    volumes: TempDir,
}

impl Pod {
    /// Admits the pod of a workload, and writes its volumes as the kubelet does.
    pub(super) fn start(world: &World, file: &str, kind: &str) -> Self {
        let workload = find(file, kind);
        let mut spec = pod_of(&workload).clone();
        let (namespace, account) = (text(&workload["metadata"]["namespace"]), text(&spec["serviceAccountName"]));
        inject(&mut spec, &find(file, "ServiceAccount")["metadata"]["annotations"]);
        let volumes = tempfile::tempdir().unwrap();
        for volume in spec["volumes"].as_array().unwrap() {
            let folder = volumes.path().join(text(&volume["name"]));
            fs::create_dir(&folder).unwrap();
            for source in volume["projected"]["sources"].as_array().into_iter().flatten() {
                let token = &source["serviceAccountToken"];
                if let Some(path) = token["path"].as_str() {
                    let token = world.cluster().token(&namespace, &account, token["audience"].as_str());
                    fs::write(folder.join(path), token).unwrap();
                }
                if source["configMap"]["name"] == "kube-root-ca.crt" {
                    let path = text(&source["configMap"]["items"][0]["path"]);
                    fs::write(folder.join(path), &world.network().certificate).unwrap();
                }
            }
        }
        Self { spec, file: file.to_owned(), volumes }
    }

    /// A process in a container.
    pub(super) fn command(&self, world: &World, container: &Value, program: PathBuf, arguments: &[&str]) -> Command {
        let mut command = world.command(program);
        command.args(arguments.iter().map(|argument| self.outside(container, argument))).stdin(Stdio::null());
        for (name, value) in variables_with_config_maps(container, &self.file) {
            command.env(name, self.outside(container, &value));
        }
        command
    }

    /// Replaces the paths of the container's mounts with those of the folder.
    fn outside(&self, container: &Value, text_inside: &str) -> String {
        let mut mounts: BTreeMap<String, String> = BTreeMap::new();
        for mount in container["volumeMounts"].as_array().unwrap() {
            mounts.insert(text(&mount["mountPath"]), text(&mount["name"]));
        }
        // A replaced path may contain the name of another mount.
        let mut outside = text_inside.to_owned();
        for (number, path) in mounts.keys().enumerate() {
            outside = outside.replace(path, &format!("\0{number}\0"));
        }
        for (number, name) in mounts.values().enumerate() {
            outside = outside.replace(&format!("\0{number}\0"), self.volumes.path().join(name).to_str().unwrap());
        }
        outside
    }
}

/// The identity webhook: adds the token and its variables if the service account has the annotation.
fn inject(spec: &mut Value, annotations: &Value) {
    let Some(role) = annotations["eks.amazonaws.com/role-arn"].as_str() else { return };
    let folder = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let token = json!({ "serviceAccountToken": { "path": "token", "audience": AUDIENCE, "expirationSeconds": 86400 } });
    spec["volumes"] = json!([{ "name": "aws-iam-token", "projected": { "sources": [token] } }]);
    let container = &mut spec["containers"][0];
    container["volumeMounts"] = json!([{ "name": "aws-iam-token", "mountPath": folder, "readOnly": true }]);
    let variables = container["env"].as_array_mut().unwrap();
    variables.push(json!({ "name": "AWS_ROLE_ARN", "value": role }));
    variables.push(json!({ "name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{folder}/token") }));
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
