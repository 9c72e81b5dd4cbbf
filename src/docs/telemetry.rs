//! Telemetry: log events, spans and metrics.
//!
//! This page is for whoever writes dashboards, alerts or log filters. It lists every event, span and metric of the
//! crate. They are stable: a change is a breaking change of the crate, but new fields may be added.
//!
//! Nothing here holds a token, a secret key or a session token. Logging and counting do not change what the provider
//! does.
//!
//! # Events
//!
//! Events go through [`tracing`](https://docs.rs/tracing) with the target `aws_web_identity`. Each has the field
//! `role`: the configured ARN, or the [`name`](crate::BackgroundBuilder::name) of a wrapped provider. Events of a
//! wrapped provider have no `assumed_role_arn` and no `endpoint`.
//!
//! | message | level | fields | when |
//! |---|---|---|---|
//! | `credentials renewed` | INFO | `assumed_role_arn`, `endpoint`, `generation`, `lifetime_seconds`, `next_attempt_seconds` | once for each credentials that come |
//! | `credentials renewed after failures` | INFO | the same, `failures`, `failing_seconds` | in place of the first, at the end of a run of failures: how many there were and how long it took |
//! | `credentials that end sooner came; the present ones stay` | DEBUG | as the first | STS, or a cache before it, gave a shorter session |
//! | `the same credentials came again` | DEBUG | as the first | STS, or a cache before it, gave the access key that we had |
//! | `credentials could not be renewed` | WARN, DEBUG | `kind`, `code`, `request_id`, `failures`, `generation`, `valid_seconds`, `next_attempt_seconds`, `error`, `cause` | each exchange that fails; see below |
//! | `credentials expired before they could be renewed` | ERROR | `generation`, `failures`, `kind`, `error` | once, when they end; again only after others have come |
//! | `a service refused the credentials` | DEBUG | `generation` | [`invalidate`](crate::BackgroundCredentialsProvider::invalidate), by hand or by the [interceptor](crate::BackgroundCredentialsProvider::interceptor), for the present credentials |
//! | `the machine was suspended; checking the credentials` | INFO | `seconds` | |
//! | `the clock was set ahead; checking the credentials`, `the clock was set back; the credentials are not concerned` | INFO | | by more than 5 s |
//!
//! | field | meaning |
//! |---|---|
//! | `generation` | number of the new credentials; in an event of a failure, number of the remaining credentials, 0 if there never were any |
//! | `valid_seconds` | remaining time of the credentials |
//! | `next_attempt_seconds` | time until the next attempt |
//! | `kind` | [`ErrorKind::as_str`](crate::ErrorKind::as_str) |
//! | `error` | text of the [`Error`](crate::Error), with its remedy |
//! | `cause` | text of the error's source, if it has one |
//!
//! A failure is logged as WARN while it is news, otherwise as DEBUG. The first three failures that are alike are news:
//! failures of one `kind`, with the same effect on the next attempt, since the last success. A failure is also news if
//! it is the first with less than 50, 25 or 10 % of the lifetime remaining. So an outage of hours causes a handful of
//! lines. An ERROR is among them only if credentials expired.
//!
//! The token file, standbys and the builder log under targets below `aws_web_identity`, only when something changes: a
//! replaced token, an unreadable file, missing file events. The filter `aws_web_identity=info` covers everything.
//!
//! # Spans
//!
//! | span | level | fields |
//! |---|---|---|
//! | `exchange` | INFO | `role`, `attempt` (since the last success, from 1), `generation` (that is to be replaced), and when it ends `outcome` (`ok`, `error`) and `kind` |
//!
//! The span has no parent, because the exchange belongs to no caller. It contains the events of the SDK's STS call. The
//! events in the table above are outside the span, and have all their fields themselves. So a log line shows each field
//! once.
//!
//! # Metrics
//!
//! The feature `metrics` reports through the [`metrics`](https://docs.rs/metrics) facade. Without a recorder the cost
//! is negligible. Each metric has the label `role`, with the same value as the events' field. Two providers of one role
//! in one process share their series.
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `aws_web_identity_exchanges_total` | counter | exchanges that ended; `outcome` is `ok` or `error`, `kind` is the [`ErrorKind`](crate::ErrorKind) in snake case, `none` for `ok` |
//! | `aws_web_identity_exchange_duration_seconds` | histogram | how long each took |
//! | `aws_web_identity_expiry_timestamp_seconds` | gauge | when the credentials end; 0: there never were any |
//! | `aws_web_identity_next_attempt_timestamp_seconds` | gauge | when the next attempt is due; 0: the provider is closed |
//! | `aws_web_identity_consecutive_failures` | gauge | exchanges that failed since the last success |
//! | `aws_web_identity_generation` | gauge | credentials that came so far |
//! | `aws_web_identity_rejections_total` | counter | requests that a service refused for the present credentials |
//! | `aws_web_identity_token_rotations_total` | counter | times that the file was seen with another token; absent where no file is read |
//! | `aws_web_identity_token_expiry_timestamp_seconds` | gauge | the `exp` of the newest token; 0: not known; absent where there is none by design |
//! | `aws_web_identity_watch_healthy` | gauge | 1: file events come; 0: the file is polled for want of them; absent with [`watch_token(false)`](crate::Builder::watch_token) and where no file is read |
//!
//! - *Times* are in seconds since 1970 on the local clock. Compare them with `time()`.
//! - *Gauges* are set at each change and every 30 s, from the first use of the provider.
//! - *Histogram buckets.* If your exporter turns histograms into summaries, give the duration buckets from 10 ms to 10
//!   s. An exchange ends after 8 s ([`attempt_timeout`](crate::Builder::attempt_timeout)), one of a wrapped provider
//!   after 20 s. The duration also includes the wait for a turn, if 8 exchanges of the process already run at that STS
//!   endpoint.
//!
//! `examples/observability/` has a Grafana dashboard, and Prometheus alert rules with runbooks. The example `service`
//! serves the metrics.
