//! The state of a client's retries.

use aws_smithy_runtime::client::retries::{ClientRateLimiter, RetryPartition, TokenBucket};

/// Retry state for one client; the SDK's default is shared by the whole process.
///
/// A new rate limiter has seen no requests, and would make the first throttled one wait for 10 s.
/// So it starts with the rate that the Parameter Store allows, 40 reads a second.
pub(crate) fn retry_partition() -> RetryPartition {
    const READS_PER_SECOND: f64 = 40.0;
    // The first measurement keeps a fifth of the rate before it.
    let limiter = ClientRateLimiter::builder()
        .tokens_retrieved_per_second(READS_PER_SECOND * 5.0)
        .maximum_bucket_capacity(READS_PER_SECOND)
        .current_bucket_capacity(READS_PER_SECOND);
    RetryPartition::custom("airflow-secrets")
        .token_bucket(TokenBucket::default())
        .client_rate_limiter(limiter.build())
        .build()
}
