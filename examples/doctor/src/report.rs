//! The findings, and how they are printed.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::text::{escaped, one_line};

/// The result of a check.
#[derive(Debug)]
pub(crate) struct Finding {
    status: Status,
    detail: String,
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Status {
    Pass,
    Fail,
    Unknown,
}

impl Finding {
    pub(crate) fn pass(detail: impl Into<String>) -> Self {
        Self { status: Status::Pass, detail: detail.into(), remedy: None }
    }

    pub(crate) fn fail(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// The check could not be made, in most cases because an earlier one failed.
    pub(crate) fn unknown(detail: impl Into<String>) -> Self {
        Self { status: Status::Unknown, detail: detail.into(), remedy: None }
    }

    pub(crate) fn is_fail(&self) -> bool {
        self.status == Status::Fail
    }
}

/// All findings, in the order of the steps.
#[derive(Debug)]
pub(crate) struct Report {
    checks: Vec<(&'static str, Finding)>,
    /// The trust policy that the role must have.
    trust_policy: Option<Value>,
}

impl Report {
    /// The first failure may be the reason why the exchange fails, so the remedy of the exchange names it.
    pub(crate) fn new(mut checks: Vec<(&'static str, Finding)>, trust_policy: Option<Value>) -> Self {
        let exchange = checks.iter().position(|(name, _)| *name == "exchange").unwrap_or_default();
        let (before, after) = checks.split_at_mut(exchange);
        // Without an answer, only the steps before the request to STS can be the reason.
        let unanswered = after.first().is_some_and(|(_, exchange)| {
            ["no answer from STS", "nothing could be sent to STS"]
                .iter()
                .any(|start| exchange.detail.starts_with(start))
        });
        let to_be_reached = ["variables", "token_file", "endpoint"];
        let mut before = before.iter().filter(|(name, _)| !unanswered || to_be_reached.contains(name));
        let first = before.find(|(_, finding)| finding.is_fail());
        if let (Some((name, _)), Some((_, exchange))) = (first, after.first_mut())
            && let Some(own) = &mut exchange.remedy
        {
            *own = format!("first correct {name}, see above. If the exchange still fails: {own}");
        }
        Self { checks, trust_policy }
    }

    /// True if no check failed and the exchange gave credentials.
    pub(crate) fn is_ok(&self) -> bool {
        let exchanged = self.checks.iter().any(|(name, finding)| *name == "exchange" && finding.status == Status::Pass);
        exchanged && self.failures() == 0
    }

    pub(crate) fn json(&self) -> String {
        let checks: Vec<Value> = self
            .checks
            .iter()
            .map(|(name, Finding { status, detail, remedy })| {
                json!({ "name": name, "status": status.word(), "detail": one_line(detail), "remedy": remedy.as_deref().map(one_line) })
            })
            .collect();
        escaped(&format!("{:#}", json!({ "ok": self.is_ok(), "checks": checks, "trust_policy": self.trust_policy })))
    }

    pub(crate) fn text(&self, coloured: bool) -> String {
        let mut out = String::new();
        for (name, Finding { status, detail, remedy }) in &self.checks {
            let (on, off) = if coloured { (status.colour(), "\u{1b}[0m") } else { ("", "") };
            let (word, detail) = (status.word(), one_line(detail));
            // Writing to a `String` cannot fail.
            let _ok = writeln!(out, "{on}{word:<8}{off} {name:<13} {detail}");
            if let Some(remedy) = remedy {
                let _ok = writeln!(out, "{:<22} remedy: {}", "", one_line(remedy));
            }
        }
        match &self.trust_policy {
            Some(policy) => {
                let policy = escaped(&format!("{policy:#}"));
                _ = write!(out, "\nThe trust policy that this token needs:\n{policy}\n");
            }
            None => out.push_str("\nThe trust policy cannot be printed: it needs the token's claims and the role.\n"),
        }
        out.push('\n');
        out.push_str(&match (self.is_ok(), self.failures()) {
            (true, _) => "All is well.".to_owned(),
            (false, 0) => "There were no credentials.".to_owned(),
            (false, 1) => "1 check failed.".to_owned(),
            (false, failures) => format!("{failures} checks failed."),
        });
        out
    }

    fn failures(&self) -> usize {
        self.checks.iter().filter(|(_, finding)| finding.is_fail()).count()
    }
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Pass => "\u{1b}[32m",
            Self::Fail => "\u{1b}[31m",
            Self::Unknown => "\u{1b}[33m",
        }
    }
}
