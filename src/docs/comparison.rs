//! This crate beside aws-config's provider, AWS's coming behaviour, and what other libraries do.
//!
//! # What they do
//!
//! *Released*: aws-config 1.13 with the SDK's default identity cache. *Coming*: the behaviour that AWS is bringing to
//! all its SDKs, as it stood on a branch of the Rust SDK in August 2026, in no release.
//!
//! | | this crate | released | coming |
//! |---|---|---|---|
//! | a refresh starts | at 60 to 75 % of the lifetime, drawn anew each time | 5 to 10 s before the expiry, in a request | 5, 15 or 60 min before it, by lifetime and without jitter, in a request |
//! | who waits for STS | nobody | every caller | one request; in the last minute all |
//! | the exchange runs under the timeout of a request | no | yes: one that is shorter than STS takes ends every attempt | yes |
//! | it fails while credentials are valid | they are used on; the next attempt by class and remaining time | they are dropped; each caller tries again | they are used on, the next attempt in 5 to 10 min; `AccessDenied` and `InvalidIdentityToken` are raised at once |
//! | it fails past the expiry | callers wait for the attempts, then get the root cause | each caller tries again | expired ones are given out, without limit |
//! | callers of a first exchange that fails | share one exchange and its error | one exchange each, one after the other | the same |
//! | a local clock that is 2 h ahead | does not matter | a call of STS for each request | no request succeeds |
//! | a new token | is noticed, and ends a failure | is read at the next exchange | the same |
//! | length of the session | 15 min to 12 h | STS's default | STS's default |
//! | after a refusal by a service | renewed at once, with the [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) | at the expiry | at the next request, but not before the wait after a failure is over |
//! | a fleet | drifts apart in its first cycle | 5 s of jitter | none |
//! | calls an hour, at sessions of an hour | 1.5 for each provider, used or not | 1 for each cache | 1.3 for each cache |
//!
//! The last row is the price of the first.
//!
//! # What it costs, measured
//!
//! Counts repeat on any machine; times do not, and are left to the benches. All stand in one run, side by side.
//!
//! One read, `cargo bench --bench read_path --all-features`:
//!
//! | | instructions | allocations |
//! |---|---|---|
//! | this crate, through the SDK's identity cache | 595 | 1 |
//! | the SDK's default cache | 2312 | 3 |
//! | the least that the SDK's trait allows: a prebuilt identity, cloned | 478 | 1 |
//! | [`current`](crate::BackgroundCredentialsProvider::current) | 217 | 0 |
//! | `provide_credentials` | 294 | 0 |
//!
//! At the refresh, 64 tasks with real SDK clients over real sockets, `cargo bench --bench refresh_boundary
//! --all-features`:
//!
//! | | this crate | released |
//! |---|---|---|
//! | STS takes 1 s: requests that waited | 0 | 192 |
//! | STS takes 200 ms, requests end after 100 ms: requests left without credentials while there were valid ones | 0 | 4151 |
//! | five clients of five configs, 35 s of sessions of 20 s: calls of STS | 3 | 17 |
//! | all workers of the runtime blocked for 50 ms at a time, 91 % of the time: requests that waited | 0 | 14 |
//! | all workers blocked for 3 s at a time, 94 % of the time: requests that waited | 0 | 125 |
//! | the same: p99.9 latency against fixed keys | 1.00 | 1.07 |
//!
//! A fleet of 10 000 pods with sessions of an hour that started within 5 s, simulated, `cargo bench --bench fleet
//! --all-features`:
//!
//! | | this crate | released | coming |
//! |---|---|---|---|
//! | calls of STS in the worst second of the first refresh | 37 | 1749 | 2020 |
//!
//! 5,000 pods that start within 5 s while STS is limited or away, each with one request a second, in the same bench. The
//! two others give the same figures here.
//!
//! | | this crate | released, coming |
//! |---|---|---|
//! | STS grants 20 calls a second: calls per grant, last pod ready after | 3.4, 355 s | 149, 249 s |
//! | STS grants 100 calls a second | 2.4, 122 s | 29, 50 s |
//! | STS grants 500 calls a second | 1.4, 25 s | 3.1, 10 s |
//! | STS is away for 30 min: calls per pod in the first 10 s, calls a second after 5 min | 3.9, 278 | 10.4, 5000 |
//! | the same: ready after the outage, p50 and p99 | 9 s, 22 s | 0.5 s, 1 s |
//!
//! What a start costs and what the crate adds to a program is printed by `cargo bench --bench cold_start
//! --all-features`, how soon a new token is seen by `cargo bench --bench rotation --all-features`, what an outage costs
//! with a [standby](super::standby) and without by a test.
//!
//! # What the errors say
//!
//! 37 misconfigured worlds, each once through this crate and once through `aws_config::load_defaults`. The whole texts stand
//! side by side in `tests/it/diagnosis`. `cargo test --workspace --all-features diagnosis` compares them with what both
//! say now. aws-config's `Display` alone says `an error occurred while loading
//! credentials` in 31 of the 37; the table shows its sources, too.
//!
//! | world | this crate names | aws-config 1.13 says |
//! |---|---|---|
//! | the webhook did not inject, the node has a role | the annotation, and that the pod must be created anew | nothing: it takes the node's role |
//! | `AWS_ROLE_ARN` is forgotten, the node has a role | the variable, and why the webhook did nothing | nothing: it takes the node's role |
//! | EKS Pod Identity alone | Pod Identity, and how to use it | nothing: it takes Pod Identity's credentials, rightly |
//! | a user's keys in the environment, too | the role (the keys are not used, which is a warning) | nothing: it takes the keys |
//! | no region | `AWS_REGION` | `Missing Region` |
//! | region misspelled; FIPS where there is none | the endpoint's name; the FIPS switch | `dns error` |
//! | no such role, or another service account | the statement to paste, the service account, the role's name | `AccessDenied`, `Not authorized to perform` |
//! | audience not listed; the API server's token | the audience, the file, where to correct it | `Incorrect token audience` |
//! | issuer not registered; only known in the cluster | the provider to create; `--service-account-issuer` | `No OpenIDConnect provider found` |
//! | signing key not published | the key's `kid`, and where it must be listed | `Couldn't retrieve verification key` |
//! | token expired: `subPath`, a copy | the file, since when, what to check | `Token expired` |
//! | token file missing, or for another user | the file, its directory, its mode, our uid | `No such file or directory`, `Permission denied`; no path |
//! | the token is JSON | what the file begins with; it is not sent | sends it: `not a valid JWT` |
//! | `role,saml-provider` as the role | the pair; it is not sent | sends it: `AccessDenied` |
//! | a private CA, a proxy that opens TLS | `SSL_CERT_FILE` | `UnknownIssuer` |
//! | http and https mixed up | which of the two the port speaks | `InvalidContentType`, `invalid HTTP version parsed` |
//! | a gateway's page, a proxy's page, an object store | that it is not STS, with its status and title or code | `unhandled error`, `Error` |
//! | throttled | the account, and what lowers the calls | `Throttling`, `Rate exceeded` |
//!
//! # Other libraries
//!
//! Their sources as read in 2026, some of them not the newest.
//!
//! | library | a refresh starts before the expiry by | who waits | it fails while credentials are valid |
//! |---|---|---|---|
//! | Java v2 | 5 min, less up to 3 min of jitter | one caller, or nobody if told so; all in the last minute | kept, each call tries again; an error in the last minute |
//! | Go v2 | as *coming* | one caller; who gives up cancels nothing, and errors are shared | as *coming* |
//! | Python (botocore) | 15 min | one thread; all in the last 10 min | kept, each call tries again; an error in the last 10 min |
//! | JavaScript v3 | 5 min | nobody in the default chain, until the expiry | kept, each call tries again |
//! | .NET | 15 min | nobody, until the expiry | kept, each call tries again |
//! | C++ and others on the CRT | 5 min | all | dropped |
//! | PHP | 0 | all | |
//! | `object_store` (Rust) | 5 min | all, for each store | an error; throttling is not tried again |
//! | `reqsign` (Rust) | 2 min | all, for each signer | an error |
//!
//! What is worth taking was taken: errors that are shared (Go), jitter over a wide window (Java), refreshing beside the
//! requests (JavaScript, .NET), monotonic deadlines (CRT, `object_store`), time by the server's clock (.NET), a key
//! that a service refused (AWS's coming behaviour), a validity that one call needs (`reqsign`).
