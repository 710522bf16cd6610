//! A `redis` client for the connection `cache`.
#![allow(clippy::print_stdout)]

use airflow_secrets::Resolver;
use redis::AsyncCommands as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolver = Resolver::from_env().await?;
    let cache = resolver.get_connection("cache").await?.redis()?;
    let client = redis::Client::open(cache.url()?.expose())?;
    let mut cache = client.get_multiplexed_async_connection().await?;
    cache.set::<_, _, ()>("greeting", "hello").await?;
    println!("greeting: {}", cache.get::<_, String>("greeting").await?);
    Ok(())
}
