//! AWS, as far as the walk meets it: CloudFormation, S3, IAM and STS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use axum::http::Uri;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::support::manifests::{ACCOUNT, REGION, role_arn, template};

pub(super) const BUCKET_HOST: &str = "shop-oidc-123456789012.s3.eu-central-1.amazonaws.com";
pub(super) const STS_HOST: &str = "sts.eu-central-1.amazonaws.com";

/// The resources of the deployed stacks, by their type.
#[derive(Default)]
pub(super) struct Aws {
    resources: Vec<Value>,
    /// Uploaded objects by their ARN.
    objects: BTreeMap<String, Object>,
    /// The role of each session.
    sessions: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Object {
    pub(super) content_type: String,
    pub(super) body: String,
}

/// A pod's identity. The operator has none, and may do everything.
pub(super) struct Caller {
    pub(super) role_arn: String,
    pub(super) token: String,
}

/// An error of STS: status, code and message.
pub(super) type Refusal = (u16, &'static str, String);

impl Aws {
    /// The program `aws`.
    pub(super) fn run(&mut self, arguments: &[&str], stdin: &str, caller: Option<Caller>) -> Result<String, String> {
        match *arguments {
            ["cloudformation", "deploy", ref options @ ..] => self.deploy(&flags(options, &[])?),
            ["s3", "cp", from, to, ref options @ ..] => {
                let flags = flags(options, &["--no-progress"])?;
                let body = match from {
                    "-" => stdin.to_owned(),
                    file => std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?,
                };
                self.upload(to, body, &flags, caller)
            }
            _ => Err(format!("aws has no command {arguments:?}")),
        }
    }

    fn deploy(&mut self, flags: &BTreeMap<&str, &str>) -> Result<String, String> {
        let get = |name| flags.get(name).copied().unwrap_or_default();
        if get("--region") != REGION || get("--stack-name").is_empty() {
            return Err("the stack must have a name, and a region".to_owned());
        }
        let template = template(Path::new(get("--template-file")).file_name().unwrap().to_str().unwrap());
        let resources: Vec<_> = template["Resources"].as_object().unwrap().values().cloned().collect();
        for resource in &resources {
            if !resource["Properties"]["RoleName"].is_null() && get("--capabilities") != "CAPABILITY_NAMED_IAM" {
                return Err("Requires capabilities : [CAPABILITY_NAMED_IAM]".to_owned());
            }
            // IAM reads the issuer's certificate and document.
            if let Some(issuer) = resource["Properties"]["Url"].as_str() {
                self.public(&format!("{issuer}/.well-known/openid-configuration"))
                    .ok_or("the issuer cannot be read")?;
            }
        }
        self.resources.extend(resources);
        Ok("Successfully created/updated stack".to_owned())
    }

    fn upload(
        &mut self,
        to: &str,
        body: String,
        flags: &BTreeMap<&str, &str>,
        caller: Option<Caller>,
    ) -> Result<String, String> {
        let path = to.strip_prefix("s3://").ok_or("the destination is no s3 URL")?;
        let arn = format!("arn:aws:s3:::{path}");
        if let Some(caller) = caller {
            self.exchange(&caller.role_arn, &caller.token)
                .map_err(|(_, code, message)| format!("{code}: {message}"))?;
            let role = self.role(&caller.role_arn).ok_or("no such role")?;
            let may = &role["Policies"][0]["PolicyDocument"]["Statement"][0];
            let objects = may["Resource"].as_array().ok_or("the role may do nothing")?;
            if may["Action"] != "s3:PutObject" || !objects.iter().any(|object| object == &*arn) {
                return Err(format!("AccessDenied: {} may not write {arn}", caller.role_arn));
            }
        }
        let bucket = self.all("AWS::S3::Bucket").next().ok_or("NoSuchBucket")?["BucketName"].as_str().unwrap();
        if path.split('/').next() != Some(bucket) {
            return Err(format!("NoSuchBucket: {path}"));
        }
        if flags.get("--cache-control") != Some(&"public, max-age=300") {
            return Err("without a cache time, STS may keep the document for long".to_owned());
        }
        let content_type = flags.get("--content-type").ok_or("no content type")?;
        self.objects.insert(arn, Object { content_type: (*content_type).to_owned(), body });
        Ok(format!("upload: to {to}"))
    }

    /// An object that everybody can read.
    pub(super) fn public(&self, url: &str) -> Option<&Object> {
        let url: Uri = url.parse().ok()?;
        let bucket = url.host()?.strip_suffix(&format!(".s3.{REGION}.amazonaws.com"))?;
        let arn = format!("arn:aws:s3:::{bucket}{}", url.path());
        let statement = &self.all("AWS::S3::BucketPolicy").next()?["PolicyDocument"]["Statement"][0];
        let open = statement["Principal"] == "*" && statement["Action"] == "s3:GetObject";
        let named = statement["Resource"].as_array()?.iter().any(|resource| resource == &*arn);
        self.objects.get(&arn).filter(|_| open && named)
    }

    /// Answers a request to STS.
    pub(super) fn sts(&mut self, form: &BTreeMap<String, String>, authorization: &str) -> Result<String, Refusal> {
        let get = |name| form.get(name).map(String::as_str).unwrap_or_default();
        match get("Action") {
            "AssumeRoleWithWebIdentity" => {
                let role = self.exchange(get("RoleArn"), get("WebIdentityToken"))?;
                let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{}", get("RoleSessionName"));
                let key = format!("ASIAWALK{:012}", self.sessions.len());
                self.sessions.push(arn.clone());
                let expiration = DateTime::from(SystemTime::now() + Duration::from_secs(3600));
                Ok(format!(
                    "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><AssumedRoleUser><Arn>{arn}</Arn>\
                     <AssumedRoleId>AROA:walk</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{key}</AccessKeyId>\
                     <SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>\
                     <Expiration>{expiration}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
                     </AssumeRoleWithWebIdentityResponse>"
                ))
            }
            "GetCallerIdentity" => {
                let key = authorization.split_once("Credential=ASIAWALK").and_then(|(_, rest)| rest.split('/').next());
                let arn = key.and_then(|key| self.sessions.get(key.parse::<usize>().ok()?));
                let arn = arn.ok_or((403, "InvalidClientTokenId", "The security token is invalid".to_owned()))?;
                Ok(format!(
                    "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><UserId>AROA:walk</UserId>\
                     <Account>{ACCOUNT}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
                ))
            }
            other => Err((400, "InvalidAction", other.to_owned())),
        }
    }

    /// Trades a token for a session of the role whose name is returned. Verifies the token with the published keys, as STS
    /// does.
    pub(super) fn exchange(&self, arn: &str, token: &str) -> Result<String, Refusal> {
        let invalid = |message: &str| (400, "InvalidIdentityToken", message.to_owned());
        let denied = || (403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned());
        let claims = jsonwebtoken::dangerous::insecure_decode::<Value>(token).map_err(|_| invalid("no token"))?.claims;
        let provider = self.all("AWS::IAM::OIDCProvider").find(|provider| provider["Url"] == claims["iss"]);
        let provider = provider.ok_or_else(|| invalid("No OpenIDConnect provider found in your account"))?;
        let issuer = provider["Url"].as_str().unwrap();
        let keys = self.keys_of(issuer);
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).unwrap_or_default();
        let key = keys.as_ref().and_then(|keys| keys.find(&kid));
        let key = key.ok_or_else(|| invalid("Couldn't retrieve verification key from your identity provider"))?;
        let mut validation = Validation::new(Algorithm::RS256);
        let client_ids: Vec<_> =
            provider["ClientIdList"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        validation.set_audience(&client_ids);
        jsonwebtoken::decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation)
            .map_err(|error| invalid(&error.to_string()))?;

        let role = self.role(arn).ok_or_else(denied)?;
        let trust: Value = serde_json::from_str(role["AssumeRolePolicyDocument"].as_str().unwrap()).unwrap();
        let statement = &trust["Statement"][0];
        let name = issuer.strip_prefix("https://").unwrap();
        let conditions = statement["Condition"]["StringEquals"].as_object().ok_or_else(denied)?;
        let holds = |(key, wanted): (&String, &Value)| {
            let claim = key.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).unwrap_or_default();
            &claims[claim] == wanted || claims[claim].as_array().is_some_and(|values| values.contains(wanted))
        };
        let federated = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}");
        if statement["Principal"]["Federated"] != federated || !conditions.iter().all(holds) {
            return Err(denied());
        }
        Ok(role["RoleName"].as_str().unwrap().to_owned())
    }

    fn keys_of(&self, issuer: &str) -> Option<JwkSet> {
        let document = self.public(&format!("{issuer}/.well-known/openid-configuration"))?;
        let document: Value = serde_json::from_str(&document.body).ok()?;
        serde_json::from_str(&self.public(document["jwks_uri"].as_str()?)?.body).ok()
    }

    fn role(&self, arn: &str) -> Option<&Value> {
        self.all("AWS::IAM::Role").find(|role| role_arn(role["RoleName"].as_str().unwrap()) == arn)
    }

    fn all(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.resources.iter().filter(move |resource| resource["Type"] == kind).map(|resource| &resource["Properties"])
    }
}

/// Options with their values. `switches` have none.
fn flags<'a>(words: &[&'a str], switches: &[&str]) -> Result<BTreeMap<&'a str, &'a str>, String> {
    let mut flags = BTreeMap::new();
    let mut words = words.iter().copied().filter(|word| !switches.contains(word));
    while let Some(name) = words.next() {
        let known =
            ["--region", "--stack-name", "--template-file", "--capabilities", "--content-type", "--cache-control"];
        let value = words.next().filter(|_| known.contains(&name));
        flags.insert(name, value.ok_or_else(|| format!("aws has no option {name}"))?);
    }
    Ok(flags)
}
