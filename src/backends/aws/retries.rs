//! What a client learns about throttling.

use aws_smithy_runtime::client::retries::{ClientRateLimiter, RetryPartition, TokenBucket};

/// What one client learns about throttling is its own affair; the SDK's default is one for the
/// whole process.
///
/// The limiter knows no rate before it has seen requests, and would have the first that is
/// throttled wait for 10 s: it starts with what the Parameter Store allows, 40 reads a second.
pub(super) fn retry_partition() -> RetryPartition {
    const READS_PER_SECOND: f64 = 40.0;
    // Of what is measured before, the first request keeps a fifth.
    let limiter = ClientRateLimiter::builder()
        .tokens_retrieved_per_second(READS_PER_SECOND * 5.0)
        .maximum_bucket_capacity(READS_PER_SECOND)
        .current_bucket_capacity(READS_PER_SECOND);
    RetryPartition::custom("airflow-secrets")
        .token_bucket(TokenBucket::default())
        .client_rate_limiter(limiter.build())
        .build()
}
