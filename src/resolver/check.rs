//! Whether the sources can be reached, and let us read.

use std::{sync::Arc, time::Instant};

use futures_util::future::join_all;

use super::{Link, Resolver};
use crate::{backend::LookupOptions, report::Check};

impl Resolver {
    /// Whether each source can be reached and lets us read, in the order in which lookups ask them. All
    /// are checked at once, within the resolver's time limit ([`within`](Self::within)).
    ///
    /// Each source is asked one question, without retries; what it holds is not looked at. A login may
    /// come before, where there is no valid token. [`SecretsBackend::check`](crate::SecretsBackend::check)
    /// says what is asked. A source whose breaker pauses is not asked.
    ///
    /// ```
    /// use airflow_secrets::{Failure, Resolver, backends::memory::MemoryBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let vault = MemoryBackend::new("vault");
    /// vault.go_down(Failure::unavailable("the plug was pulled"));
    /// let resolver = Resolver::builder().backend(vault).build();
    /// let checks = resolver.check().await;
    /// assert!(!checks[0].is_well());
    /// assert_eq!(checks[0].to_string(), "vault unavailable: the plug was pulled");
    /// # }
    /// ```
    pub async fn check(&self) -> Vec<Check> {
        let deadline = self.deadline();
        let options = self.options.clone().with_team(None).with_deadline(deadline);
        let links = self.chain.links.iter();
        join_all(links.map(|link| self.check_one(link, &options))).await
    }

    async fn check_one(&self, link: &Link, options: &LookupOptions) -> Check {
        let started = Instant::now();
        let asking = || link.backend.check(options);
        let outcome = self.ask(link, options.deadline(), asking).await;
        Check {
            backend: Arc::clone(&link.name),
            outcome: outcome.flatten(),
            elapsed: started.elapsed(),
        }
    }
}
