//! An outage of STS in the home region, and how to outlive it.
//!
//! # When
//!
//! Credentials are good everywhere, however they were come by: AWS's [session tokens from regional STS endpoints are
//! valid in all regions](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html), and
//! no endpoint fails over to another by itself. So a service whose buckets and queues are in many regions, or that can
//! do part of its work without its own, need not stop when STS in its region does. One line is all:
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
//! Three things must be as at home: the pod may reach the other endpoint (a VPC endpoint of STS serves its own region
//! only), STS is activated there for the role's account, and no policy denies it (`aws:RequestedRegion` in a service
//! control policy). For another STS than AWS's, or a VPC endpoint, there is
//! [`standby_endpoint_url`](crate::Builder::standby_endpoint_url).
//!
//! # What happens
//!
//! | the exchange | the next one goes |
//! |---|---|
//! | succeeded, wherever | home |
//! | got an answer of STS: throttled, denied, token rejected, no OIDC provider at home | home: elsewhere the answer would be the same, or the limit evaded |
//! | found no STS at home (no connection, no answer in time, 5xx, a page that is not STS's), once, with valid credentials left | home: one failure may be a dropped packet |
//! | the same, twice in a row, or once with nothing valid | to the first standby |
//! | found no STS at a standby | to the next, after the last home, and around again |
//! | was told "No OpenIDConnect provider found" at a standby | the same: a region that is not active for the account answers so |
//! | was told `RegionDisabledException` at a standby | the same; that standby is not asked again by this provider, and one WARN says so |
//!
//! When attempts are made does not change, nor that there is one at a time: standbys add no call while home answers.
//! The log line of each renewal names the endpoint that gave the credentials, the error of each failed attempt the one
//! that did not, and [`Status::endpoint`](crate::Status::endpoint) the one that answered last, be it with an error. A
//! role that is [assumed with this provider's credentials](crate::BackgroundCredentialsProvider::assume_role) has the
//! same standbys.
//!
//! # What an outage costs
//!
//! Three hours of it, sessions of one hour, one request every 5 s; simulated with the engine as it is (`cargo test
//! --lib sts::tests::outage -- --nocapture`):
//!
//! | home | standbys | requests that failed | longest wait | calls an hour, home and standby | first credentials of a pod that starts meanwhile |
//! |---|---|---|---|---|---|
//! | fails at once | none | 76 % | 30 s | 160 | after the outage |
//! | fails at once | one | none | none | 3 and 1.5 | 0.6 s |
//! | drops packets | none | 76 % | 30 s | 150 | after the outage |
//! | drops packets | one | none | none | 3 and 1.5 | 2.7 s |
//! | hangs | none | 75 % | 30 s | 110 | after the outage |
//! | hangs | one | none | none | 3 and 1.5 | 8.6 s |
//!
//! Without a standby an outage that is shorter than a quarter of a session costs nothing either: the refresh begins at
//! 60 % to 75 % of the lifetime, and is tried again until the end.
