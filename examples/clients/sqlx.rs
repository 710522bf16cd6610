//! A pool of `sqlx` for the connection `warehouse`, with its TLS.
#![allow(clippy::print_stdout)]

use airflow_secrets::Resolver;
use sqlx::PgPool;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolver = Resolver::from_env().await?;
    let warehouse = resolver.get_connection("warehouse").await?.postgres()?;
    let pool = PgPool::connect(warehouse.sqlx_url()?.expose()).await?;
    let sql = "SELECT current_user::text, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (user, is_tls): (String, bool) = sqlx::query_as(sql).fetch_one(&pool).await?;
    println!("{user} TLS={is_tls}");
    Ok(())
}
