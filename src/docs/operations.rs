//! Operations: mount the token, how the file is watched, what each warning means.
//!
//! This page is for people who write the pod's manifest, or who see a warning in the log.
//! [`troubleshooting`](super::troubleshooting) explains error texts, [`telemetry`](super::telemetry) lists the engine's
//! events with their fields, and [`cluster`](super::cluster#alerts) says what to alert on.
//!
//! # Mount the token
//!
//! Mount the projected volume of the `serviceAccountToken` as a whole, not the single file by `subPath`:
//!
//! ```yaml
//! spec:
//!   serviceAccountName: checkout
//!   securityContext:
//!     fsGroup: 65534                # needed before Kubernetes 1.19 if the pod does not run as root
//!   containers:
//!     - name: checkout
//!       env:
//!         - name: AWS_ROLE_ARN
//!           value: arn:aws:iam::123456789012:role/checkout
//!         - name: AWS_WEB_IDENTITY_TOKEN_FILE
//!           value: /var/run/secrets/aws/token
//!         - name: AWS_REGION
//!           value: eu-central-1
//!       volumeMounts:
//!         - name: aws-token
//!           mountPath: /var/run/secrets/aws     # the directory; a subPath mount is never updated
//!           readOnly: true
//!   volumes:
//!     - name: aws-token
//!       projected:
//!         sources:
//!           - serviceAccountToken:
//!               audience: sts.amazonaws.com     # a client ID of the IAM OIDC provider
//!               expirationSeconds: 3600         # lifetime of the token, not of the credentials; at least 600
//!               path: token
//! ```
//!
//! On EKS the pod identity webhook adds the volume and the variables to each pod whose service account is annotated
//! with a role.
//!
//! The kubelet replaces a token at 80 % of its lifetime or after 24 hours, and may take 90 s longer. It replaces a
//! one-hour token with about ten minutes left, a ten-minute token with as little as 30 seconds. So a shorter lifetime
//! leaves no time if the kubelet has trouble.
//!
//! # How the token file is watched
//!
//! - *File events.* All providers of a process share one watcher per token directory. On Linux a watcher costs an
//!   inotify instance, a thread and three file descriptors. If the token file is a link, the watcher also watches the
//!   directories that the link leads through. After an event the file is read and its content compared.
//! - *Polling.* The file is also polled every 30 s ±10 %
//!   ([`token_poll_interval`](crate::Builder::token_poll_interval)). Without file events it is polled at least every 5
//!   s. In three cases it is polled ten times every second, then every 5 s. Either there is no token, STS says that the
//!   token has expired or was withdrawn, or the directory cannot be watched.
//! - *Each exchange* reads the file anew, when the exchange has a slot at its STS endpoint. So no exchange uses an old
//!   token after a missed file event. Only the retry after a failure comes later.
//!
//! A new token causes no exchange while exchanges succeed. After a failure it causes an exchange: at once if a caller
//! waits, otherwise within 2 s.
//!
//! A token that has expired is held back, so that STS need not reject it. Two clocks must agree that it expired more
//! than a minute ago: the clock of STS and the local clock. The clock of STS is the `Date` of the last successful
//! exchange, continued by the monotonic clock. The error says when the token expired and when its file last changed. If
//! the clocks do not agree, the provider still sends the token, about once a minute.
//!
//! # Limits of file events
//!
//! - `fs.inotify.max_user_instances` is 128 by default, per user id on the whole node. Pods that run as root share it
//!   with the kubelet. [`watch_token(false)`](crate::Builder::watch_token) uses no inotify instance and no thread.
//! - gVisor, Kata, network file systems, FUSE file systems and `subPath` mounts send no file events. Polling still
//!   works.
//! - If the directory is removed and made again, or mounted late, polling finds it: within a second at first, later
//!   within five seconds.
//! - Two changes send no event, and the next poll finds them. One is a new *parent* of the directory. The other is a
//!   link to the directory that leads elsewhere.
//! - A `subPath` mount is never updated. The crate recognises it after the first rotation: the kubelet has then removed
//!   the old file, and the mount still holds it.
//! - If a program writes the token file in place, a read waits up to half a second for the whole token.
//! - Content that is certainly no token is not sent: JSON, quotes, a header, several lines, more than 20,000 bytes. The
//!   error says how the content begins. An opaque token that is no JWT is sent.
//! - A directory, or content that is no token, is reported at once. When a token takes its place, the crate notices it
//!   like any new token.
//!
//! # Reads that hang
//!
//! A read of the token file is given up after [`attempt_timeout`](crate::Builder::attempt_timeout), 8 s by default. The
//! error has the kind [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable), and
//! [`is_transient`](crate::Error::is_transient) is true. Valid credentials stay in use. The error names the cause:
//!
//! | error text | cause | what to do |
//! |---|---|---|
//! | `its file system did not answer` | a network or FUSE file system hangs; no second read of the file starts before the first ends | repair the file system, or mount the token from a projected volume |
//! | `all blocking threads of the Tokio runtime were busy` | every blocking thread is in use, so no read can start | find the code that blocks them, or raise `max_blocking_threads` |
//! | `no thread can be started` | the pids limit of the pod's cgroup or the user's `RLIMIT_NPROC` is reached | raise the limit, or start fewer threads |
//!
//! The file is then polled ten times every second, later every five seconds. When a read succeeds, an exchange follows
//! at once.
//!
//! # Warnings
//!
//! A warning about the token or its watch is logged when the problem begins. An INFO line says when the problem ends.
//! Nothing is logged in between. Failed exchanges have [rules of their own](super::telemetry#events). Warnings about
//! settings are logged once per process and value.
//!
//! | warning | meaning | what to do |
//! |---|---|---|
//! | `no file events of the token file; the file is polled instead` | file events do not work; `reason` says why: no inotify instance (EMFILE), no inotify watch (ENOSPC), no thread, or no directory. Polling notices a new token within 5 s | raise `fs.inotify.max_user_instances` or `max_user_watches` on the node, or use `watch_token(false)`; if there is no directory, mount the volume |
//! | `the token file changed without a file event (usual under gVisor, Kata and network file systems)` | the system offers file events for this file, but sends none | nothing; the file is now polled every 5 s |
//! | `no token` | the file is missing, unreadable, does not answer, or holds something that is certainly no token (JSON, a header, a key, several lines). `error` says which; for a permission problem it shows owner, mode and the process's uid | follow `error`: mount the volume, set `fsGroup`, or name the file itself |
//! | `the token file is a subPath mount` | the file is never updated, so the token will expire | mount the directory |
//! | `the token has expired in a subPath mount` | the token was never updated and has expired; the next exchange fails | mount the directory |
//! | `the token should have been replaced by now` | 80 % of the token's lifetime and 5 min have passed, and the kubelet has not replaced the token. The kubelet stops in a terminating pod, and while a volume of the pod has a problem | check the kubelet's log and the pod's events before the token expires |
//! | `the token has expired and was not replaced` | as above, and the next exchange fails. `changed_at` and `unchanged_seconds` say when the file last changed | as above; if the local clock is wrong, set it |
//! | `credentials could not be refreshed` | an exchange failed. `error` says what to do. Requests use the present credentials, which last `valid_seconds` | follow `error` before they expire |
//! | `credentials expired before they could be refreshed` (an ERROR) | requests now wait or fail. `error` is the last failure | follow `error` |
//! | `STS is not activated at a standby for the role's account` | the provider no longer uses this standby | activate STS in that region for the account, or name another standby; then restart |
//! | `the background work panicked` | a bug; the work continues after 30 s | report the bug |
//! | `watching for changes panicked` | a bug; watching starts again after 30 s | report the bug |
//! | `the future of shutdown_when panicked` | this future no longer shuts the provider down | correct the program; until then call `shutdown` |
//! | `requests to STS use plain http` | anybody on the network path can read the token | use an endpoint with `https` |
//! | `a proxy is set for plain http` | `HTTP_PROXY` or `ALL_PROXY` is set, and the endpoint's URL begins with `http:`, so the token goes through the proxy | use https, or add the endpoint's host to `NO_PROXY` |
//! | `both AWS_ROLE_ARN (web identity) and AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) are set` | this crate uses web identity; other SDKs may use Pod Identity | remove one of the two |
//! | `AWS_ACCESS_KEY_ID is set beside web identity` | this crate ignores the key. The SDK's default chain and other SDKs prefer it, and then act as its owner | remove `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` |
//! | `FIPS is on` | AWS [lists](https://docs.aws.amazon.com/general/latest/gr/sts.html) no FIPS endpoint of STS for this region, so its name may not exist in DNS | turn `AWS_USE_FIPS_ENDPOINT` off, or use a region in the US or Canada |
