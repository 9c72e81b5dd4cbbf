//! `examples/kubernetes/README.md`, walked from the first line to the last.
//!
//! The walk takes its commands from the page, word for word and in order. It fails at a command that it neither runs nor
//! leaves out with a reason. `openssl`, `curl`, the publisher's scripts, `doctor` and `whoami` are the real programs.
//! `aws`, `kubeadm` and `kubectl` are stand-ins: they do what the command says to a cluster and an AWS within the test.

mod aws;
mod cluster;
mod commands;
mod network;
mod pod;
mod world;

use std::collections::VecDeque;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::world::{STAND_INS, World, result_of};
use crate::support::manifests::{AUDIENCE, ISSUER, folder, role_arn, template};
use crate::support::skipped;

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_works() {
    for program in ["curl", "openssl"] {
        if Command::new(program).arg("version").output().is_err() {
            return skipped(format_args!("{program} is not here"));
        }
    }
    let mut walk = Walk::start().await;
    walk.leave_out("cargo test -p it kubernetes_manifests", "the tests that it names run beside this walk");

    // Steps 1 to 4.
    walk.run("aws cloudformation deploy --region eu-central-1 --stack-name shop-oidc-bucket").await;
    let token_of_running_pod = walk.world.cluster().token("kube-system", "coredns", None);
    walk.open("kubeadm-config.yaml");
    walk.run("kubeadm init --config").await;
    walk.run("kubectl -n kube-system get cm kubeadm-config").await;
    walk.run("kubeadm init phase control-plane apiserver").await;
    walk.run("kubeadm init phase upload-config").await;
    let claims = walk.run("kubectl create token").await;
    assert!(claims.contains(&format!(r#""iss":"{ISSUER}""#)) && claims.contains(AUDIENCE), "{claims}");
    assert!(walk.world.cluster().accepts(&token_of_running_pod), "running pods must keep their access");
    let token_for_aws = walk.token();
    assert!(!walk.world.cluster().accepts(&token_for_aws), "a token for AWS must not open the API server");
    walk.run("kubectl get --raw /openid/v1/jwks |").await;
    let too_early = walk.early("aws cloudformation deploy").await.unwrap_err();
    assert!(too_early.contains("the issuer cannot be read"), "{too_early}");
    walk.run("kubectl get --raw /.well-known/openid-configuration |").await;
    let document = walk.run("curl -fsS https://").await;
    assert_eq!(serde_json::from_str::<Value>(&document).unwrap()["issuer"], ISSUER);
    walk.run("aws cloudformation deploy --region eu-central-1 --stack-name shop-oidc-iam").await;

    // Steps 5 to 7.
    walk.run("kubectl apply -f discovery-publisher.yaml").await;
    walk.run("kubectl -n kube-system create job").await;
    walk.run("kubectl -n kube-system wait").await;
    walk.open("Dockerfile");
    walk.leave_out("docker build", "its base images come from a registry; `kubernetes_manifests` reads the file");
    walk.run("kubectl apply -f checkout.yaml").await;
    walk.open("eks-webhook.yaml");
    walk.run("kubectl apply -f eks-webhook.yaml").await;
    walk.run("kubectl -n shop exec deploy/payments -- doctor").await;
    let report = walk.run(DOCTOR).await;
    assert_eq!(policy_in(&report), trust_policy("CheckoutRole"));
    let identity = walk.run("kubectl -n shop exec deploy/checkout -- whoami").await;
    assert!(identity.contains("assumed-role/checkout/"), "{identity}");

    // Rotate the signing key: make it, publish, sign, wait, retire.
    let old_token = walk.token();
    walk.run("openssl genrsa -out sa-next.key").await;
    walk.copy_next_key();
    walk.configure(|config| config.to_owned() + &key_file("sa-next.pub")).await;
    assert_eq!(walk.published_keys(), 1);
    assert!(walk.publisher_runs().await);
    assert_eq!(walk.published_keys(), 2);
    walk.again(DOCTOR).await.unwrap();

    let controller_manager = "controllerManager:\n  extraArgs:\n    - name: service-account-private-key-file\n      value: \
                              /etc/kubernetes/pki/sa-next.key\n";
    walk.configure(|config| config.replace("pki/sa.key", "pki/sa-next.key") + controller_manager).await;
    walk.run("kubeadm init phase control-plane controller-manager").await;
    let report = walk.again(DOCTOR).await.unwrap();
    assert!(report.contains("(2 keys in all)"), "{report}");
    assert!(walk.publisher_runs().await);
    assert!(walk.world.aws().exchange(&role_arn("checkout"), &old_token).is_ok(), "running pods keep their tokens");

    walk.configure(|config| config.replace(&key_file("sa.pub"), "")).await;
    assert!(walk.publisher_runs().await);
    assert_eq!(walk.published_keys(), 1);
    walk.again(DOCTOR).await.unwrap();
    assert!(walk.world.aws().exchange(&role_arn("checkout"), &old_token).is_err(), "the old key must be retired");

    // A key signs before it is published: the publisher is locked out, and publication by hand helps.
    walk.again("openssl genrsa -out sa-next.key").await.unwrap();
    walk.copy_next_key();
    assert!(!walk.publisher_runs().await);
    let report = walk.again(DOCTOR).await.unwrap_err();
    for part in ["fail     signing_key", "InvalidIdentityToken", "first correct signing_key"] {
        assert!(report.contains(part), "{report}");
    }
    walk.again("kubectl get --raw /openid/v1/jwks |").await.unwrap();
    walk.again("kubectl get --raw /.well-known/openid-configuration |").await.unwrap();
    walk.again(DOCTOR).await.unwrap();
    assert!(walk.publisher_runs().await);

    assert!(walk.coming.is_empty(), "the walk neither runs nor leaves out {:?}", walk.coming);
}

#[test]
fn comments_repeat_commands_of_the_readme() {
    let page = commands::of_page(&fs::read_to_string(folder().join("README.md")).unwrap());
    let page: Vec<_> = page.iter().map(|command| words(command)).collect();
    for file in ["checkout.yaml", "cloudformation-bucket.yaml", "cloudformation-iam.yaml"] {
        let repeated = commands::of_comments(&fs::read_to_string(folder().join(file)).unwrap());
        assert!(!repeated.is_empty(), "{file}");
        for command in repeated {
            assert!(page.contains(&words(&command)), "{file}: {command}");
        }
    }
}

const DOCTOR: &str = "kubectl -n shop exec deploy/checkout -- doctor";

struct Walk {
    world: Arc<World>,
    coming: VecDeque<String>,
    done: Vec<String>,
}

impl Walk {
    async fn start() -> Self {
        let page = fs::read_to_string(folder().join("README.md")).unwrap();
        Self { world: World::start().await, coming: commands::of_page(&page), done: Vec::new() }
    }

    /// The commands in the comments of a file come next.
    fn open(&mut self, file: &str) {
        for command in commands::of_comments(&fs::read_to_string(folder().join(file)).unwrap()).into_iter().rev() {
            self.coming.push_front(command);
        }
    }

    /// Runs the next command, which begins with these words. It must succeed.
    async fn run(&mut self, begins: &str) -> String {
        let command = self.next(begins);
        let said = self.shell(&command).await.unwrap_or_else(|said| panic!("{command}\n{said}"));
        let stand_ins: Vec<_> =
            STAND_INS.into_iter().filter(|name| command.split_whitespace().any(|word| word == *name)).collect();
        match stand_ins.as_slice() {
            [] => println!("ran: {command}"),
            some => println!("ran with a stand-in for {}: {command}", some.join(" and ")),
        }
        said
    }

    fn leave_out(&mut self, begins: &str, why: &str) {
        let command = self.next(begins);
        skipped(format_args!("{command}: {why}"));
    }

    /// Runs a command of the page again.
    async fn again(&self, begins: &str) -> Result<String, String> {
        let command = self.done.iter().find(|command| command.starts_with(begins)).expect(begins);
        self.shell(command).await
    }

    fn next(&mut self, begins: &str) -> String {
        let command = self.coming.pop_front().unwrap_or_default();
        assert!(
            command.starts_with(begins),
            "the page has {command:?} where the walk expects {begins:?}: the walk must run each command or leave it out \
             with a reason"
        );
        self.done.push(command.clone());
        command
    }

    async fn shell(&self, command: &str) -> Result<String, String> {
        let mut shell = self.world.command("/bin/sh");
        shell.args(["-euc", command]).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || shell.output());
        // A command may be a job of many processes.
        result_of(&tokio::time::timeout(Duration::from_secs(120), output).await.expect(command).unwrap().unwrap())
    }

    /// Runs a coming command before its time.
    async fn early(&self, begins: &str) -> Result<String, String> {
        let command = self.coming.iter().find(|command| command.starts_with(begins)).expect(begins);
        self.shell(command).await
    }

    /// A token that a pod of the service has now.
    fn token(&self) -> String {
        self.world.cluster().token("shop", "checkout", Some(AUDIENCE))
    }

    /// Copies the new key to the control-plane node.
    fn copy_next_key(&self) {
        for name in ["sa-next.key", "sa-next.pub"] {
            let to = self.world.cluster().pki.join(name);
            fs::copy(self.world.folder().join(name), &to).unwrap();
        }
    }

    /// Changes the configuration, and applies it as in step 2. The page names each file of the new configuration.
    async fn configure(&self, change: impl FnOnce(&str) -> String) {
        let file = self.world.folder().join("kubeadm-config.yaml");
        let before = fs::read_to_string(&file).unwrap();
        let after = change(&before);
        assert_ne!(before, after);
        let page = fs::read_to_string(folder().join("README.md")).unwrap();
        for line in after.lines().filter(|line| !before.contains(line)) {
            let named = line.rsplit(": ").next().unwrap().trim().trim_end_matches(':');
            assert!(page.contains(named), "the page does not name {named}");
        }
        fs::write(file, after).unwrap();
        self.again("kubeadm init phase control-plane apiserver").await.unwrap();
        self.again("kubeadm init phase upload-config").await.unwrap();
    }

    /// Runs the publisher on its schedule. False if the job failed.
    async fn publisher_runs(&self) -> bool {
        let world = self.world.clone();
        tokio::task::spawn_blocking(move || world.publish()).await.unwrap().unwrap()
    }

    fn published_keys(&self) -> usize {
        let keys = self.world.aws().public(&format!("{ISSUER}/openid/v1/jwks")).unwrap().body.clone();
        serde_json::from_str::<Value>(&keys).unwrap()["keys"].as_array().unwrap().len()
    }
}

fn key_file(name: &str) -> String {
    format!("    - name: service-account-key-file\n      value: /etc/kubernetes/pki/{name}\n")
}

/// The policy at the end of the doctor's report.
fn policy_in(report: &str) -> Value {
    serde_json::from_str(&report[report.find('{').unwrap()..=report.rfind('}').unwrap()]).unwrap()
}

fn trust_policy(role: &str) -> Value {
    let role = &template("cloudformation-iam.yaml")["Resources"][role];
    serde_json::from_str(role["Properties"]["AssumeRolePolicyDocument"].as_str().unwrap()).unwrap()
}

fn words(text: &str) -> String {
    text.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}
