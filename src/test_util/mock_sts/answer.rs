//! Answers in AWS's XML, and a grant spoilt in the way that is asked for.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_xml::encode::{ScopeWriter, XmlWriter};

use self::Element::{Leaf, Node};
use super::fault::Spoil;
use super::refusal::Refusal;
use super::session::{Grant, Session};

/// What goes into a response, but for what depends on the mock's settings.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// The name of the header with the request's id, if there is one.
    pub(super) request_id_header: Option<&'static str>,
    pub(super) code: Option<String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn refusal(refusal: Refusal, request_id: &str) -> Self {
        let Refusal { status, code, message } = refusal;
        let kind = if status < 500 { "Sender" } else { "Receiver" };
        let error = Node("Error", vec![leaf("Type", kind), leaf("Code", &*code), leaf("Message", message)]);
        let body = document("ErrorResponse", Some(NAMESPACE), &[error, leaf("RequestId", request_id)]);
        Self { status, code: Some(code.into_owned()), ..Self::xml(body) }
    }

    pub(super) fn bare_error(refusal: Refusal, request_id: &str) -> Self {
        let Refusal { status, code, message } = refusal;
        let fields = [leaf("Code", &*code), leaf("Message", message), leaf("RequestId", request_id)];
        Self { status, code: Some(code.into_owned()), ..Self::ceph(document("Error", None, &fields)) }
    }

    pub(super) fn page(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, request_id_header: None, code: None, body: body.to_owned() }
    }

    pub(super) fn caller_identity(session: &Session, request_id: &str) -> Self {
        let role = &session.assumed_role;
        let fields = vec![leaf("Arn", &role.arn), leaf("UserId", &role.id), leaf("Account", &role.account)];
        let result = Node("GetCallerIdentityResult", fields);
        Self::xml(document("GetCallerIdentityResponse", Some(NAMESPACE), &[result, metadata(request_id)]))
    }

    pub(super) fn grant(grant: &Grant, spoil: Option<Spoil>, request_id: &str) -> Self {
        let mut fields = credentials(grant, date_time(grant.session.expiration));
        fields.retain(|field| !matches!((field, spoil), (Leaf(name, _), Some(Spoil::Without(gone))) if *name == gone));
        let role = &grant.session.assumed_role;
        let mut result = vec![
            Node("AssumedRoleUser", vec![leaf("AssumedRoleId", &role.id), leaf("Arn", &role.arn)]),
            Node("Credentials", fields),
        ];
        if let Some(bearer) = &grant.bearer {
            result.insert(0, leaf("SubjectFromWebIdentityToken", &bearer.subject));
            result.push(leaf("Provider", &bearer.provider));
            result.push(leaf("Audience", &bearer.audience));
        }
        if let Some(size) = grant.packed_policy_size {
            result.push(leaf("PackedPolicySize", size.to_string()));
        }
        let (response, result_name) = names(grant);
        let parts = [Node(result_name, result), metadata(request_id)];
        let mut body = document(response, Some(NAMESPACE), &parts);
        match spoil {
            Some(Spoil::OtherShape) => return Self::ceph(ceph_grant(grant)),
            Some(Spoil::CutXml) => {
                let end = body.find("</SessionToken>").unwrap_or(body.len());
                body.truncate(end - 20);
            }
            Some(Spoil::Oversized) => {
                body.insert_str(body.find(&format!("<{result_name}>")).unwrap_or(0), &" ".repeat(100 * 1024))
            }
            _ => {}
        }
        Self::xml(body)
    }

    fn xml(body: String) -> Self {
        Self { status: 200, content_type: "text/xml", request_id_header: Some("x-amzn-requestid"), code: None, body }
    }

    fn ceph(body: String) -> Self {
        let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}");
        Self { content_type: "application/xml", request_id_header: Some("x-amz-request-id"), ..Self::xml(body) }
    }
}

fn ceph_grant(grant: &Grant) -> String {
    let expiration = format!("{}.000000000Z", date_time(grant.session.expiration).trim_end_matches('Z'));
    let role = &grant.session.assumed_role;
    let mut result = vec![
        Node("AssumedRoleUser", vec![leaf("Arn", &role.arn), leaf("AssumeRoleId", &role.id)]),
        Node("Credentials", credentials(grant, expiration)),
    ];
    if let Some(bearer) = &grant.bearer {
        result.insert(0, leaf("SubjectFromWebIdentityToken", &bearer.subject));
        result.insert(1, leaf("Audience", &bearer.audience));
        result.push(leaf("Provider", &bearer.provider));
    }
    result.push(leaf("PackedPolicySize", grant.packed_policy_size.unwrap_or_default().to_string()));
    let (response, result_name) = names(grant);
    document(response, None, &[Node(result_name, result)])
}

/// Of the response and of its result.
fn names(grant: &Grant) -> (&'static str, &'static str) {
    match grant.bearer {
        Some(_) => ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult"),
        None => ("AssumeRoleResponse", "AssumeRoleResult"),
    }
}

fn credentials(grant: &Grant, expiration: String) -> Vec<Element> {
    let credentials = &grant.session.credentials;
    vec![
        leaf("AccessKeyId", credentials.access_key_id()),
        leaf("SecretAccessKey", credentials.secret_access_key()),
        leaf("SessionToken", credentials.session_token().unwrap_or_default()),
        leaf("Expiration", expiration),
    ]
}

fn metadata(request_id: &str) -> Element {
    Node("ResponseMetadata", vec![leaf("RequestId", request_id)])
}

/// In whole seconds, as AWS does.
fn date_time(at: SystemTime) -> String {
    // The years 1 to 9999 can be written; a clock set beyond them gets an empty element.
    DateTime::from(at).fmt(Format::DateTime).unwrap_or_default()
}

enum Element {
    Leaf(&'static str, String),
    Node(&'static str, Vec<Self>),
}

fn leaf(name: &'static str, text: impl Into<String>) -> Element {
    Leaf(name, text.into())
}

fn document(root: &str, namespace: Option<&str>, children: &[Element]) -> String {
    let mut out = String::new();
    let mut writer = XmlWriter::new(&mut out);
    let root = writer.start_el(root);
    let mut scope = match namespace {
        Some(namespace) => root.write_ns(namespace, None).finish(),
        None => root.finish(),
    };
    write(&mut scope, children);
    scope.finish();
    out
}

fn write(scope: &mut ScopeWriter<'_, '_>, elements: &[Element]) {
    for element in elements {
        match element {
            Leaf(name, text) => scope.start_el(name).finish().data(text),
            Node(name, children) => write(&mut scope.start_el(name).finish(), children),
        }
    }
}

const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
