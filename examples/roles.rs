//! Shows a program with more than one role, without AWS and without a cluster.
//!
//! - A second role that trusts the same token.
//! - A chained role in another account, assumed with the credentials of the first role.
//! - A registry, through which equal providers share one.
//! - A provider of aws-config that is refreshed in the background.
//!
//! `cargo run --example roles --features test-util`

#[macro_use]
mod output;

use std::error::Error;

use aws_config::meta::credentials::CredentialsProviderChain;
use aws_sdk_sts::Client;
use aws_web_identity::test_util::{AssumableRole, MockSts, OidcIssuer, TestAws, TrustedRole};
use aws_web_identity::{BackgroundCredentialsProvider, Registry, WebIdentityCredentialsProvider};

const CHECKOUT: &str = TestAws::ROLE;
const BILLING: &str = "arn:aws:iam::123456789012:role/billing";
const LAKE: &str = "arn:aws:iam::210987654321:role/lake";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // In production this part is the cluster and AWS.
    let issuer = OidcIssuer::start().await;
    let sts = MockSts::builder()
        .issuer(&issuer)
        .role(TrustedRole::new(CHECKOUT))
        .role(TrustedRole::new(BILLING))
        .assumable_role(AssumableRole::new(LAKE).principal(CHECKOUT).external_id("shop").allow("sts:TagSession"))
        .start()
        .await;
    let aws = TestAws::from_parts(issuer, sts);
    let base = aws.sdk_config();
    let who = async |config| -> Result<String, Box<dyn Error>> {
        let answer = Client::new(&config).get_caller_identity().send().await?;
        Ok(answer.arn().unwrap_or_default().to_owned())
    };

    let checkout = aws.builder().connect().await?;
    say!("the pod's role          {}", who(checkout.install(base.clone())).await?);

    // A second role that trusts the same token.
    let billing = checkout.to_builder().role_arn(BILLING).connect().await?;
    say!("second, same token      {}", who(billing.install(base.clone())).await?);

    // A chained role in another account. Its policies can check the tag.
    let lake = checkout.assume_role(LAKE).external_id("shop").tags([("tenant", "blue")]).connect().await?;
    say!("chained, other account  {}", who(lake.install(base.clone())).await?);

    // Two parts of a program ask for the same provider.
    let registry = Registry::default();
    let before = aws.sts().calls().len();
    let (one, other) = tokio::try_join!(registry.connect(aws.builder()), registry.connect(aws.builder()))?;
    let key =
        |provider: &WebIdentityCredentialsProvider| provider.current().map(|keys| keys.access_key_id().to_owned());
    say!(
        "two from a registry     {} exchange, one key: {}",
        aws.sts().calls().len() - before,
        key(&one) == key(&other)
    );

    // Any provider of the SDK can be refreshed in the background, such as this chain.
    let chain = CredentialsProviderChain::first_try("Checkout", checkout);
    let any = BackgroundCredentialsProvider::builder(chain).name("a chain").connect().await?;
    say!("a chain of aws-config   {}", who(any.install(base.clone())).await?);
    Ok(())
}
