use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sts::Client;
use aws_web_identity::{BuildError, WebIdentityCredentialsProvider};
use tokio::time::Instant;

pub struct Tenants {
    pub pod: WebIdentityCredentialsProvider,
    pub base: SdkConfig,
    pub most: usize,
    pub clients: Mutex<HashMap<String, (Instant, Client)>>,
}
impl Tenants {
    pub fn client(&self, role_arn: &str) -> Result<Client, BuildError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, (used, _)| used.elapsed() < Duration::from_secs(30 * 60));
        let client = match clients.remove(role_arn) {
            Some((_, client)) => client,
            None => Client::new(&self.pod.assume_role(role_arn).build()?.install(self.base.clone())),
        };
        let longest_idle = clients.iter().min_by_key(|(_, (used, _))| *used).map(|(role_arn, _)| role_arn.clone());
        longest_idle.filter(|_| clients.len() >= self.most).and_then(|role_arn| clients.remove(&role_arn));
        clients.insert(role_arn.to_owned(), (Instant::now(), client.clone()));
        Ok(client)
    }
}
