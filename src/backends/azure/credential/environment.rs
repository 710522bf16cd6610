//! The service principal that `AZURE_…` variables describe.

use super::Source;
use crate::Environment;

const NAME: &str = "environment";

/// A client secret, else a certificate, else why neither is set. As in Python's chain, a variable
/// that is empty counts as set.
pub(super) fn source(environment: &Environment) -> Source {
    let tenant_id = environment.get("AZURE_TENANT_ID");
    let client_id = environment.get("AZURE_CLIENT_ID");
    let secret = environment.get("AZURE_CLIENT_SECRET");
    let certificate = environment.get("AZURE_CLIENT_CERTIFICATE_PATH");
    let has_user = ["AZURE_USERNAME", "AZURE_PASSWORD"]
        .iter()
        .all(|name| environment.get(name).is_some());
    match (tenant_id, client_id) {
        (Some(tenant_id), Some(client_id)) if secret.is_some() => Source::ClientSecret {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.to_owned(),
            secret: secret.unwrap_or_default().into(),
        },
        (Some(tenant_id), Some(client_id)) if certificate.is_some() => Source::Certificate {
            tenant_id: tenant_id.to_owned(),
            client_id: client_id.to_owned(),
            path: certificate.unwrap_or_default().into(),
            sends_chain: environment
                .non_empty("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN")
                .is_some(),
        },
        (_, Some(_)) if has_user => Source::Broken(
            NAME,
            "a login with AZURE_USERNAME and AZURE_PASSWORD is not offered, because it is deprecated: \
             use a service principal (AZURE-7)"
                .to_owned(),
        ),
        _ => Source::NotOffered(NAME, missing(environment)),
    }
}

fn missing(environment: &Environment) -> String {
    let missing = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"]
        .into_iter()
        .filter(|name| environment.get(name).is_none())
        .collect::<Vec<_>>();
    format!("{} not set", missing.join(", "))
}
