//! What a provider says of itself: events, spans, metrics. Stable: a change here is a breaking change of the crate.
//!
//! No event, span or metric holds a token, a secret key or a session token. What is said and what is counted changes
//! nothing of what is done.
//!
//! # Events
//!
//! Through [`tracing`](https://docs.rs/tracing), with the target `aws_web_identity`; each has the field `role`: the ARN
//! that was configured, or the [`name`](crate::BackgroundBuilder::name) of a wrapped provider, which has no
//! `assumed_role_arn` and no `endpoint`. Message, level and fields are stable; there may come more fields.
//!
//! | message | level | fields | when |
//! |---|---|---|---|
//! | `credentials refreshed` | INFO | `assumed_role_arn`, `endpoint`, `generation`, `lifetime_seconds`, `next_attempt_seconds` | once for each credentials that come |
//! | `credentials refreshed after failures` | INFO | the same, `failures`, `failing_seconds` | in place of the first, at the end of a run of failures: how many there were and how long it took |
//! | `the new credentials would expire sooner; the present ones stay in use` | DEBUG | as the first | STS, or a cache before it, gave a shorter session |
//! | `the exchange returned the same credentials` | DEBUG | as the first | STS, or a cache before it, gave the access key that we had |
//! | `credentials could not be refreshed` | WARN, DEBUG | `kind`, `code`, `request_id`, `failures`, `generation`, `valid_seconds`, `next_attempt_seconds`, `error`, `cause` | each exchange that fails; see below |
//! | `credentials expired before they could be refreshed` | ERROR | `generation`, `failures`, `kind`, `error` | once, when they end; again only after others have come |
//! | `a service rejected the credentials` | DEBUG | `generation` | [`invalidate`](crate::BackgroundCredentialsProvider::invalidate), by hand or by the [interceptor](crate::BackgroundCredentialsProvider::interceptor), for the present credentials |
//! | `the machine was suspended; checking the credentials` | INFO | `seconds` | |
//! | `the clock was set ahead; checking the credentials`, `the clock was set back; the credentials are not affected` | INFO | | by more than 5 s |
//!
//! `generation` is that of the new credentials, and in the events of failures that of those which remain; 0 if there
//! never were any. `valid_seconds` is what remains of them, `next_attempt_seconds` the time until the next exchange.
//! `kind` is [`ErrorKind::as_str`](crate::ErrorKind::as_str), `error` the text of the [`Error`](crate::Error) with
//! its remedy, `cause` that of its source, if it has one.
//!
//! A failure is a WARN as long as it is news: the first three that are alike (of one `kind` and with the same
//! consequence for the next attempt) since the last success, and each one that finds 50, 25 or 10 % of the lifetime
//! newly passed. The others are DEBUG. So an outage of hours is a handful of lines, with ERROR in it only if
//! credentials ended.
//!
//! What the token file does, and what standbys and the builder warn of, is told under targets below `aws_web_identity`,
//! on a change only: a replaced token, a file that cannot be read, file events that do not come. A filter of
//! `aws_web_identity=info` covers all.
//!
//! # Spans
//!
//! | span | level | fields |
//! |---|---|---|
//! | `exchange` | INFO | `role`, `attempt` (since the last success, from 1), `generation` (that is to be replaced), and when it ends `outcome` (`ok`, `error`) and `kind` |
//!
//! The span is a root, since the exchange belongs to no caller. The events of the SDK's STS call are in it. The events of
//! the outcome are roots, too: each holds all fields that it needs, and a log line holds each field once.
//!
//! # Metrics
//!
//! With the feature `metrics`, through the [`metrics`](https://docs.rs/metrics) facade; without a recorder they cost
//! nothing to speak of. All are labelled with `role`, as above. Two providers of one role in one process share their
//! series.
//!
//! | name | kind | what it is |
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
//! Times are in seconds since 1970 on the local clock, so they need no ticking: compare them with `time()`. Gauges are
//! set with each change and every 30 s, from the moment when the provider is first used. An exporter that keeps
//! histograms as summaries wants to be given buckets for the duration: 10 ms to 10 s, since an exchange ends after 8 s
//! ([`attempt_timeout`](crate::Builder::attempt_timeout); that of a wrapped provider after 20 s), reading a file and
//! waiting for its turn among more than 8 of a process at one STS not counted.
//!
//! The repository has a Grafana dashboard and Prometheus alert rules with runbook lines in `examples/observability/`,
//! and an example `service` that serves the metrics.
