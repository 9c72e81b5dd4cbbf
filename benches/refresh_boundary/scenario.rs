//! The scenarios.

use std::ops::Range;
use std::time::Duration;

use aws_web_identity::test_util::Fault;

use crate::blocking::Blocking;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) lifetime: Duration,
    pub(crate) runs_for: Duration,
    pub(crate) sts_latency: Duration,
    /// A fault of STS, and its time since the first credentials.
    pub(crate) fault: Option<(Range<Duration>, Fault)>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) clients: Clients,
    /// Tasks of each contender, with ten requests a second in each.
    pub(crate) tasks: usize,
    /// How the clients' runtime is blocked. STS and the service have a runtime of their own.
    pub(crate) blocking: Option<Blocking>,
}

/// The clients of a contender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clients {
    One,
    FiveOfOneConfig,
    FiveOfFiveConfigs,
}

impl Scenario {
    /// Three refreshes. Sessions of 20 s are long enough for the SDK's cache, which refreshes in their last 10 s.
    fn plain(name: &'static str, sts_latency: Duration) -> Self {
        Self {
            name,
            lifetime: Duration::from_secs(20),
            runs_for: Duration::from_secs(48),
            sts_latency,
            fault: None,
            request_timeout: None,
            clients: Clients::One,
            tasks: 64,
            blocking: None,
        }
    }

    fn with_fault(name: &'static str, fault: Fault, lifetime: u64, shares: Range<f64>) -> Self {
        let lifetime = Duration::from_secs(lifetime);
        let span = lifetime.mul_f64(shares.start)..lifetime.mul_f64(shares.end);
        Self { lifetime, fault: Some((span, fault)), ..Self::plain(name, Duration::from_millis(50)) }
    }

    /// Handlers block each worker for 50 ms at a time, at 90 % load. The rest is enough for eight tasks.
    fn blocked_for_50ms(name: &'static str) -> Self {
        let blocking = Blocking { blocked: Duration::from_millis(50), free: Duration::from_millis(5) };
        Self { tasks: 8, blocking: Some(blocking), ..Self::plain(name, Duration::from_millis(50)) }
    }

    /// The workers are free for less time than STS takes, so that each exchange on these workers spans a block.
    fn blocked_for_3s(name: &'static str) -> Self {
        let blocking = Blocking { blocked: Duration::from_secs(3), free: Duration::from_millis(200) };
        Self { tasks: 32, blocking: Some(blocking), ..Self::plain(name, Duration::from_millis(300)) }
    }

    pub(crate) fn all() -> Vec<Self> {
        vec![
            Self::plain("sts_50ms", Duration::from_millis(50)),
            Self::plain(DRAWN, Duration::from_secs(1)),
            Self {
                runs_for: Duration::from_secs(55),
                ..Self::with_fault("sts_down_in_the_last_quarter", Fault::ConnectionReset, 40, 0.75..1.0)
            },
            Self::with_fault("sts_throttles_from_half_until_after_expiry", Fault::Throttled, 30, 0.5..1.25),
            Self {
                request_timeout: Some(Duration::from_millis(100)),
                runs_for: Duration::from_secs(35),
                ..Self::plain("requests_time_out_after_100ms", Duration::from_millis(200))
            },
            Self {
                clients: Clients::FiveOfOneConfig,
                runs_for: Duration::from_secs(35),
                ..Self::plain("five_clients_of_one_config", Duration::from_millis(50))
            },
            Self {
                clients: Clients::FiveOfFiveConfigs,
                runs_for: Duration::from_secs(35),
                ..Self::plain("five_clients_of_five_configs", Duration::from_millis(50))
            },
            Self::blocked_for_50ms("workers_blocked_50ms_at_a_time"),
            Self::blocked_for_3s("workers_blocked_3s_at_a_time"),
        ]
    }

    /// One refresh of each contender.
    pub(crate) fn short() -> Vec<Self> {
        let short = |scenario: Self| Self {
            lifetime: Duration::from_secs(11),
            runs_for: Duration::from_secs(9),
            tasks: scenario.tasks.min(16),
            ..scenario
        };
        vec![
            short(Self::plain("short", Duration::from_millis(300))),
            short(Self::blocked_for_50ms("short_workers_blocked_50ms_at_a_time")),
            short(Self::blocked_for_3s("short_workers_blocked_3s_at_a_time")),
        ]
    }

    /// The most exchanges that refreshing at 60 % of each lifetime needs, with the first exchange and one to spare.
    pub(crate) fn most_exchanges(&self) -> usize {
        2 + (self.runs_for.as_secs_f64() / (0.6 * self.lifetime.as_secs_f64())) as usize
    }
}

/// The scenario of the picture.
pub(crate) const DRAWN: &str = "sts_1s";
