//! Standby STS endpoints: how to survive an outage of STS in one region.
//!
//! This page is for services that must keep working when STS fails in their region. It says when a standby helps, which
//! exchange goes to the standby, and what an outage costs with and without a standby.
//!
//! # When a standby helps
//!
//! [Session tokens from regional STS endpoints are valid in all
//! regions](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html), but no STS
//! endpoint fails over to another. A standby helps a service whose data is in other regions, or that needs its own
//! region only in part:
//!
//! ```no_run
//! # async fn example() -> Result<(), aws_web_identity::Error> {
//! use aws_types::region::Region;
//! use aws_web_identity::WebIdentityCredentialsProvider;
//!
//! let identity = WebIdentityCredentialsProvider::builder()
//!     .region(Region::from_static("eu-central-1"))
//!     .standby_region(Region::from_static("eu-west-1"))
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! A standby has three requirements:
//!
//! - The pod can reach the other endpoint. A VPC endpoint of STS serves only its own region.
//! - STS is activated in that region for the role's account.
//! - No policy denies that region (`aws:RequestedRegion` in a service control policy).
//!
//! [`standby_endpoint_url`](crate::Builder::standby_endpoint_url) names a VPC endpoint, or an STS that is not AWS's.
//!
//! # Which exchange goes to the standby
//!
//! *Home* is the STS of the provider's own region, or of its [`endpoint_url`](crate::Builder::endpoint_url). STS counts
//! as unreachable without a connection or an answer in time. The same holds for an HTTP 5xx, a page that is not from
//! STS, and credentials that cannot be used.
//!
//! | last exchange | next exchange goes to |
//! |---|---|
//! | succeeded anywhere | home |
//! | STS answered: throttled, denied, token rejected, no OIDC provider at home | home: another region would answer the same, and must not serve to evade throttling |
//! | home unreachable once, with valid credentials | home, because one failure may be a lost packet |
//! | home unreachable twice in a row, or once without valid credentials | the first standby |
//! | standby unreachable | the next standby; after the last one home, and so on in turn |
//! | standby answers "No OpenIDConnect provider found", as a region does that is not active for the account | the next standby, as above |
//! | standby answers `RegionDisabledException` | the next standby, as above; this provider never uses the disabled standby again, and logs one WARN |
//!
//! Standbys change neither the time of an attempt nor the number of attempts at once. They add no call while home
//! answers.
//!
//! The log line of a refresh names the endpoint that gave the credentials. The error of a failed attempt names the
//! endpoint that failed. [`Status::endpoint`](crate::Status::endpoint) is the endpoint that answered last, even with an
//! error. A [chained role](crate::BackgroundCredentialsProvider::assume_role) has the same standbys as its base.
//!
//! # Cost of an outage
//!
//! A simulation with the real engine gives these figures (`cargo test --lib sts::tests::outage -- --nocapture`). STS is
//! down at home for three hours. Sessions last one hour, and a request comes every 5 s.
//!
//! | home | standbys | requests that failed | longest wait | calls an hour to home, and to the standby | a pod that starts in the outage has credentials after |
//! |---|---|---|---|---|---|
//! | fails at once | none | 76 % | 30 s | 165 | 3 h, when the outage ends |
//! | fails at once | one | none | none | 3 and 1.5 | 0.7 s |
//! | drops packets | none | 76 % | 30 s | 150 | 3 h, when the outage ends |
//! | drops packets | one | none | none | 3 and 1.5 | 2.7 s |
//! | hangs | none | 76 % | 30 s | 115 | 3 h, when the outage ends |
//! | hangs | one | none | none | 3 and 1.5 | 8.6 s |
//!
//! An outage shorter than a quarter of a session costs nothing even without a standby. The refresh starts at 60 % to 75
//! % of the lifetime, and is retried until the credentials expire.
