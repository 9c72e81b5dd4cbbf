//! Comparison: this crate, aws-config, AWS's coming behaviour and other libraries.
//!
//! This page is for people who choose a library. It compares behaviour, measured costs and error texts. [The
//! promises](crate#what-it-promises) and [`limits`](super::limits) say what this crate does and does not do.
//!
//! # Behaviour
//!
//! *Released* is aws-config 1.13 with the SDK's default identity cache. *Coming* is the behaviour that AWS is bringing
//! to all its SDKs, as read on a branch of the Rust SDK in August 2026. No release has it.
//!
//! | situation | this crate | released | coming |
//! |---|---|---|---|
//! | refresh starts | at 60 to 75 % of the lifetime, drawn anew each time | 5 to 10 s before the expiry, in a request | 5, 15 or 60 min before the expiry, by lifetime, without jitter, in a request |
//! | who waits for STS | nobody | every caller | one request; in the last minute all requests |
//! | a request's timeout also limits the exchange | no | yes; a timeout shorter than the exchange ends every attempt | yes |
//! | refresh fails, credentials valid | they stay in use; the next attempt depends on class and remaining time | they are dropped; each caller tries again | they stay in use; next attempt in 5 to 10 min; `AccessDenied` and `InvalidIdentityToken` fail at once |
//! | refresh fails, credentials expired | callers wait for the attempts, then get the root cause | each caller tries again | expired credentials are used, without limit |
//! | the first exchange fails | all callers share it and its error | each caller makes its own, one after the other | as *released* |
//! | local clock 2 h ahead | no effect | a call of STS for each request | no request succeeds |
//! | new token | noticed; ends a failure | read at the next exchange | as *released* |
//! | session length | 15 min to 12 h | STS's default | STS's default |
//! | service rejects the credentials | a refresh starts within 5 s, with the [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) | no refresh before the expiry | a refresh at the next request; after a failed refresh only when its delay is over |
//! | fleet | spreads in its first cycle | 5 s of jitter | no jitter |
//! | calls an hour, with sessions of one hour | 1.5 per provider, used or not | 1 per cache | 1.3 per cache |
//!
//! The early refresh in the first row costs the extra calls in the last row.
//!
//! # Measurements
//!
//! Counts are the same on every machine. Times depend on the machine, so run the benches on yours. Each bench measures
//! all sides in one run.
//!
//! **One read** (`cargo bench --bench read_path --all-features`):
//!
//! | read | instructions | allocations |
//! |---|---|---|
//! | this crate, through the SDK's identity cache | 617 | 1 |
//! | the SDK's default cache | 2,318 | 3 |
//! | the minimum that the SDK's trait allows: a clone of a prebuilt identity | 490 | 1 |
//! | [`current`](crate::BackgroundCredentialsProvider::current) | 242 | 0 |
//! | `provide_credentials` | 283 | 0 |
//!
//! **Refresh under load**: 64 tasks with real SDK clients and sockets (`cargo bench --bench refresh_boundary
//! --all-features`):
//!
//! | situation | counted | this crate | released |
//! |---|---|---|---|
//! | STS takes 1 s | requests that waited | 0 | 192 |
//! | STS takes 200 ms, requests have a timeout of 100 ms | requests without credentials although valid credentials existed | 0 | 4,729 |
//! | five clients of five configs, 35 s with sessions of 20 s | calls of STS | 3 | 17 |
//! | all workers of the runtime blocked for 50 ms at a time, 91 % of the time | requests that waited | 0 | 15 |
//! | all workers of the runtime blocked for 3 s at a time, 94 % of the time | requests that waited | 0 | 126 |
//! | the same | p99.9 latency, divided by that with fixed keys | 1.00 | 1.07 |
//!
//! **Refresh of a fleet** (`cargo bench --bench fleet --all-features`): a simulation of 10,000 pods with sessions of
//! one hour, which started within 5 s.
//!
//! | result | this crate | released | coming |
//! |---|---|---|---|
//! | calls of STS in the worst second of the first refresh | 37 | 1,749 | 2,020 |
//!
//! **Start of a fleet** while STS throttles or is down (same bench): 5,000 pods start within 5 s, and each has one
//! request a second. *Released* and *coming* give the same figures here.
//!
//! | situation | counted | this crate | released, coming |
//! |---|---|---|---|
//! | STS accepts 20 calls a second | calls per pod | 3.4 | 149 |
//! | | last pod ready after | 355 s | 249 s |
//! | STS accepts 100 calls a second | calls per pod | 2.4 | 29 |
//! | | last pod ready after | 122 s | 50 s |
//! | STS accepts 500 calls a second | calls per pod | 1.4 | 3.1 |
//! | | last pod ready after | 25 s | 10 s |
//! | STS is down for 30 min | calls per pod in the first 10 s | 3.9 | 10.4 |
//! | | calls a second after 5 min | 278 | 5,000 |
//! | | pods ready after the outage, p50 | 9 s | 0.5 s |
//! | | pods ready after the outage, p99 | 22 s | 1 s |
//!
//! With *released* and *coming* the pods are ready sooner, but make up to 43 times the calls.
//!
//! **More benches.** `cargo bench --bench cold_start --all-features` prints the cost of a start, and the size that the
//! crate adds to a program. `cargo bench --bench rotation --all-features` prints how soon a new token is noticed.
//! [`standby`](super::standby#cost-of-an-outage) has the cost of an outage.
//!
//! # Error texts
//!
//! A test runs 37 misconfigured setups, each once with this crate and once with `aws_config::load_defaults`.
//! `tests/it/diagnosis` has the full texts side by side, and `cargo test --workspace --all-features diagnosis` compares
//! them with the present output. In 31 of the 37 setups, aws-config's `Display` says only `an error occurred while
//! loading credentials`. The table below also includes the sources of aws-config's errors.
//!
//! | misconfiguration | this crate names | aws-config 1.13 says |
//! |---|---|---|
//! | the webhook did not inject the variables, the node has a role | the annotation, and that the pod must be recreated | nothing: it uses the node's role |
//! | `AWS_ROLE_ARN` is missing, the node has a role | the variable, and why the webhook did nothing | nothing: it uses the node's role |
//! | EKS Pod Identity alone | Pod Identity, and how to use it | nothing: it correctly uses Pod Identity |
//! | a user's keys in the environment as well | the role; a warning says that the keys are not used | nothing: it uses the keys |
//! | no region | `AWS_REGION` | `Missing Region` |
//! | misspelled region; FIPS in a region without it | the endpoint's name; the FIPS switch | `dns error` |
//! | the role does not exist, or trusts another service account | the statement to paste, the service account, the role's name | `AccessDenied`, `Not authorized to perform` |
//! | audience not in the OIDC provider; token for the API server | the audience, the file, where to correct it | `Incorrect token audience` |
//! | issuer not registered, or known only inside the cluster | the provider to create; `--service-account-issuer` | `No OpenIDConnect provider found` |
//! | signing key not published | the key's `kid`, and where to publish it | `Couldn't retrieve verification key` |
//! | expired token in a `subPath` mount or a copy | the file, the time of expiry, what to check | `Token expired` |
//! | token file missing or not readable | the file, its directory, its mode, the process's uid | `No such file or directory`, `Permission denied`; no path |
//! | the token file holds JSON | how the file begins; nothing is sent | sends it: `not a valid JWT` |
//! | `role,saml-provider` as the role | the pair; nothing is sent | sends it: `AccessDenied` |
//! | private CA, or a proxy that intercepts TLS | `SSL_CERT_FILE` | `UnknownIssuer` |
//! | http and https confused | which of the two the port speaks | `InvalidContentType`, `invalid HTTP version parsed` |
//! | page of a gateway or proxy, answer of an object store | that it is not STS, with its status and title or code | `unhandled error`, `Error` |
//! | throttling | the account, and how to make fewer calls | `Throttling`, `Rate exceeded` |
//!
//! # Other libraries
//!
//! The table comes from the sources of these libraries, as read in 2026. Some libraries have newer versions.
//!
//! | library | refresh starts before the expiry by | who waits | refresh fails, credentials valid |
//! |---|---|---|---|
//! | Java v2 | 5 min, less up to 3 min of jitter | one caller, or nobody if so configured; all in the last minute | kept; each call tries again; an error in the last minute |
//! | Go v2 | as *coming* | one caller; a cancelled caller cancels nothing, and errors are shared | as *coming* |
//! | Python (botocore) | 15 min | one thread; all in the last 10 min | kept; each call tries again; an error in the last 10 min |
//! | JavaScript v3 | 5 min | nobody in the default chain, until the expiry | kept; each call tries again |
//! | .NET | 15 min | nobody, until the expiry | kept; each call tries again |
//! | C++ and others on the CRT | 5 min | all | dropped |
//! | PHP | 0 | all | there are none |
//! | `object_store` (Rust) | 5 min | all, for each store | an error; throttling is not retried |
//! | `reqsign` (Rust) | 2 min | all, for each signer | an error |
//!
//! This crate takes these ideas from them:
//!
//! | idea | from |
//! |---|---|
//! | shared errors | Go |
//! | jitter over a wide window | Java |
//! | refresh outside requests | JavaScript, .NET |
//! | monotonic deadlines | CRT, `object_store` |
//! | time by the server's clock | .NET |
//! | refresh after a rejection | AWS's coming behaviour |
//! | credentials that last as long as one call needs | `reqsign` |
