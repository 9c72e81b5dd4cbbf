//! STS: exchanges a token, or the credentials of another role, for the credentials of a role.
//!
//! Two operations start a session of a role: `AssumeRoleWithWebIdentity` takes a token, `AssumeRole` takes credentials. They
//! differ in the request only; answers and errors are read by the same code. In an outage of one endpoint the exchange
//! goes to a standby. This module does not know where a token comes from, or when an exchange is due.

mod answer;
mod answer_body;
mod answer_capture;
mod answer_times;
mod client;
mod config;
mod connection_errors;
mod endpoints;
mod error_codes;
mod exchange;
mod failure_reason;
#[cfg(feature = "default-https-client")]
mod http_client;
mod remedies;
mod request;
mod standby_order;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use answer_times::agreed_date;
#[cfg(any(test, fuzzing))]
pub(crate) use client::StsClient;
pub(crate) use config::{EndpointConfig, EndpointsKey, StsConfig, is_loopback};
#[cfg(test)]
pub(crate) use connection_errors::NoConnection;
pub(crate) use endpoints::Endpoints;
pub(crate) use exchange::ExchangeFailure;
pub(crate) use failure_reason::Reason;
pub(crate) use remedies::{RemedyContext, account_text, missing_actions, remedy};
pub(crate) use request::{Authentication, ChainSettings, Session};

#[cfg(test)]
mod tests {
    mod answers;
    mod outage;
}
