//! This machine's clock beside a server's.

use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::report::Finding;

/// How far a server's clock is ahead of this machine's clock, by its `Date` header.
#[derive(Clone, Debug)]
pub(crate) struct ClockOffset {
    pub(crate) seconds: f64,
    pub(crate) server: String,
}

impl ClockOffset {
    /// The request was sent at `sent` by this machine's clock, and the answer is complete now.
    pub(crate) fn from_date(date: &str, sent: SystemTime, server: &str) -> Option<Self> {
        let date = SystemTime::try_from(DateTime::from_str(date.trim(), Format::HttpDate).ok()?).ok()?;
        let halfway = sent + SystemTime::now().duration_since(sent).unwrap_or_default() / 2;
        // `Date` has whole seconds.
        let date = date + Duration::from_millis(500);
        let seconds = match date.duration_since(halfway) {
            Ok(ahead) => ahead.as_secs_f64(),
            Err(behind) => -behind.duration().as_secs_f64(),
        };
        Some(Self { seconds, server: server.to_owned() })
    }

    /// The present time by the server's clock.
    pub(crate) fn server_time(&self) -> SystemTime {
        let now = SystemTime::now();
        let by = Duration::try_from_secs_f64(self.seconds.abs()).unwrap_or_default();
        if self.seconds < 0.0 { now.checked_sub(by) } else { now.checked_add(by) }.unwrap_or(now)
    }
}

/// AWS refuses a request that is signed with a clock five minutes off. A clock that is a minute off is not kept by NTP.
pub(crate) fn check(ahead: Option<&ClockOffset>) -> Finding {
    let Some(ClockOffset { seconds, server }) = ahead else { return Finding::unknown("no server sent its time") };
    let off = format!(
        "this clock is {:.0} s {} that of {server}",
        seconds.abs(),
        if *seconds > 0.0 { "behind" } else { "ahead of" }
    );
    if seconds.abs() <= MAX_OFF {
        Finding::pass(off)
    } else {
        Finding::fail(
            off,
            "synchronise this node's clock by NTP (chrony, systemd-timesyncd): AWS refuses a request if the clock that signed \
             it is more than 5 min off",
        )
    }
}

/// The largest offset that passes, in seconds.
const MAX_OFF: f64 = 60.0;
