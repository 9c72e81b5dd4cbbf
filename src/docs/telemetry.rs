//! Telemetry: log events, spans and metrics.
//!
//! This page is for people who write dashboards, alerts or log filters. It lists the events of the engine, the span and
//! the metrics. Their names and fields are stable: a change is a breaking change of the crate. New fields may be added.
//! [`operations`](super::operations#warnings) lists the warnings of all parts.
//!
//! Nothing here holds a token, a secret key or a session token. Logging and counting do not change what the provider
//! does.
//!
//! # Events
//!
//! The events of this table go through [`tracing`](https://docs.rs/tracing) with the target `aws_web_identity`. Each
//! has the field `role`: the configured ARN, or the [`name`](crate::BackgroundBuilder::name) of a wrapped provider.
//! Events of a wrapped provider have no `assumed_role_arn` and no `endpoint`.
//!
//! | message | level | fields beside `role` | when |
//! |---|---|---|---|
//! | `credentials refreshed` | INFO | `assumed_role_arn`, `endpoint`, `generation`, `lifetime_seconds`, `next_attempt_seconds` | new credentials came |
//! | `credentials refreshed after failures` | INFO | the same, `failures`, `failing_seconds` | an exchange succeeded after failures; the fields give their number and duration |
//! | `the new credentials would expire sooner; the present ones stay in use` | DEBUG | as in the first row | STS, or a wrapped provider's cache, gave a shorter session |
//! | `the exchange returned the same credentials` | DEBUG | as in the first row | STS, or a wrapped provider's cache, gave the present access key again |
//! | `credentials could not be refreshed` | WARN, DEBUG | `kind`, `code`, `request_id`, `failures`, `generation`, `valid_seconds`, `next_attempt_seconds`, `error`, `cause` | an exchange failed; see below for the level |
//! | `credentials expired before they could be refreshed` | ERROR | `generation`, `failures`, `kind`, `error` | the credentials expired; once, and again only after new credentials |
//! | `a service rejected the credentials` | DEBUG | `generation` | a service rejected the present credentials: the [interceptor](crate::BackgroundCredentialsProvider::interceptor) or your code called [`invalidate`](crate::BackgroundCredentialsProvider::invalidate) |
//! | `the machine was suspended; checking the credentials` | INFO | `seconds` | the machine was suspended for so long |
//! | `the clock was set ahead; checking the credentials`, `the clock was set back; the credentials are not affected` | INFO | | the local clock was changed by more than 5 s |
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
//! Most failures of a long outage are logged as DEBUG. Two groups are logged as WARN:
//!
//! - The first three failures of each `kind` and [class](super::policy#retry-delays) since the last success.
//! - The first failure after the remaining time has fallen to 50, to 25 and to 10 % of the lifetime.
//!
//! So an outage of hours causes only a few WARN lines. It causes an ERROR line only if credentials expired.
//!
//! Token file, standbys, builder and panics log under targets below `aws_web_identity`. They log only when something
//! changes: a replaced token, an unreadable file, missing file events. The filter `aws_web_identity=info` covers
//! everything.
//!
//! # Spans
//!
//! | span | level | fields |
//! |---|---|---|
//! | `exchange` | INFO | `role`; `attempt`, counted from 1 since the last success; `generation` of the credentials to be replaced; at the end `outcome` (`ok`, `error`) and `kind` |
//!
//! The span has no parent, because the exchange belongs to no caller. It contains the events of the SDK's STS call. The
//! events in the table above are outside the span, and have all their fields themselves. So a log line shows each field
//! once.
//!
//! # Metrics
//!
//! The feature `metrics` reports through the [`metrics`](https://docs.rs/metrics) facade. Without a recorder the cost
//! is negligible. Each metric has the label `role`, with the same value as the events' field. Two providers of one role
//! in one process write to the same series.
//!
//! | name | type | meaning |
//! |---|---|---|
//! | `aws_web_identity_exchanges_total` | counter | exchanges that ended; label `outcome` is `ok` or `error`; label `kind` is [`ErrorKind::as_str`](crate::ErrorKind::as_str), or `none` for `ok` |
//! | `aws_web_identity_exchange_duration_seconds` | histogram | duration of an exchange |
//! | `aws_web_identity_expiry_timestamp_seconds` | gauge | expiry of the credentials; 0 if there never were any |
//! | `aws_web_identity_next_attempt_timestamp_seconds` | gauge | time of the next attempt; 0 if the provider is closed |
//! | `aws_web_identity_consecutive_failures` | gauge | failed exchanges since the last success |
//! | `aws_web_identity_generation` | gauge | number of credentials so far |
//! | `aws_web_identity_rejections_total` | counter | rejections of the present credentials by a service |
//! | `aws_web_identity_token_rotations_total` | counter | new tokens noticed in the file; absent without a token file |
//! | `aws_web_identity_token_expiry_timestamp_seconds` | gauge | `exp` of the newest token; 0 if unknown; absent for providers without a token |
//! | `aws_web_identity_watch_healthy` | gauge | 1: file events work; 0: they do not, and the file is only polled; absent with [`watch_token(false)`](crate::Builder::watch_token) and without a token file |
//!
//! - *Times* are in seconds since 1970 on the local clock. Compare them with `time()`.
//! - *Gauges* are set at each change and every 30 s, from the first use of the provider.
//! - *Histogram buckets.* If your exporter turns histograms into summaries, give the duration buckets from 10 ms to 10
//!   s. An exchange ends after 8 s ([`attempt_timeout`](crate::Builder::attempt_timeout)), one of a wrapped provider
//!   after 20 s. The duration also includes the wait for an exchange slot, if 8 exchanges of the process already run at
//!   that STS endpoint.
//!
//! `examples/observability/` has a Grafana dashboard, and Prometheus alert rules with runbooks. The example `service`
//! serves the metrics.
