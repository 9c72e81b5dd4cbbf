//! The manifests of `examples/kubernetes` are valid for their tools, and agree with each other and with the crate.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use aws_web_identity::test_util::{OidcIssuer, TokenSpec};
use aws_web_identity::{TokenClaims, WebIdentityCredentialsProvider};
use serde_json::{Value, json};

use crate::support::api_server_rules;
use crate::support::kubeadm_rules::{self, api_server_values};
use crate::support::manifests::{
    ACCOUNT, AUDIENCE, ISSUER, REGION, all_of_kubernetes, documents, find, folder, pod_of, role_arn, root, template,
    variables, variables_with_config_maps,
};

#[test]
fn manifests_have_expected_kinds_and_versions() {
    let kinds = |file: &str| -> Vec<String> {
        documents(file).iter().map(|document| document["kind"].as_str().unwrap_or("template").to_owned()).collect()
    };
    let expected: &[(&str, &[&str])] = &[
        ("checkout.yaml", &["Namespace", "ServiceAccount", "ConfigMap", "Deployment", "Service"]),
        ("cloudformation-bucket.yaml", &["template"]),
        ("cloudformation-iam.yaml", &["template"]),
        ("discovery-publisher.yaml", &["ServiceAccount", "ClusterRoleBinding", "CronJob"]),
        ("eks-webhook.yaml", &["Namespace", "ServiceAccount", "Deployment"]),
        ("kubeadm-config.yaml", &["ClusterConfiguration"]),
    ];
    let mut files: Vec<_> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    let manifests: Vec<_> =
        files.iter().filter_map(|name| name.to_str()).filter(|name| name.ends_with("yaml")).collect();
    assert_eq!(manifests, expected.iter().map(|(file, _)| *file).collect::<Vec<_>>());
    for (file, expected) in expected {
        assert_eq!(kinds(file), *expected, "{file}");
        let head = fs::read_to_string(folder().join(file)).unwrap();
        assert!(head.starts_with("# "), "{file} must begin with a comment");
        assert!(!head.contains('<') && !head.contains("TODO") && !head.contains("EXAMPLE"), "{file} has a placeholder");
    }
    for document in all_of_kubernetes() {
        let version = document["apiVersion"].as_str().unwrap();
        let expected = match document["kind"].as_str().unwrap() {
            "Namespace" | "ServiceAccount" | "ConfigMap" | "Service" => "v1",
            "Deployment" => "apps/v1",
            "CronJob" => "batch/v1",
            "ClusterRoleBinding" => "rbac.authorization.k8s.io/v1",
            other => panic!("{other}"),
        };
        assert_eq!(version, expected);
    }
}

#[test]
fn issuer_agrees_across_manifests() {
    let config = &documents("kubeadm-config.yaml")[0];
    assert_eq!(config["apiVersion"], "kubeadm.k8s.io/v1beta4");
    let values = |name| api_server_values(config, name);
    let of_kubeadm = "https://kubernetes.default.svc.cluster.local";
    assert_eq!(values("service-account-issuer"), [ISSUER, of_kubeadm], "the first issuer goes into tokens");
    assert_eq!(values("service-account-jwks-uri"), [format!("{ISSUER}/openid/v1/jwks")]);
    assert_eq!(values("api-audiences"), [of_kubeadm], "tokens for AWS must not be accepted by the API server");
    assert_eq!(values("service-account-signing-key-file"), ["/etc/kubernetes/pki/sa.key"]);
    assert_eq!(values("service-account-key-file"), ["/etc/kubernetes/pki/sa.pub"]);

    let cron_job = find("discovery-publisher.yaml", "CronJob");
    let pod = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(variables(&pod["initContainers"][0])["ISSUER"], ISSUER);

    let iam = template("cloudformation-iam.yaml");
    let provider = &iam["Resources"]["OidcProvider"];
    assert_eq!(provider["Type"], "AWS::IAM::OIDCProvider");
    assert_eq!(provider["Properties"]["Url"], ISSUER);
    assert_eq!(provider["Properties"]["ClientIdList"], json!([AUDIENCE]));
    assert_eq!(template("cloudformation-bucket.yaml")["Outputs"]["Issuer"]["Value"], ISSUER);
}

#[test]
fn api_server_accepts_every_object() {
    for object in all_of_kubernetes() {
        assert_eq!(api_server_rules::faults(&object), [""; 0], "{}", object["metadata"]["name"]);
    }

    let deployment = || find("checkout.yaml", "Deployment");
    let cron_job = || find("discovery-publisher.yaml", "CronJob");
    let (pod, container) = ("/spec/template/spec", "/spec/template/spec/containers/0");
    for (object, place, value, fault) in [
        (deployment(), "/metadata/name", json!("check_out"), "the name"),
        (deployment(), "/metadata/namespace", json!("shop.eu"), "the namespace"),
        (deployment(), "/metadata/labels", json!({ "app": "check out" }), "the label's value"),
        (deployment(), "/spec/selector/matchLabels", json!({ "app": "other" }), "the selector"),
        (deployment(), &*format!("{pod}/volumes/0/name"), json!("token"), "no volume aws-token"),
        (
            deployment(),
            &format!("{pod}/volumes/0/projected/sources/0"),
            json!({ "secret": {}, "configMap": {} }),
            "one kind",
        ),
        (deployment(), &format!("{container}/name"), json!("Checkout"), "the container"),
        (deployment(), &format!("{container}/ports/0/name"), json!("a-very-long-port"), "the port"),
        (deployment(), &format!("{container}/readinessProbe/httpGet/port"), json!("web"), "unknown port web"),
        (deployment(), &format!("{container}/volumeMounts/0/mountPath"), json!("a:b"), "mountPath"),
        (deployment(), &format!("{container}/resources/requests/memory"), json!("1Gi"), "above its limit"),
        (deployment(), &format!("{container}/resources/limits/memory"), json!("1 GB"), "is no quantity"),
        (cron_job(), "/metadata/name", json!("a".repeat(53)), "52 characters"),
        (cron_job(), "/spec/schedule", json!("every hour"), "the schedule"),
        (cron_job(), "/spec/concurrencyPolicy", json!("Never"), "concurrencyPolicy"),
        (cron_job(), "/spec/jobTemplate/spec/template/spec/restartPolicy", json!("Always"), "restartPolicy"),
        (find("checkout.yaml", "Service"), "/spec/ports/0/name", json!("Http"), "the port's name"),
        (find("checkout.yaml", "ConfigMap"), "/data", json!({ "a b": "" }), "the key"),
    ] {
        let mut changed = object;
        *changed.pointer_mut(place).unwrap() = value;
        let faults = api_server_rules::faults(&changed);
        assert!(faults.iter().any(|said| said.contains(fault)), "{place} {fault}: {faults:?}");
    }
    let token = format!("{pod}/volumes/0/projected/sources/0/serviceAccountToken");
    for (field, value, fault) in
        [("expirationSeconds", json!(599), "600 or more"), ("path", json!("../token"), "relative")]
    {
        let mut changed = deployment();
        changed.pointer_mut(&token).unwrap()[field] = value;
        let faults = api_server_rules::faults(&changed);
        assert!(faults.iter().any(|said| said.contains(fault)), "{field}: {faults:?}");
    }
}

#[test]
fn kubeadm_accepts_the_configuration() {
    let config = documents("kubeadm-config.yaml").remove(0);
    assert_eq!(kubeadm_rules::faults(&config), [""; 0]);
    // The README names the version among the values to replace.
    let walk = fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(walk.contains(&format!("Replace `{}`", config["kubernetesVersion"].as_str().unwrap())));

    let arguments = &config["apiServer"]["extraArgs"];
    let other_argument = |place: usize, name: &str, value: &str| {
        let mut changed = arguments.clone();
        changed[place] = json!({ "name": name, "value": value });
        changed
    };
    for (pointer, value, fault) in [
        ("/apiVersion", json!("kubeadm.k8s.io/v1beta3"), "no ClusterConfiguration of v1beta4"),
        ("/kubernetesVersion", json!("1.37"), "vMAJOR.MINOR.PATCH"),
        ("/apiServer", json!({ "timeoutForControlPlane": "4m" }), "apiServer has no field timeoutForControlPlane"),
        ("/apiServer/extraArgs", json!({ "api-audiences": "a" }), "must be a list"),
        ("/apiServer/extraArgs/0", json!({ "name": "v", "values": "1" }), "has no field values"),
        ("/apiServer/extraArgs/0", json!({ "name": "v", "value": 1 }), "must not have"),
        ("/apiServer/extraArgs", other_argument(1, "service-account-issuer", ISSUER), "one value twice"),
        ("/apiServer/extraArgs", other_argument(0, "service-account-issuer", "http://a"), "must be an https URL"),
        ("/apiServer/extraArgs", other_argument(0, "service-account-jwks-uri", "https://a"), "must have one value"),
        ("/apiServer/extraArgs", other_argument(5, "service-account-key-file", "/root/sa.pub"), "does not mount"),
        ("/apiServer/extraArgs", other_argument(5, "v", "1"), "no service-account-key-file verifies"),
    ] {
        let mut changed = config.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        let faults = kubeadm_rules::faults(&changed);
        assert!(faults.iter().any(|said| said.contains(fault)), "{pointer} {fault}: {faults:?}");
    }
    let mut changed = config;
    changed["proxyMode"] = json!("ipvs");
    assert_eq!(kubeadm_rules::faults(&changed), ["the configuration has no field proxyMode"]);
}

#[test]
fn published_documents_match_bucket_and_role_policy() {
    let bucket = template("cloudformation-bucket.yaml");
    let name = bucket["Resources"]["DocumentBucket"]["Properties"]["BucketName"].as_str().unwrap();
    let statement = &bucket["Resources"]["DocumentPolicy"]["Properties"]["PolicyDocument"]["Statement"][0];
    let (host, cluster) = ISSUER.strip_prefix("https://").unwrap().split_once('/').unwrap();
    assert_eq!(host, format!("{name}.s3.{REGION}.amazonaws.com"));
    let objects = ["/.well-known/openid-configuration", "/openid/v1/jwks"];
    let arns = objects.map(|object| format!("arn:aws:s3:::{name}/{cluster}{object}"));
    assert_eq!(statement["Resource"], json!(arns));
    assert_eq!((&statement["Principal"], &statement["Action"]), (&json!("*"), &json!("s3:GetObject")));
    let block = &bucket["Resources"]["DocumentBucket"]["Properties"]["PublicAccessBlockConfiguration"];
    assert_eq!((&block["BlockPublicPolicy"], &block["RestrictPublicBuckets"]), (&json!(false), &json!(false)));

    let iam = template("cloudformation-iam.yaml");
    let may = &iam["Resources"]["PublisherRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"];
    assert_eq!(*may, json!([{ "Effect": "Allow", "Action": "s3:PutObject", "Resource": arns }]));

    let cron_job = find("discovery-publisher.yaml", "CronJob");
    let publish = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    let variables = variables(publish);
    assert_eq!(variables["DESTINATION"], format!("s3://{name}/{cluster}"));
    let script = publish["args"][0].as_str().unwrap();
    let [document, keys] = objects.map(|object| script.find(&format!("$DESTINATION{object}")).unwrap());
    assert!(keys < document, "the keys must be uploaded first");
    for part in ["application/json", "application/jwk-set+json", "max-age=300"] {
        assert!(script.contains(part), "{part}");
    }

    let binding = find("discovery-publisher.yaml", "ClusterRoleBinding");
    assert_eq!(binding["roleRef"]["name"], "system:service-account-issuer-discovery");
    assert_eq!(
        binding["subjects"],
        json!([{ "kind": "ServiceAccount", "name": "oidc-publisher", "namespace": "kube-system" }])
    );
}

#[test]
fn publisher_uploads_only_documents_that_look_right() {
    let cron_job = find("discovery-publisher.yaml", "CronJob");
    let pod = &cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    let good = format!(
        r#"{{"issuer":"{ISSUER}","jwks_uri":"{ISSUER}/openid/v1/jwks","response_types_supported":["id_token"]}}"#
    );
    let keys = r#"{"keys":[{"use":"sig","kty":"RSA","kid":"a","alg":"RS256","n":"AQAB","e":"AQAB"}]}"#;
    for (document, keys, is_good) in [
        (&*good, keys, true),
        (&*good.replacen(ISSUER, "https://kubernetes.default.svc.cluster.local", 1), keys, false),
        (&*good.replace("/openid/v1/jwks", "/elsewhere"), keys, false),
        (&*good, r#"{"keys":[]}"#, false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let here = directory.path().to_str().unwrap();
        let write = |name: &str, content: &str| fs::write(directory.path().join(name), content).unwrap();
        write("token", "canary");
        write("document.json", document);
        write("keys.json", keys);
        let program = |name: &str, script: &str| {
            write(name, &format!("#!/bin/sh\nset -eu\n{script}\n"));
            fs::set_permissions(directory.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
        };
        // The API server, and S3, as far as the scripts see them.
        program(
            "curl",
            r#"while [ $# -gt 1 ]; do if [ "$1" = --output ]; then out=$2; fi; echo "$1" >>"$HERE/arguments"; shift; done
            cat >"$HERE/header"
            case $1 in
                https://kubernetes.default.svc/openid/v1/jwks) cp "$HERE/keys.json" "$out" ;;
                https://kubernetes.default.svc/.well-known/openid-configuration) cp "$HERE/document.json" "$out" ;;
                *) exit 22 ;;
            esac"#,
        );
        program("aws", r#"test -s "$3"; echo "$1 $2 $4" >>"$HERE/uploads""#);
        let run = |container: &Value| {
            let script = container["args"][0].as_str().unwrap();
            let script = script.replace("/documents", here).replace("/var/run/secrets/api", here);
            let path = format!("{here}:{}", std::env::var("PATH").unwrap());
            let mut command = Command::new("/bin/sh");
            command.args(["-euc", &script]).env("PATH", path).env("HERE", here).envs(variables(container));
            command.output().unwrap().status.success()
        };

        assert_eq!(run(&pod["initContainers"][0]), is_good, "{document} {keys}");
        let read = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        assert_eq!(read("header"), "Authorization: Bearer canary");
        assert!(!read("arguments").contains("canary"));
        if is_good {
            assert!(run(&pod["containers"][0]));
            let bucket = "s3://shop-oidc-123456789012/prod";
            let expected = format!("s3 cp {bucket}/openid/v1/jwks\ns3 cp {bucket}/.well-known/openid-configuration\n");
            assert_eq!(read("uploads"), expected);
        }
    }
}

#[test]
fn pods_mount_the_token_their_variables_name() {
    let mut seen = Vec::new();
    for (file, kind) in [("checkout.yaml", "Deployment"), ("discovery-publisher.yaml", "CronJob")] {
        let workload = find(file, kind);
        let pod = pod_of(&workload);
        let container = &pod["containers"][0];
        let variables = variables_with_config_maps(container, file);
        let path = Path::new(&variables["AWS_WEB_IDENTITY_TOKEN_FILE"]);

        let mounts = container["volumeMounts"].as_array().unwrap();
        let mount = mounts.iter().find(|mount| mount["mountPath"] == path.parent().unwrap().to_str().unwrap()).unwrap();
        let volumes = pod["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == mount["name"]).unwrap();
        let token = &volume["projected"]["sources"][0]["serviceAccountToken"];
        assert_eq!(token["path"], path.file_name().unwrap().to_str().unwrap());
        assert_eq!(token["audience"], AUDIENCE);
        assert!((600..=86_400).contains(&token["expirationSeconds"].as_u64().unwrap()), "{token}");
        assert_eq!(mount["readOnly"], true);
        assert_eq!(variables["AWS_REGION"], REGION);

        // The names are those that the crate reads: with them it builds, and without it does not.
        let provider = WebIdentityCredentialsProvider::builder()
            .region(aws_types::region::Region::new(variables["AWS_REGION"].clone()))
            .role_arn(&variables["AWS_ROLE_ARN"])
            .token_file(path);
        provider.build().unwrap();
        let source = fs::read_to_string(root().join("src/environment.rs")).unwrap();
        for name in variables.keys().filter(|name| name.starts_with("AWS_")) {
            assert!(source.contains(&format!("\"{name}\"")), "the crate does not read {name}");
        }
        seen.push(variables["AWS_ROLE_ARN"].clone());
    }
    assert_eq!(seen, [role_arn("checkout"), role_arn("oidc-publisher")]);

    let text = ["checkout.yaml", "discovery-publisher.yaml", "eks-webhook.yaml"].map(|file| {
        let documents = documents(file);
        Value::from(documents).to_string()
    });
    assert!(!text.concat().contains("subPath"), "a subPath mount never rotates");
}

#[tokio::test]
async fn roles_trust_one_service_account_each() {
    let iam = template("cloudformation-iam.yaml");
    let roles: BTreeMap<String, Value> = iam["Resources"]
        .as_object()
        .unwrap()
        .values()
        .filter(|resource| resource["Type"] == "AWS::IAM::Role")
        .map(|role| (role["Properties"]["RoleName"].as_str().unwrap().to_owned(), role["Properties"].clone()))
        .collect();
    let issuer = OidcIssuer::start().await;
    let mut served = Vec::new();
    for (file, kind) in
        [("checkout.yaml", "Deployment"), ("discovery-publisher.yaml", "CronJob"), ("eks-webhook.yaml", "Deployment")]
    {
        let workload = find(file, kind);
        let namespace = workload["metadata"]["namespace"].as_str().unwrap();
        let name = pod_of(&workload)["serviceAccountName"].as_str().unwrap();
        let account = find(file, "ServiceAccount");
        assert_eq!(account["metadata"]["name"], name);
        assert_eq!(account["metadata"]["namespace"], namespace);
        let annotations = &account["metadata"]["annotations"];
        let arn = match annotations["eks.amazonaws.com/role-arn"].as_str() {
            Some(arn) => {
                assert_eq!(annotations["eks.amazonaws.com/audience"], AUDIENCE);
                assert_eq!(annotations["eks.amazonaws.com/token-expiration"], "86400");
                let given = variables_with_config_maps(&pod_of(&workload)["containers"][0], file);
                assert_eq!(
                    given.keys().collect::<Vec<_>>(),
                    ["AWS_REGION"],
                    "only AWS_REGION may be set: the webhook sets the others"
                );
                arn.to_owned()
            }
            None => variables_with_config_maps(&pod_of(&workload)["containers"][0], file)["AWS_ROLE_ARN"].clone(),
        };

        let role = arn.strip_prefix(&role_arn("")).unwrap();
        let token = issuer.mint(TokenSpec::service_account(namespace, name).issuer(ISSUER).audience(AUDIENCE));
        let policy = TokenClaims::parse(&token).unwrap().trust_policy(&arn).unwrap();
        let trust = roles[role]["AssumeRolePolicyDocument"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(trust).unwrap(), serde_json::from_str::<Value>(&policy).unwrap());
        served.push(role.to_owned());
    }
    served.sort();
    assert_eq!(served, roles.into_keys().collect::<Vec<_>>(), "each role must have a service account");
}

#[test]
fn pods_run_unprivileged_with_working_probes() {
    for (file, kind) in
        [("checkout.yaml", "Deployment"), ("discovery-publisher.yaml", "CronJob"), ("eks-webhook.yaml", "Deployment")]
    {
        let workload = find(file, kind);
        let pod = pod_of(&workload);
        assert_eq!(pod["automountServiceAccountToken"], false, "{file}");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{file}");
        assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsUser"], "{file}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{file}");
        let none = vec![];
        let containers = pod["containers"].as_array().unwrap();
        for container in containers.iter().chain(pod["initContainers"].as_array().unwrap_or(&none)) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
            assert_eq!(context["capabilities"]["drop"], json!(["ALL"]), "{file}");
            let image = container["image"].as_str().unwrap();
            assert!(image.rsplit_once(':').is_some_and(|(_, tag)| tag != "latest"), "{image} must be pinned");
        }
        if kind == "Deployment" {
            let container = &pod["containers"][0];
            assert_eq!(container["ports"][0], json!({ "name": "http", "containerPort": 8080 }), "{file}");
            for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
                assert_eq!(container[probe]["httpGet"], json!({ "path": path, "port": "http" }), "{file}");
            }
            assert_eq!(workload["spec"]["selector"]["matchLabels"], workload["spec"]["template"]["metadata"]["labels"]);
        }
    }
    let service = find("checkout.yaml", "Service");
    assert_eq!(service["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(
        service["spec"]["selector"],
        find("checkout.yaml", "Deployment")["spec"]["template"]["metadata"]["labels"]
    );
}

#[test]
fn image_builds_existing_files_with_minimum_rust() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (image, manifest) = (read("examples/kubernetes/Dockerfile"), read("Cargo.toml"));
    let oldest = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"')).unwrap();
    assert!(image.contains(&format!("FROM rust:{oldest}-")), "the image must build with Rust {oldest}");

    let mut copied: Vec<_> = image
        .lines()
        .filter_map(|line| line.strip_prefix("COPY ").filter(|files| !files.starts_with("--from")))
        .flat_map(|files| files.split(' ').rev().skip(1))
        .collect();
    copied.sort_unstable();
    // All that the manifest names, and the README, which is compiled.
    assert_eq!(copied, ["Cargo.lock", "Cargo.toml", "README.md", "benches", "examples", "src", "tests"]);
    assert!(copied.iter().all(|path| root().join(path).exists()));

    let words: Vec<_> = image.split_whitespace().collect();
    let after = |flag| words.windows(2).filter(move |pair| pair[0] == flag).map(|pair| pair[1].to_owned());
    let built: Vec<_> = after("--bin").chain(after("--example").map(|name| format!("examples/{name}"))).collect();
    let mut taken: Vec<_> = words.iter().filter_map(|word| word.strip_prefix("/build/target/release/")).collect();
    taken.sort_unstable();
    assert_eq!(built, ["doctor", "service", "examples/whoami"]);
    assert_eq!(taken, ["doctor", "examples/whoami", "service"]);
    assert!(image.trim_end().ends_with(r#"ENTRYPOINT ["service"]"#));
}

#[test]
fn walkthrough_names_every_file() {
    let walk = fs::read_to_string(folder().join("README.md")).unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || walk.contains(&format!("]({name})")), "{name}");
    }
    assert!(walk.contains(ISSUER) && walk.contains(&format!("s3://shop-oidc-{ACCOUNT}/prod/openid/v1/jwks")));
}
