//! The crypto provider behind every TLS connection and every signature.
//!
//! The first of these is used:
//!
//! 1. the provider that the program installed as the process's default
//!    ([`CryptoProvider::install_default`]);
//! 2. `aws-lc-rs`, with the feature of that name;
//! 3. `ring`, with the feature of that name.
//!
//! Nothing here installs a default: that is the program's decision.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs::default_provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring::default_provider;

/// The provider to use now.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    choose(CryptoProvider::get_default())
}

fn choose(installed: Option<&Arc<CryptoProvider>>) -> Arc<CryptoProvider> {
    installed.map_or_else(|| Arc::new(default_provider()), Arc::clone)
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
fn default_provider() -> CryptoProvider {
    compile_error!(
        "airflow-secrets: the chosen features use TLS, and no TLS provider is chosen. Add the \
         feature \"aws-lc-rs\" (part of the default features) or the feature \"ring\"."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(provider: &CryptoProvider) -> String {
        format!("{:?}", provider.key_provider)
    }

    #[test]
    fn an_installed_provider_is_used() {
        let installed = Arc::new(CryptoProvider {
            cipher_suites: Vec::new(),
            ..default_provider()
        });
        assert!(Arc::ptr_eq(&choose(Some(&installed)), &installed));
    }

    #[test]
    fn without_one_the_feature_decides_and_aws_lc_rs_comes_first() {
        let expected = if cfg!(feature = "aws-lc-rs") {
            "AwsLcRs"
        } else {
            "Ring"
        };
        assert_eq!(name(&choose(None)), expected);
    }
}
