//! The operator's machine: programs that stand in for `aws`, `kubeadm` and `kubectl`, and the hosts that they reach.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::aws::{Aws, BUCKET_HOST, Caller, STS_HOST};
use super::cluster::{API_SERVER, Cluster};
use super::network::Network;
use super::pod::Pod;
use crate::diagnosis::servers::serve;
use crate::support::example_program::example_path;
use crate::support::manifests;

pub(super) const STAND_INS: [&str; 3] = ["aws", "kubeadm", "kubectl"];

pub(super) struct World {
    root: TempDir,
    cluster: Mutex<Cluster>,
    aws: Mutex<Aws>,
    /// True for each job that succeeded.
    jobs: Mutex<BTreeMap<String, bool>>,
    network: OnceLock<Network>,
}

impl World {
    pub(super) async fn start() -> Arc<Self> {
        let root = tempfile::tempdir().unwrap();
        for name in ["kubernetes", "pki", "programs"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        for entry in fs::read_dir(manifests::folder()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, root.path().join("kubernetes").join(path.file_name().unwrap())).unwrap();
        }
        let world = Arc::new(Self {
            cluster: Mutex::new(Cluster::new(root.path().join("pki"))),
            aws: Mutex::default(),
            jobs: Mutex::default(),
            network: OnceLock::new(),
            root,
        });
        // The servers must not keep the world alive.
        let weak = Arc::downgrade(&world);
        let hosts = {
            let weak = weak.clone();
            Router::new().fallback(async move |headers: HeaderMap, uri: Uri, body: String| {
                in_background(&weak, move |world| world.answer(&headers, &uri, &body)).await
            })
        };
        let network = Network::start(&[API_SERVER, BUCKET_HOST, STS_HOST], hosts).await;
        fs::write(world.root.path().join("ca.crt"), &network.certificate).unwrap();
        assert!(world.network.set(network).is_ok());

        let programs = Router::new().fallback(async move |headers: HeaderMap, uri: Uri, body: String| {
            in_background(&weak, move |world| match world.program(&headers, uri.path(), &body) {
                Ok(said) => said.into_response(),
                Err(said) => (StatusCode::UNPROCESSABLE_ENTITY, said).into_response(),
            })
            .await
        });
        let url = serve(programs).await;
        for name in STAND_INS {
            let path = world.root.path().join("programs").join(name);
            fs::write(&path, STAND_IN.replace("URL", &format!("{url}/{name}"))).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        world
    }

    /// A copy of `examples/kubernetes`.
    pub(super) fn folder(&self) -> PathBuf {
        self.root.path().join("kubernetes")
    }

    pub(super) fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap()
    }

    pub(super) fn aws(&self) -> MutexGuard<'_, Aws> {
        self.aws.lock().unwrap()
    }

    pub(super) fn network(&self) -> &Network {
        self.network.get().unwrap()
    }

    /// A command that finds the stand-ins, and reaches the hosts of the walk alone.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let path = format!("{}/programs:{}", self.root.path().display(), std::env::var("PATH").unwrap());
        command
            .current_dir(self.folder())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.root.path())
            .env("HTTPS_PROXY", &self.network().proxy)
            .env("SSL_CERT_FILE", self.root.path().join("ca.crt"));
        command
    }

    fn program(&self, headers: &HeaderMap, path: &str, stdin: &str) -> Result<String, String> {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let arguments = String::from_utf8(BASE64_STANDARD.decode(header("arguments")).unwrap()).unwrap();
        let arguments: Vec<_> = arguments.lines().collect();
        let caller = Caller { role_arn: header("role"), token: header("token") };
        match path {
            "/aws" => self.aws().run(&arguments, stdin, Some(caller).filter(|caller| !caller.role_arn.is_empty())),
            "/kubeadm" => self.cluster().kubeadm(&arguments, &self.folder()),
            "/kubectl" => self.kubectl(&arguments),
            other => Err(format!("no program {other}")),
        }
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        match *arguments {
            ["get", "--raw", path] => {
                let document = self.cluster().document(path);
                document.map(|document| document.to_string()).ok_or_else(|| format!("{path} not found"))
            }
            ["-n", "kube-system", "get", "cm", "kubeadm-config", "-o", "jsonpath={.data.ClusterConfiguration}"] => {
                Ok(self.cluster().stored.clone())
            }
            ["create", "token", account, "--audience", audience] => {
                Ok(self.cluster().token("default", account, Some(audience)))
            }
            ["apply", "-f", file] => {
                if !self.folder().join(file).exists() {
                    return Err(format!("{file}: no such file"));
                }
                self.cluster().applied.insert(file.to_owned());
                Ok(String::new())
            }
            ["-n", "kube-system", "create", "job", "--from=cronjob/oidc-publisher", name] => {
                let success = self.publish()?;
                self.jobs.lock().unwrap().insert(name.to_owned(), success);
                Ok(String::new())
            }
            ["-n", "kube-system", "wait", "--for=condition=complete", "--timeout=5m", job] => {
                let job = job.strip_prefix("job/").ok_or("only jobs are complete")?;
                match self.jobs.lock().unwrap().get(job) {
                    Some(true) => Ok(format!("job.batch/{job} condition met")),
                    _ => Err("timed out waiting for the condition".to_owned()),
                }
            }
            ["-n", namespace, "exec", deployment, "--", program] => {
                let name = deployment.strip_prefix("deploy/").ok_or("the walk knows only deployments")?;
                let file = match name {
                    "checkout" => "checkout.yaml",
                    "payments" => "eks-webhook.yaml",
                    other => return Err(format!("deployments {other:?} not found")),
                };
                self.must_be_applied(file)?;
                if manifests::find(file, "Deployment")["metadata"]["namespace"] != namespace {
                    return Err(format!("deployments {name:?} not found in {namespace}"));
                }
                let pod = Pod::start(self, file, "Deployment");
                let output =
                    pod.command(self, &pod.spec["containers"][0], example_path(program), &[]).output().unwrap();
                result_of(&output)
            }
            _ => Err(format!("kubectl has no command {arguments:?}")),
        }
    }

    /// Runs the job of the publisher. False if one of its containers failed.
    pub(super) fn publish(&self) -> Result<bool, String> {
        let file = "discovery-publisher.yaml";
        self.must_be_applied(file)?;
        let pod = Pod::start(self, file, "CronJob");
        for containers in ["initContainers", "containers"] {
            for container in pod.spec[containers].as_array().unwrap() {
                let words = container["command"].as_array().into_iter().chain(container["args"].as_array()).flatten();
                let words: Vec<_> = words.filter_map(Value::as_str).collect();
                let output = pod.command(self, container, words[0].into(), &words[1..]).output().unwrap();
                if let Err(said) = result_of(&output) {
                    eprintln!("the container {} failed: {said}", container["name"]);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn must_be_applied(&self, file: &str) -> Result<(), String> {
        if self.cluster().applied.contains(file) { Ok(()) } else { Err(format!("{file} is not applied")) }
    }

    /// Answers a request to a host.
    fn answer(&self, headers: &HeaderMap, uri: &Uri, body: &str) -> Response {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match header(HOST) {
            API_SERVER => {
                let cluster = self.cluster();
                let bearer = header(AUTHORIZATION).strip_prefix("Bearer ").unwrap_or_default();
                match cluster.document(uri.path()) {
                    _ if !cluster.accepts(bearer) => StatusCode::UNAUTHORIZED.into_response(),
                    Some(document) => document.to_string().into_response(),
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
            STS_HOST => {
                let form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                match self.aws().sts(&form, header(AUTHORIZATION)) {
                    Ok(answer) => ([(CONTENT_TYPE, "text/xml")], answer).into_response(),
                    Err((status, code, message)) => {
                        let error = format!(
                            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                             <RequestId>walk</RequestId></ErrorResponse>"
                        );
                        (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, "text/xml")], error).into_response()
                    }
                }
            }
            host => match self.aws().public(&format!("https://{host}{}", uri.path())) {
                Some(object) => ([(CONTENT_TYPE, object.content_type.clone())], object.body.clone()).into_response(),
                None => StatusCode::FORBIDDEN.into_response(),
            },
        }
    }
}

/// What a process printed: `Err` if it failed.
pub(super) fn result_of(output: &Output) -> Result<String, String> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(said) } else { Err(said + &String::from_utf8_lossy(&output.stderr)) }
}

/// Answers may take processes and time.
async fn in_background(
    world: &Weak<World>,
    answer: impl FnOnce(&World) -> Response + Send + 'static,
) -> Result<Response, StatusCode> {
    let world = world.upgrade().ok_or(StatusCode::GONE)?;
    tokio::task::spawn_blocking(move || answer(&world)).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

/// Hands a call to the test, and ends as the test says.
const STAND_IN: &str = r#"#!/bin/sh
set -eu
token=
if [ -n "${AWS_WEB_IDENTITY_TOKEN_FILE:-}" ]; then token=$(cat "$AWS_WEB_IDENTITY_TOKEN_FILE"); fi
exec curl --silent --show-error --fail-with-body --noproxy '*' --data-binary @- --header 'Content-Type: text/plain' \
    --header "Arguments: $(printf '%s\n' "$@" | base64 | tr -d '\n')" \
    --header "Role: ${AWS_ROLE_ARN:-}" --header "Token: $token" URL
"#;
