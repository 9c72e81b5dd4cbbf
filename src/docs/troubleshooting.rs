//! Troubleshooting: every error text and warning, its cause, and what to do.
//!
//! This page is for people who have an error text or a log line. Search the page for the first words of the text. `…`
//! stands for a name, a path or a time. Words of the crate's texts stand in `code`, and the rest is explanation.
//!
//! Each text says in this order: what failed, on what, why, and what to do.
//!
//! Two examples help, if you put them into the image of the pod. `whoami` prints the text, and `doctor` checks each
//! step from the token to AWS.
//!
//! ```text
//! cargo run --example whoami
//! cargo run -p doctor
//! ```
//!
//! | subject of the text | section |
//! |---|---|
//! | a variable or a setting | [No provider is built](#no-provider-is-built) |
//! | the token file or the token source | [No token](#no-token) |
//! | DNS, connections, TLS, proxies | [STS cannot be reached](#sts-cannot-be-reached) |
//! | `InvalidIdentityToken`, `ExpiredTokenException`, the issuer, the audience | [STS refuses the token](#sts-refuses-the-token) |
//! | `AccessDenied`, `ValidationError`, a session policy, a region | [STS refuses the role](#sts-refuses-the-role) |
//! | `Throttling`, waiting | [Throttled and waiting](#throttled-and-waiting) |
//! | a role behind a role, a wrapped provider | [Chained roles and wrapped providers](#chained-roles-and-wrapped-providers) |
//! | a request to S3 or another service | [Services reject the credentials](#services-reject-the-credentials) |
//! | a line in the log | [Warnings](#warnings) |
//!
//! # No provider is built
//!
//! `build()` and `connect()` return these errors at once, and send nothing. Correct the variable or the setting, and
//! restart the program. Most texts have this form: `SETTING is "VALUE", which` breaks a rule.
//!
//! ## `neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set`
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `neither AWS_ROLE_ARN nor AWS_WEB_IDENTITY_TOKEN_FILE is set although this is a pod` | the EKS webhook did not change this pod | `annotate the pod's service account with eks.amazonaws.com/role-arn and recreate the pod`. The webhook changes only new pods. Without the webhook, mount a token and set both variables ([`operations`](super::operations#mount-the-token)) |
//! | `but AWS_CONTAINER_CREDENTIALS_FULL_URI is, so this pod has EKS Pod Identity` | the pod has EKS Pod Identity, which needs no token | `To use Pod Identity`, wrap the SDK's provider: [`roles`](super::roles#eks-pod-identity) shows how. To use web identity: `or remove the pod identity association and annotate the service account with eks.amazonaws.com/role-arn` |
//! | `and this is not a pod` | this is a laptop or another machine | `set both, or call Builder`'s methods. Or keep your own credentials if [`is_not_configured`](crate::BuildError::is_not_configured) is true |
//!
//! ## `… is set but … is not`
//!
//! One of the two variables is missing.
//!
//! | the text goes on | what to do |
//! |---|---|
//! | `set … to …`, with `the role's ARN` or `the path of the projected token` | set the missing variable, or call the method that the text names |
//! | `if the EKS webhook should set both` | remove the variable from the manifest: the webhook changes nothing if it finds one of the two |
//! | `AWS_CONTAINER_CREDENTIALS_FULL_URI is set` | the pod may have EKS Pod Identity instead: see above |
//! | `… is set, but this builder does not read web_identity_token_file in a profile` | set the variables as well |
//!
//! ## `…, which is not a role's ARN`
//!
//! | the text goes on | what to do |
//! |---|---|
//! | `write the whole ARN without blanks` | write `arn:aws:iam::123456789012:role/NAME` |
//! | `remove the quotes and blanks around it` | remove the quotes in the manifest or env file |
//! | `its placeholder was not replaced` | the template was not filled in |
//! | `this is only the role's name` | write the whole ARN |
//! | `this is a SAML pair of role and provider` | give only the role; it must trust the token's issuer |
//! | `this is a session of the role` | use the ARN of the role, with its path |
//! | `this is the ARN of an instance profile` | use the ARN of the role, with `role/` in its last part |
//! | `a user, a group or an account cannot be assumed` | use the ARN of a role that trusts the issuer |
//! | `an AWS account has 12 digits` | write all digits. If a template read the account as a number and dropped a zero, put quotes around the account there |
//! | `STS takes 20 to 2048 characters`, `STS takes at most 2048 characters` | shorten the ARN, or complete it |
//! | `…, a role of partition …` and `STS knows only the roles of its own partition` | change the role or the region; China and GovCloud are separate partitions |
//!
//! ## `…, which is not the path of a file`
//!
//! | the text goes on | what to do |
//! |---|---|
//! | `give the path of the projected token` | the variable is empty: set it |
//! | `write only the path` | the value is a URL: use a path |
//! | `no shell replaces ~ here` | write the whole path, from the first `/` |
//! | `its variable was not replaced` | write the whole path, or let the manifest fill it in |
//! | `this is a directory` | add the name of the file |
//! | `remove the control characters` | type the value again |
//! | `a token itself`, `a token (not shown)`, `give the path of the file that holds it` | the variable holds the token: give the path of its file, and treat the token as leaked |
//!
//! ## `there is no region`
//!
//! The provider asks the STS of your region, and assumes no default. `Set AWS_REGION to the region that this program runs in`.
//!
//! ## `…, which is not a region`
//!
//! `Write the code of the region that this program runs in`, for example `eu-central-1`. A template may have written
//! `null`, and `aws-global` is no region. If the text says `write it as …, and set AWS_USE_FIPS_ENDPOINT to true`,
//! leave `fips` out of the name.
//!
//! ## The STS endpoint
//!
//! `AWS_ENDPOINT_URL_STS`, `endpoint_url` and `standby_endpoint_url` take a URL of scheme, host, port and path.
//!
//! | the text | what to do |
//! |---|---|
//! | `which is not a URL`, `which is not a whole URL`, `which is neither https nor http`, `which has no host or an invalid port` | `write it as https`, with the host |
//! | `which has a user name` | `STS needs only the token`: remove the part before the @ |
//! | `which has a query or fragment` | `give only scheme, host`, port and path |
//! | `the STS endpoint is … and … is on` | an explicit endpoint excludes FIPS and dual stack: `remove the endpoint`, or set the variable of FIPS or dual stack to false |
//! | `the STS endpoint of the SdkConfig`, `the region of the SdkConfig` | the value came through `configure`, from a variable or a profile |
//! | `…, which is the provider's own STS` | `name another standby`, or none: a standby must differ from the STS of the provider itself |
//! | `give each standby once` | remove the duplicate standby |
//! | `…, of partition …, but the home region … is of partition …` | `credentials are valid in one partition only`: name a region of the same partition |
//! | `…, a region of AWS` | `the token would go to another STS`: name the standby by its URL |
//!
//! ## Session, policies, limits
//!
//! | the text | what to do |
//! |---|---|
//! | `a session name has 2 to 64 characters of A-Z a-z 0-9 _ + = , . @ -` | change it, or remove it to use the pod's name |
//! | `STS takes whole seconds from 900` | choose 15 min to 12 h, at most the role's `MaxSessionDuration` |
//! | `a chained session lasts whole seconds from 900` | choose 15 min to 1 h; for longer sessions, let the role trust the token itself |
//! | `an external id has 2 to 1224 characters of A-Z a-z 0-9 _ + = , . @ : / -` | compare it with the role's trust policy |
//! | `STS takes at most 50 session tags` | remove some, or put several values into one tag |
//! | `a key must not be empty`, with `a tag without a key` | give the tag a key |
//! | `STS takes at most 128 characters in a key and 256 in a value` | shorten `the key …`, or `the value … of the tag …` |
//! | `STS takes letters`, digits, spaces and _ . : / = + - @ in tags | remove other characters, or encode them |
//! | `AWS reserves the prefix aws` | use another beginning |
//! | `two tags with the keys … and …`, `STS ignores the case of a key` | give each key only once |
//! | `…, which is not a key of AssumeRoleBuilder` | `name only keys of tags`: only these keys can be transitive |
//! | `a source identity has 2 to 64 characters of A-Z a-z 0-9 _ + =` , . @ - | change it |
//! | `give a session policy as JSON`, `not a JSON object` | write a policy document, or do not call `policy` |
//! | `STS takes at most 2048` | shorten the policy, or use `policy_arns` |
//! | `JSON with the character …` | `write it as a \u escape` |
//! | `…, which is not a managed policy's ARN` | `write it as arn`:aws:iam::123456789012:policy/NAME |
//! | `STS takes at most 10 managed policies` | `merge some`, or use `policy` |
//! | `give fractions of the credentials' lifetime within 0.10..=0.90` | the lower one first |
//! | `this limits one exchange with STS`, `this limits one connection to STS`, `this limits one call of the provider`, `30s by default` | choose a time within the limits that the text names |
//! | `… is not UTF-8` | `write it again as plain text` |
//! | `set it to true or false` | correct the value |
//!
//! # No token
//!
//! Without a token nothing is sent to STS. The file is polled every second at first, so a repair needs no restart.
//!
//! ## `the token file … cannot be read`
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `its directory is missing` | the volume is not mounted | `check that the projected volume is mounted at …` |
//! | `its directory is there` | the volume has another file | compare the file name with `path` of the volume's `serviceAccountToken` |
//! | `it is a symlink whose target is missing` | the volume is not mounted where the symlink leads | mount it there |
//! | `… belongs to …:… with mode …`, `this process runs as …`, `the user of this process may not read the file` | only another user may read the file | `set the pod's securityContext.fsGroup`, or run as the owner |
//! | `check the network or FUSE file system that holds the file`, `check the volume or the file system that holds the file` | the file system hangs or fails | repair it, or use a projected volume |
//! | `its network file system has replaced the file` | NFS | nothing: the file is read again |
//! | `all blocking threads of the Tokio runtime were busy`, `find the code that blocks these threads` | the program's own code blocks these threads | unblock them, or raise `max_blocking_threads` |
//! | `raise the limit of threads` | the pids limit of the pod or `RLIMIT_NPROC` | raise it; `the file is read again` |
//!
//! ## `the token file … is …, not a file`
//!
//! The path leads to a directory, a FIFO, a socket or a device: `name the file itself`, or `name the file in it`.
//!
//! ## `the token file … is being read`
//!
//! The file system has not answered yet.
//!
//! ## `the token file … …` or `the token from the source …`
//!
//! The content cannot be a token, and is not sent. The text says how the content begins, and never shows it. A token
//! usually is a JWT, and `a JWT begins with eyJ`.
//!
//! | the text goes on | what to do |
//! |---|---|
//! | is empty, `is shorter than 4 bytes` | `its writer has not finished`, or has failed: check the writer |
//! | `is longer than 20000 bytes` | STS accepts no more: `name the file that holds only the token` |
//! | `is not text` | `write one token and nothing else` |
//! | `has several lines` | `write one token without line breaks or blanks` |
//! | `begins with { or [` | JSON or a template: `write only the token`, such as `status.token` |
//! | `begins with a quotation mark` | `write the token without quotes` |
//! | `begins like an HTTP header` | `write only the token`, without `Bearer` |
//! | `begins with a name` | `write only the value`, which is the token |
//! | `begins with a URL`, `begins with a variable that nothing has replaced` | `write the token itself` |
//! | `begins with <, like HTML` | `check its writer`, which wrote no token |
//! | `begins with a byte-order mark` | `write it as UTF-8 without that mark` |
//! | `begins with a byte-order mark of UTF-16`, `has NUL bytes in it` | `write it as plain ASCII` |
//! | `is a token in base64` | `decode it once` |
//! | `begins like a key or certificate in PEM` | `write the token`, not the key that signs it |
//! | `is an encrypted token` | `STS reads only signed tokens`: let the issuer sign the token and not encrypt it |
//! | `begins like a JWT and has characters that no JWT has` | `look for a quotation mark`, comma or percent sign at its end |
//!
//! ## `the token source … gave no token`
//!
//! | the text | cause |
//! |---|---|
//! | `see the source's own error below` | your [`ProvideToken`](crate::token_source::ProvideToken) returned an error |
//! | `the token source … gave no token within …` | the source is too slow, or hangs |
//! | `the token source … was asked and has given no token yet` | the provider still waits for the source |
//!
//! ## `the token … expired at …`
//!
//! The token has expired by the clock of STS, so it is not sent.
//!
//! | the text goes on | what it means, or what to do |
//! |---|---|
//! | `the file was last written at …` | since then nobody has replaced the token |
//! | `the file is a subPath mount` | mount the directory |
//! | `the source returned an expired token` | the source must request a new token |
//! | `check in turn`: `(1) this pod is not terminating` | check also that the mount has no `subPath`, and that the kubelet is healthy |
//!
//! # STS cannot be reached
//!
//! The exchange is retried automatically. Valid credentials stay in use.
//!
//! ## `no answer from STS at … for …`
//!
//! After a colon the text gives the cause. If it says `within …` instead, the time limit ended the attempt: `no answer
//! from STS at … for … within …`.
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `the host of … is not found` | DNS fails, or the region does not exist | check `AWS_REGION`, `AWS_ENDPOINT_URL_STS`, DNS and egress of the pod |
//! | `nothing accepts connections at …` | the host or port is wrong, or a firewall refuses | correct `AWS_ENDPOINT_URL_STS`; check the network policy |
//! | `failed to create underlying connection`, `the proxy cannot be reached` | the proxy is down, or its URL is wrong | `Check its URL`, or name the host in `NO_PROXY` |
//! | `proxy authorization required`, `the proxy wants a login` | the proxy answers 407 | write user and password into the URL of the proxy |
//! | `the proxy in HTTPS_PROXY refuses to connect to …` | the proxy does not allow the host | allow the host there, or name it in `NO_PROXY` |
//! | `check that this pod can reach …` | the connection was reset, or a network policy or proxy is in the way | check each in turn; `if the server there speaks TLS`, write https |
//! | `check the network path to …`, `If STS is only slow, raise attempt_timeout` | packets are dropped, or STS is slow | check firewall, security group and VPC endpoint; raise `attempt_timeout` if STS is slow |
//! | `Check DNS, too. If connecting is only slow, raise connect_timeout` | no connection was made in time | as before, and DNS; raise `connect_timeout` if connecting is slow |
//! | `the rest of … passed before the request` | the token source is slow, or the base of a chained role | make it faster, or raise `attempt_timeout` |
//! | `FIPS endpoints are on` | the region has no FIPS endpoint | set `AWS_USE_FIPS_ENDPOINT=false` |
//! | `the CA that signed the certificate of … is not trusted here` | a private CA, or a proxy that intercepts TLS | set `SSL_CERT_FILE`; `if the program gives its own HTTP client to the builder`, give the CA to that client |
//! | `the certificate of … belongs to another host`, `not valid for name` | the certificate names another host | correct the host in `AWS_ENDPOINT_URL_STS` |
//! | `the certificate of … has expired`, `not valid yet`, `not yet valid` | the certificate is old, or the clock is wrong | renew the certificate, or set the clock |
//! | `the server at … does not speak TLS`, `wrong version number` | the URL has https, the port speaks plain http | check the port, or write http |
//! | `the server at … speaks TLS`, `invalid HTTP version` | the URL has http, the port speaks TLS | write https |
//! | `TLS with … fails` | another failure of TLS | do what the text says |
//!
//! ## `nothing could be sent to`
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `this machine has no CA certificates`, `without CA certificates … cannot be trusted` | the image has no CA certificates | install `ca-certificates`, or set `SSL_CERT_FILE` |
//! | `check the region` | the region has no such endpoint | check `AWS_REGION`, FIPS and dual stack |
//! | `No HTTP client was available` | no crate of the program brings an HTTP client | `enable the feature default-https-client of aws-web-identity or of aws-config` |
//! | `no thread can be started`, `…. The exchange is tried again` | the pids limit is reached | `raise the limit of threads` |
//!
//! ## `the answer of STS at … (HTTP …) was cut off`
//!
//! The connection broke during the answer, or `its closing tag is missing`.
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `this is an outage of …` | STS or a proxy in front of STS fails | wait: `The exchange is tried again` |
//! | `look at the AWS Health Dashboard for …` | the outage of AWS lasts | look there |
//! | `look at the log of that server` | the outage of your own server lasts | look there |
//!
//! ## `… does not answer as STS does`
//!
//! `a server that is not STS answers at …`, such as a proxy, a portal, or an object store. Check `AWS_ENDPOINT_URL_STS`,
//! `HTTPS_PROXY` and `NO_PROXY`. The text describes the answer: `an HTML page`, `an empty body`, `unknown XML`,
//! `XML without credentials or an error code`, `more than 64 KiB`, `an error without a code`,
//! `a success document with the status of an error`, `no content type`, or `a proxy that requires a login` (407).
//!
//! ## `the answer of … (HTTP …) for … was not read`
//!
//! The answer is compressed or encoded, which STS never does. `a proxy, gateway or service mesh in front of … compresses the
//! answers`: switch compression off there. `gzip, not declared` means that the header for it is missing.
//!
//! ## `the credentials from … for … cannot be used`
//!
//! The answer is a success of STS with a fault. Either the STS is not AWS's, or a proxy changes its answers: check both.
//!
//! | the text goes on | cause |
//! |---|---|
//! | `has no access key id`, `has no secret access key`, `has no session token`, `has no Credentials element`, `has no expiration` | a part is missing |
//! | `has the expiration …`, with the value or `a text of … bytes` | the expiration is not a time after 2015 |
//! | `was cut before its closing tag` | the answer is incomplete |
//! | `XML that is not well-formed`, `XML with a DOCTYPE`, `XML with too many elements` | the XML is not that of STS |
//!
//! ## `the credentials that came… for … had expired on arrival`
//!
//! `check the clocks of this machine and of the server against a time server`. The exchange is retried.
//!
//! # STS refuses the token
//!
//! ## `STS at … answered …`
//!
//! The text names the error code, the HTTP status and the role, and quotes the message of STS. Search below for that message.
//!
//! ## `No OpenIDConnect provider found in your account`
//!
//! IAM has no OIDC provider for the token's issuer. Do this in the account of the role: `create an IAM OIDC provider
//! for … in …`. Other servers say `provider registered for issuer` or `invalid token issuer`.
//!
//! - `AWS cannot trust the issuer …`, with one of these reasons: `it does not begin with https`, `it has a port`, `its
//!   host is an IP address`, `its host is not known on the internet`. Set the API server's `--service-account-issuer`
//!   to a public https URL.
//! - `the standby … knows no OIDC provider for … in …`: create the provider, or activate STS in that region for the account.
//!
//! ## `Couldn't retrieve verification key from your identity provider`
//!
//! `STS must be able to read the keys of … from the internet within 5 s`. First look for the token's key (its `kid`) in the
//! JWKS: a new signing key must be published before it signs. Then check that both pages are public, fast, and not
//! rate-limited. The exchange is tried again.
//!
//! ## Incorrect token audience
//!
//! `the OIDC provider … does not list the audience of the token …` as a client ID.
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `add it to the client IDs` | the audience is usual, but not listed | add it, or request the token for an audience that is listed |
//! | `whether this audience is intended` | the audience is unusual | if it is wrong, correct it `in audience of the volume's serviceAccountToken`, or `where the source requests the token` |
//! | `if it is, add it to the client IDs` | the unusual audience is right | add it |
//! | `the token … is for the API server` | the variable names the default token of every pod | mount another token, and never trust this audience |
//! | `the token's azp` | AWS compares this claim instead of the audience | list the `azp` as a client ID |
//! | `sts.amazonaws.com (not the token's audience …` | the token is for the API server | project a token for `sts.amazonaws.com` |
//!
//! ## Token expired
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `the token … expired at …` or `the token … has expired`, then `and was not replaced` | the kubelet has not replaced the token | check the pod (terminating?), the mount (no `subPath`), and the kubelet |
//! | the same text | the file was copied by hand | copy it again, or mount the token |
//! | `The source must return a token that is still valid` | the token source returned an old token | check the source |
//! | `token too old`, `before use time` | another server than AWS's says that the token has expired, or is early | as above, or as below |
//!
//! ## The token `is not valid yet`
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `the token … is … by the clock of STS at …`, with `not valid yet` or `valid only from …` | the clocks of the control plane and of STS differ | compare both with a time server; the token is sent again within seconds |
//! | `not yet valid`, `used before issued` | the same, in the words of another server than AWS's | the same |
//!
//! ## `… rejected the token …`
//!
//! `IDPRejectedClaim`: check that the pod and the service account still exist. A new token is used at once.
//!
//! ## The signature
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `the token … is signed with a key that … does not publish…`, with `, kid` and the name of the key | the published keys are old | publish the new key before it signs |
//! | the same text | another cluster has the same issuer URL | give each cluster its own URL |
//! | `the certificate of … has changed` | IAM keeps the thumbprint of the old certificate | update the thumbprint of the OIDC provider |
//! | `key is invalid`, `key is of invalid type` | another server than AWS's rejects the signature | as above |
//!
//! ## The token is `not a valid JWT`
//!
//! | the text goes on | cause | what to do |
//! |---|---|---|
//! | `STS cannot read the token …` | the file does not hold the token, or its algorithm is unknown: STS accepts RS256 to RS512 and ES256 to ES512 | see the next two rows |
//! | `set AWS_WEB_IDENTITY_TOKEN_FILE to the path of the projected token` | the variable names another file | correct the variable |
//! | `the source must return a JWT` | the token source returned another text | correct the source |
//! | `not a JWT` | the claims of the token could not be shown | as above |
//! | `number of segments`, `could not be parsed`, `failed to parse`, `invalid token format` | another server than AWS's cannot read the token | as above |
//!
//! ## `compare the token …`
//!
//! STS answered `InvalidIdentityToken` with an unknown message. Compare issuer, audience and key with the OIDC
//! provider. The text shows those of the token: `issuer …, subject …, audience …`.
//!
//! ## `the answer gives no reason`
//!
//! Ceph RGW answers like this when it cannot fetch the issuer's pages. Check that the server can. Then check the role and its
//! policy.
//!
//! ## `check in turn`
//!
//! The error code is unknown. Check in this order: the server is STS, it can read the keys, it trusts issuer and
//! audience. If the text says `correct what the answer names`, do that.
//!
//! # STS refuses the role
//!
//! ## `Not authorized to perform sts:AssumeRoleWithWebIdentity`
//!
//! STS answers the same for a role that does not exist and for a role that does not trust this token.
//!
//! | the text goes on | what to do |
//! |---|---|
//! | `check that … exists` | check the name and the account of the role |
//! | `Its trust policy must have this statement` | paste the statement. The text shows none if the token is not a JWT, or has odd claims |
//! | `run the pod under a service account that the policy names`, `send a token of a subject that the policy names` | do this if the subject of the token is wrong |
//! | `the token has the audience …` | the audience is unusual: decide first whether it is intended |
//! | `check that it has no further condition` | look for further conditions, and for resource control, service control and VPC endpoint policies that deny the exchange |
//!
//! ## Settings that STS refuses
//!
//! | the text | what to do |
//! |---|---|
//! | `… is longer than … allows` | raise the role's `MaxSessionDuration`, or lower `session_length` |
//! | `correct the setting that the answer names` | correct the role, session name, length or policy; for a chained role also external id, tags, source identity |
//! | `A transitive tag of the session of … cannot be set again` | remove it from `tags`: it is passed on automatically |
//! | `correct the session policy` | follow the answer; each managed policy must exist |
//! | `shorten the session policy` | use fewer statements, policies or tags |
//! | `activate STS in … for …` | activate it in the role's account: IAM, Account settings |
//! | `activate STS for … at the standby …` | the same, or use another standby |
//!
//! # Throttled and waiting
//!
//! ## `STS limits the calls of … in …`
//!
//! `Throttling`, `Rate exceeded`: the account makes too many exchanges. Share one provider per process, lengthen the sessions,
//! and start fewer pods at once. The exchange is tried again.
//!
//! ## `the exchange has not started`
//!
//! Eight exchanges of this process with that endpoint are running, which is the limit. `share one provider for each role`.
//!
//! ## `no … for … came within …`
//!
//! The caller's time is over; the attempts continue. If an attempt failed before, the text says what to do, and the error's
//! source is that failure.
//!
//! | the text | cause | what to do |
//! |---|---|---|
//! | `an attempt is still under way` | no attempt has ended while the caller waited | check the network |
//! | `the next attempt starts in …` | two exchanges start at least 1 s apart, some further apart | `Call again then`, or raise `wait_timeout` |
//! | `no new credentials for … can come in the next …`, `STS or the provider throttles calls` | too many calls; the provider obeys a `Retry-After` | wait, and start fewer pods at once |
//!
//! ## `credentials of … valid for … were asked for`
//!
//! `credentials that last longer` than a session cannot come: `new ones last …`. `ask for at most …`, or raise
//! `session_length`.
//!
//! ## The background work
//!
//! | the text | cause | what to do |
//! |---|---|---|
//! | `the credentials provider of … was shut down`, `the credentials provider is closed` | `shutdown` was called | `build a new provider` |
//! | `no thread can be started to refresh the credentials of …`, `OS can't spawn worker thread` | the pids limit | `raise the limit of threads`; `the next use tries again` |
//! | `no Tokio runtime can be made to refresh the credentials of …` | no file descriptor is left | `raise the limit of open files` |
//! | `the runtime that fetched the credentials of … has ended` | `Builder::runtime` was given a runtime that ended | `the runtime given to runtime must live as long as the provider` |
//! | `the exchange panicked` | a bug, here or in a client that you gave | `report this bug with the panic's backtrace` |
//!
//! # Chained roles and wrapped providers
//!
//! | the text | what to do |
//! |---|---|
//! | `… could not be assumed without credentials of …` | `see the error of that role below` |
//! | `… has no credentials yet` | `a chained role needs them`; the provider of the first role tries again, and its `status()` has the last error |
//! | `allow … to the role or user behind …` | the base is a wrapped provider, whose role only STS knows: take the principal from the answer of STS |
//! | `check that … exists. Its trust policy must have this statement` | the chained role must trust the base, and a policy of the base must allow `sts:AssumeRole` on it. Tags also need `sts:TagSession`, and a source identity `sts:SetSourceIdentity`, in both policies |
//! | `STS rejected the credentials of …`, which signed the request | the base is refreshed; if it continues, check the clock, revoked sessions, and whether the region is enabled |
//! | `a chained session lasts one hour at most` | lower `session_length` |
//! | `… gave no credentials` | the wrapped provider failed: `see its own error below`, `the provider is called again`, `correct the provider's configuration as its message says` |
//! | `the provider found no credentials to load` | give the wrapped provider a source of credentials |
//! | `… gave no credentials within …` | `check what the provider calls`; raise `attempt_timeout` |
//! | `… gave credentials without an access key or without a secret key` | `the provider received an incomplete answer`: check its log |
//! | `the credentials that … gave had expired on arrival` | `either the provider returns old credentials from a cache`, or the clock is wrong |
//!
//! # Services reject the credentials
//!
//! | the service says | cause | what to do |
//! |---|---|---|
//! | `ExpiredToken`, `InvalidClientTokenId`, `InvalidToken` | the session was revoked, or the client kept old credentials | use [`install`](crate::BackgroundCredentialsProvider::install) and the [`interceptor`](crate::BackgroundCredentialsProvider::interceptor) |
//! | `SignatureDoesNotMatch`, `RequestExpired`, `RequestTimeTooSkewed` | the clock of this machine is more than 5 min off | synchronise the clock, for example with NTP |
//! | `AccessDenied` | the role's own policy | check the role's permissions; the credentials are valid |
//! | `AuthFailure`, `UnrecognizedClientException` in one region | the region is not enabled for the account | enable it |
//!
//! - `the client's config has no time source or no sleep implementation`: give the client's config both, or use
//!   `install`.
//! - `there are no AWS credentials to sign with`: a signer of `reqsign` asked for credentials while there were none.
//!   See the provider's own error.
//!
//! # Warnings
//!
//! [`operations`](super::operations#warnings) has more about each warning. In short:
//!
//! | warning | what to do |
//! |---|---|
//! | `credentials could not be refreshed` | follow its `error` within `valid_seconds` |
//! | `credentials expired before they could be refreshed` (an ERROR) | follow its `error` now: requests fail |
//! | `the new credentials would expire sooner`, `the exchange returned the same credentials` (DEBUG events, no warnings) | nothing: the present credentials stay in use |
//! | `credentials refreshed after failures` (INFO) | nothing: the failure is over |
//! | `the token should have been replaced by now`, `the token has expired and was not replaced` | check the kubelet's log and the pod's events |
//! | `the token file is a subPath mount`, `the token has expired in a subPath mount` | mount the directory |
//! | `no file events of the token file` | `no inotify instance is left`, `no inotify watch is left`, `no thread can be started for the watcher`, `the directory cannot be watched`, `the directory was replaced just before it could be watched`, `the watcher has failed and is not started again`: raise the limit, or use `watch_token(false)` |
//! | `the token file changed without a file event` | nothing: the file is polled |
//! | `requests to STS use plain http` | use https |
//! | `a proxy is set for plain http` | use https, or add the endpoint's host to `NO_PROXY` |
//! | `STS is not activated at a standby for the role's account` | activate STS there, or use another standby |
//! | `both AWS_ROLE_ARN (web identity) and AWS_CONTAINER_CREDENTIALS_FULL_URI` | remove one of the two |
//! | `AWS_ACCESS_KEY_ID is set beside web identity` | remove the key: the SDK's default chain prefers it |
//! | `FIPS is on` | outside the US and Canada switch it off |
//! | `the background work panicked`, `watching for changes panicked` | report the bug; the work continues |
//! | `the future of shutdown_when panicked` | correct the program; the provider continues, and that future no longer ends it |
//!
//! # Unknown names
//!
//! Where a name is unknown, a text has one of these descriptions instead: `the role's account`, `the session length`,
//! `the token's issuer`, `the token's audience`, `of the token's issuer in …`, `from the source …`, `the wrapped
//! provider`, `the base's region`, `a time out of range`.
