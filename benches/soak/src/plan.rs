//! The durations of a run.

use std::time::Duration;

use crate::support::short;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) runs_for: Duration,
    /// Lifetime of all credentials.
    pub(crate) session: Duration,
    /// Duration of a fault that is shorter than a session. `pause` is the time without a fault after it.
    pub(crate) fault: Duration,
    pub(crate) pause: Duration,
    /// Duration of a fault that is longer than a session. The short run ends before the first.
    pub(crate) outage: Duration,
    /// Time from one trouble with files, clocks or keys to the next.
    pub(crate) trouble: Duration,
    pub(crate) life_of_children: Duration,
}

impl Plan {
    pub(crate) fn chosen() -> Result<Self, String> {
        let seconds = Duration::from_secs;
        if short() {
            return Ok(Self {
                runs_for: seconds(8),
                session: seconds(6),
                fault: Duration::from_millis(600),
                pause: Duration::from_millis(350),
                outage: seconds(8),
                trouble: seconds(2),
                life_of_children: seconds(2),
            });
        }
        let mut arguments = std::env::args().skip_while(|argument| argument != "--minutes").skip(1);
        let minutes = match arguments.next() {
            None => 2.0,
            Some(text) => text.parse::<f64>().map_err(|error| format!("--minutes {text}: {error}"))?,
        };
        let runs_for = Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| format!("--minutes: {error}"))?;
        Ok(Self {
            runs_for,
            session: seconds(20),
            fault: seconds(4),
            pause: seconds(4),
            outage: seconds(26),
            trouble: seconds(7),
            // Three sessions.
            life_of_children: seconds(60),
        })
    }
}
