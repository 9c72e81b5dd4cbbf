//! Checks each step from this pod's token to its role in AWS, and says how to correct what is wrong.
//!
//! `cargo run -p doctor [-- --json]` runs in a pod, or on a laptop with a token file. It reads `AWS_ROLE_ARN`,
//! `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_REGION`, and `AWS_ENDPOINT_URL_STS` for an STS that is not AWS's. It ends
//! within 30 s. The exit status is 0 if all is well, otherwise 1.

mod clock;
mod fetch;
mod issuer;
#[macro_use]
#[path = "../../output/mod.rs"]
mod output;
mod report;
mod settings;
mod sts;
mod text;
mod token;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::SystemTime;

use crate::report::Report;
use crate::settings::Settings;

fn main() -> ExitCode {
    let as_json = match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--json" => true,
        _ => {
            complain!("usage: doctor [--json]");
            return ExitCode::FAILURE;
        }
    };
    // The runtime panics if it cannot start its threads for name look-ups and file reads.
    if let Err(error) = std::thread::Builder::new().spawn(|| {}) {
        complain!(
            "doctor: no thread can be started: {error}: raise the pod's pids limit (pids.max of its cgroup) or RLIMIT_NPROC"
        );
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain!("doctor: no runtime can be made: {error}: raise the limit of open files (RLIMIT_NOFILE)");
            return ExitCode::FAILURE;
        }
    };
    let report = runtime.block_on(examine());
    // Do not wait for a name server that does not answer, or for a file system that hangs.
    runtime.shutdown_background();

    let text = if as_json { report.json() } else { report.text(wants_colour()) };
    say!("{text}");
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn examine() -> Report {
    let settings = Settings::from_environment();
    let role = settings.role();
    let variables = settings.variables();
    let (token_file, token) = token::read(settings.token_file.clone()).await;
    let (walk, reached, session) = tokio::join!(
        issuer::walk(token.as_ref(), settings.asks_aws()),
        sts::reach(&settings),
        sts::session(&settings, token.is_some())
    );

    let clock_offset = reached.clock_offset.or(walk.clock_offset);
    let now = clock_offset.as_ref().map_or_else(SystemTime::now, clock::ClockOffset::server_time);
    let claims = token.as_ref().and_then(|token| token.claims.as_ref());
    let arn = settings.role_arn.as_deref().filter(|_| !role.is_fail());
    let policy = claims.zip(arn).and_then(|(claims, arn)| claims.trust_policy(arn));
    Report::new(
        vec![
            ("variables", variables),
            ("token_file", token_file),
            ("token_claims", token::claims(token.as_ref())),
            ("token_expiry", token::expiry(claims, now)),
            ("issuer", walk.issuer),
            ("discovery", walk.discovery),
            ("signing_key", walk.signing_key),
            ("signature", walk.signature),
            ("role", role),
            ("endpoint", reached.endpoint),
            ("exchange", session.exchange),
            ("identity", session.identity),
            ("clock", clock::check(clock_offset.as_ref())),
        ],
        policy.and_then(|policy| serde_json::from_str(&policy).ok()),
    )
}

/// See <https://no-color.org>.
fn wants_colour() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
