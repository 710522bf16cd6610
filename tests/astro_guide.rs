//! The `.env` files of Astro's guide to secrets backends give the backends that it tells of.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers may fail the test"
)]

use airflow_secrets::{
    Environment, Resolver,
    settings::{BackendSpec, Settings, Side},
};

/// A key of no account; its text is what matters.
const KEY: &str = include_str!("conformance/service_account_key.json");

/// The name of the custom backend, and the settings that it got.
async fn backend(dotenv: &str) -> (String, String) {
    let home = Environment::from_iter([("AIRFLOW_HOME", "/nonexistent")]);
    let environment = home.with_dotenv(".env", dotenv).unwrap();
    let settings = Settings::load(&environment).unwrap();
    let spec = BackendSpec::from_settings(&settings, Side::Server).await.unwrap().unwrap();
    let resolver = Resolver::from_environment(environment).build().await.unwrap();
    assert_eq!(resolver.warnings().iter().filter(|one| one.origin() != ".env").count(), 0);
    let name = resolver.sources().into_iter().next().unwrap().to_owned();
    (name, format!("{spec:?}"))
}
