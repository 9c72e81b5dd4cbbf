//! Mounting the token, watching it, and the meaning of each warning.
//!
//! # What to mount
//!
//! A projected volume with a `serviceAccountToken`, mounted as a directory:
//!
//! ```yaml
//! spec:
//!   serviceAccountName: checkout
//!   securityContext:
//!     fsGroup: 65534                # needed on clusters older than Kubernetes 1.19 by whoever does not run as root
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
//!           mountPath: /var/run/secrets/aws     # the directory; never a subPath, which is not updated
//!           readOnly: true
//!   volumes:
//!     - name: aws-token
//!       projected:
//!         sources:
//!           - serviceAccountToken:
//!               audience: sts.amazonaws.com     # a client ID of the IAM OIDC provider
//!               expirationSeconds: 3600         # 600 at least; it bounds the token, not the credentials
//!               path: token
//! ```
//!
//! On EKS the pod identity webhook adds the same to the pods of an annotated service account.
//!
//! A kubelet replaces the token at 80 % of its lifetime, or after 24 hours, and needs up to 90 s for it. It replaces a
//! one-hour token with about ten minutes left, a ten-minute token with as little as 30 seconds. Shorter tokens leave no
//! room for a kubelet in trouble.
//!
//! # What is watched
//!
//! - One watcher for each directory sees the token file change. All providers of a process share it. On Linux it costs an
//!   inotify instance, a thread and three file descriptors. If the file is a link, the directories that the link leads
//!   through are watched as well. An event is a hint: the file is read, and its content compared.
//! - The file itself is polled besides, every 30 s ±10 %
//!   ([`token_poll_interval`](crate::Builder::token_poll_interval)). While there are no file events it is every 5 s or
//!   more often; while there is no token, STS wants another one, or the directory is gone, every second at first.
//! - Each exchange reads the file anew, after it has waited for its turn at STS. So a watch that sees nothing delays the
//!   end of a failure, and nothing else.
//!
//! A new token asks for no exchange while all is well. It ends a failure: at once if somebody waits, else within 2 s.
//!
//! A token whose end STS's own clock has passed by more than a minute (its last answer's `Date`, carried on by the
//! monotonic clock) is not sent if the local clock says the same. The error names the time of its end and of the file's
//! last change. As long as there is any doubt STS is asked, once a minute.
//!
//! # Limits of watching
//!
//! - `fs.inotify.max_user_instances` is 128 by default, for each user id on the whole node: all pods that run as root
//!   share them with the kubelet. [`watch_token(false)`](crate::Builder::watch_token) needs none, and no thread.
//! - No file events come under gVisor and Kata, from network and FUSE file systems, and to a `subPath` mount. Polling
//!   goes on.
//! - A directory that is removed and made again, or mounted late, is found by polling: within a second at first, within
//!   five later. One whose *parent* is replaced, or that is reached through a link to a directory which is led
//!   elsewhere, says nothing and is found by the next regular poll.
//! - A `subPath` mount is never updated. It is recognised by its file, which has no name any more.
//! - A writer that fills the file in place is waited for half a second, if what is there cannot be whole.
//! - A file that certainly holds no token is not sent: JSON, quotes, a header, several lines, more than 20 000 bytes. The
//!   error names what it begins with. An opaque token, which is no JWT, is sent.
//! - A directory as token file, or a file that holds something else, is reported at once and not waited out. A token in
//!   its place is seen as any new token is.
//!
//! # Reads that hang
//!
//! A read of the token file ends within [`attempt_timeout`](crate::Builder::attempt_timeout), 8 s by default. The error is
//! [`TokenUnavailable`](crate::ErrorKind::TokenUnavailable) and transient; valid credentials stay in use. It names the cause:
//!
//! | the error says | what it means | what to do |
//! |---|---|---|
//! | `its file system does not answer` | a network or FUSE file system hangs. The read goes on alone, and no other read of the file begins before it ends | mend the file system, or mount the token from a projected volume |
//! | `the runtime's blocking pool is full` | all threads for blocking work of the Tokio runtime are busy | find what blocks them; raise `max_blocking_threads` |
//! | `no thread can be started` | the pids limit of the pod's cgroup or `RLIMIT_NPROC` of the user is reached | raise the limit, or start fewer threads |
//!
//! The watch looks again every second at first, then every five. An exchange follows as soon as the file can be read.
//!
//! # Warnings
//!
//! Warnings of the token and its watch are logged when a state begins. Its end is logged at level INFO, and nothing in
//! between. Each failed exchange is logged, a repeated failure at level DEBUG ([`telemetry`](super::telemetry)).
//!
//! | warning | what it means | what to do |
//! |---|---|---|
//! | `no file events of the token file, it is polled` | `reason` says why: no inotify instance (EMFILE), no inotify watch (ENOSPC), no thread, or the directory is missing. A new token is seen within 5 s | raise `fs.inotify.max_user_instances` or `max_user_watches` on the node, or choose `watch_token(false)`; mount the volume |
//! | `the token file changed without a file event` | file events do not work here, though the system says they do | nothing; it is polled every 5 s from then on |
//! | `no token` | the file is missing, may not be read, does not answer, or holds something that is certainly no token (JSON, a header, a key, several lines); `error` says which, with owner, mode and our uid if it is a matter of permission | as `error` says: mount the volume, set `fsGroup`, name the file itself |
//! | `the token file is a subPath mount` | it will never change, and so expire | mount the directory |
//! | `the token has expired in a subPath mount` | it has come to that: the next exchange fails | mount the directory |
//! | `the token should have been replaced by now` | 80 % of its life and 5 min are over: the kubelet does not replace it; it does not in a terminating pod, nor while a volume of the pod is in trouble | look at the kubelet's log and the pod's events, while there still is time |
//! | `the token has expired and was not replaced` | the same, and the next exchange fails; `changed_at` and `unchanged_seconds` tell when the file last changed | the same; or set the local clock, if it is that which is wrong |
//! | `credentials could not be renewed` | an exchange failed; `error` says what to mend, and `valid_seconds` how long the present credentials last | as `error` says, before they end |
//! | `credentials expired before they could be renewed` | requests fail, or wait, from here on; `error` is the last failure | as `error` says |
//! | `STS is not activated at a standby for the role's account` | the standby is left out until the provider is built anew | activate STS in that region for the account, or name another standby |
//! | `the background work panicked` | a bug; the work goes on after 30 s | report it |
//! | `watching for changes panicked` | a bug; polling starts anew after 30 s | report it |
//! | `the future of shutdown_when panicked` | the future ends nothing any more | mend the program; until then call `shutdown` |
//! | `STS is asked over plain http` | whoever is on the way can read the token | an endpoint with `https` |
//! | `a proxy is set for plain http` | `HTTP_PROXY` or `ALL_PROXY` is set, and the endpoint's URL begins with `http:` | use https, or put the host of the endpoint into `NO_PROXY` |
//! | `both AWS_ROLE_ARN (web identity) and AWS_CONTAINER_CREDENTIALS_FULL_URI (EKS Pod Identity) are set` | this crate takes the first, other SDKs may take the second | remove one of the two |
//! | `AWS_ACCESS_KEY_ID is set beside web identity` | this crate does not use the key; the SDK's default chain and other SDKs take it first, and act as somebody else | remove `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` |
//! | `FIPS is on` | AWS [lists](https://docs.aws.amazon.com/general/latest/gr/sts.html) no FIPS endpoint of STS for this region: its name may not be found | turn `AWS_USE_FIPS_ENDPOINT` off, or choose a region of the US |
//!
//! Warnings of settings, such as the last four, are logged once a process for each value.
//!
//! [`cluster`](super::cluster) says what to alert on. [`telemetry`](super::telemetry) lists all events with their fields.
