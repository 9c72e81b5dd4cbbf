//! The answers of the mock, in AWS's XML.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_xml::encode::{ScopeWriter, XmlWriter};

use self::Element::{Leaf, Node};
use super::account::Grant;
use super::refusal::Refusal;
use super::session::Session;

/// An answer before the headers that depend on the mock's settings.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Pages of a proxy have no request id.
    pub(super) has_request_id: bool,
    pub(super) code: Option<String>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn refusal(refusal: Refusal, request_id: &str) -> Self {
        let Refusal { status, code, message } = refusal;
        let kind = if status < 500 { "Sender" } else { "Receiver" };
        let error = Node("Error", vec![leaf("Type", kind), leaf("Code", &*code), leaf("Message", message)]);
        let body = document("ErrorResponse", &[error, leaf("RequestId", request_id)]);
        Self { status, code: Some(code.into_owned()), ..Self::ok(body) }
    }

    pub(super) fn page(status: u16, content_type: &'static str, body: &str) -> Self {
        Self { status, content_type, has_request_id: false, code: None, body: body.to_owned() }
    }

    pub(super) fn caller_identity(session: &Session, request_id: &str) -> Self {
        let fields = vec![leaf("Arn", &session.arn), leaf("UserId", &session.id), leaf("Account", &session.account)];
        let result = Node("GetCallerIdentityResult", fields);
        Self::ok(document("GetCallerIdentityResponse", &[result, metadata(request_id)]))
    }

    pub(super) fn grant(grant: &Grant, request_id: &str) -> Self {
        let Grant { session, bearer, packed_policy_size } = grant;
        let credentials = &session.credentials;
        let mut result = vec![
            Node("AssumedRoleUser", vec![leaf("AssumedRoleId", &session.id), leaf("Arn", &session.arn)]),
            Node(
                "Credentials",
                vec![
                    leaf("AccessKeyId", credentials.access_key_id()),
                    leaf("SecretAccessKey", credentials.secret_access_key()),
                    leaf("SessionToken", credentials.session_token().unwrap_or_default()),
                    leaf("Expiration", date_time(session.expiration)),
                ],
            ),
        ];
        if let Some(size) = packed_policy_size {
            result.push(leaf("PackedPolicySize", size.to_string()));
        }
        let (response, result_name) = match bearer {
            Some(bearer) => {
                result.push(leaf("SubjectFromWebIdentityToken", &bearer.subject));
                result.push(leaf("Provider", &bearer.provider));
                result.push(leaf("Audience", &bearer.audience));
                ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult")
            }
            None => ("AssumeRoleResponse", "AssumeRoleResult"),
        };
        Self::ok(document(response, &[Node(result_name, result), metadata(request_id)]))
    }

    fn ok(body: String) -> Self {
        Self { status: 200, content_type: "text/xml", has_request_id: true, code: None, body }
    }
}

fn metadata(request_id: &str) -> Element {
    Node("ResponseMetadata", vec![leaf("RequestId", request_id)])
}

/// The time in whole seconds, as AWS writes it.
fn date_time(at: SystemTime) -> String {
    // The format covers the years 1 to 9999. A clock that is set beyond them gets an empty element.
    DateTime::from(at).fmt(Format::DateTime).unwrap_or_default()
}

enum Element {
    Leaf(&'static str, String),
    Node(&'static str, Vec<Self>),
}

fn leaf(name: &'static str, text: impl Into<String>) -> Element {
    Leaf(name, text.into())
}

fn document(root: &str, children: &[Element]) -> String {
    let mut out = String::new();
    let mut writer = XmlWriter::new(&mut out);
    let mut scope = writer.start_el(root).write_ns("https://sts.amazonaws.com/doc/2011-06-15/", None).finish();
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
