//! STS: a proof of who asks, for the credentials of a role.
//!
//! Two operations give a session of a role, `AssumeRoleWithWebIdentity` for a token and `AssumeRole` for credentials. They
//! differ in what is sent; the answers are read, and the refusals understood, by the same code. An outage of one STS leads
//! to its standbys. Nothing here knows where the proof comes from, or when an exchange is due.

mod answer;
mod client;
mod config;
mod endpoints;
mod exchange;
mod hints;
#[cfg(feature = "default-https-client")]
mod http_client;
mod no_answer;
mod proof;
mod reason;
mod refusal;
mod rota;
mod tap;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use config::{ChainSettings, Place, Session, Site, StsConfig, is_loopback};
pub(crate) use endpoints::Endpoints;
#[cfg(any(test, fuzzing))]
pub(crate) use exchange::Sts;
pub(crate) use hints::{Asked, account_text, hint, missing_actions};
pub(crate) use proof::Proof;
pub(crate) use reason::Reason;
pub(crate) use refusal::Refusal;
