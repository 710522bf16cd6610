//! A `reqwest` client for the connection `api`, with its headers, its time-out and its redirects.
#![allow(clippy::print_stdout)]

use airflow_secrets::Resolver;
use reqwest::{Client, header, redirect::Policy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let resolver = Resolver::from_env().await?;
    let api = resolver.get_connection("api").await?.http()?;
    let mut headers = header::HeaderMap::new();
    for (name, value) in api.headers()?.iter() {
        let mut value = header::HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        headers.insert(header::HeaderName::from_bytes(name.as_bytes())?, value);
    }
    let mut client = Client::builder().default_headers(headers);
    if let Some(timeout) = api.timeout()? {
        client = client.timeout(timeout);
    }
    let client = client.tls_danger_accept_invalid_certs(!api.is_verified());
    let client = client.redirect(api.redirects()?.map_or_else(Policy::none, Policy::limited));
    let url = format!("{}/ping", api.base_url());
    let answer = client.build()?.get(url).send().await?;
    println!("{} {}", answer.status(), answer.text().await?);
    Ok(())
}
