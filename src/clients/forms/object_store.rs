//! `object_store`: its own options for S3, Google Cloud Storage and Azure.

use serde_json::Value;

use super::Pairs;
use crate::{
    clients::{
        Aws, AzureBlob, ClientError, Google,
        azure_blob::{PREFIX, READ},
    },
    python::truth::is_truthy,
};

impl Aws {
    /// The options of `object_store`'s `AmazonS3Builder`: `aws_access_key_id`, `aws_region`, … That builder's
    /// `Debug` shows them in clear; the store's does not.
    ///
    /// # Errors
    /// [`ClientError`] where it has no option for what decides who asks: a role (which it ignores beside
    /// static keys), a profile; and for a `verify` with the path of authorities.
    pub fn object_store(&self) -> Result<Pairs, ClientError> {
        let form = "object_store";
        let params = &self.made.params;
        for name in ["role_arn", "profile_name"] {
            if params.get(name).is_some() {
                return Err(self.made.no_room(name, form));
            }
        }
        let mut out = Pairs::default();
        for (name, option) in [
            ("aws_access_key_id", "aws_access_key_id"),
            ("aws_secret_access_key", "aws_secret_access_key"),
            ("aws_session_token", "aws_session_token"),
            ("region_name", "aws_region"),
            ("endpoint_url", "aws_endpoint"),
        ] {
            if let Some(value) = params.get(name).filter(|value| is_truthy(value)) {
                out.push(option, self.made.text(name, value)?);
            }
        }
        let has = |option: &str| out.get(option).is_some();
        if has("aws_access_key_id") != has("aws_secret_access_key") {
            let problem = "and `aws_secret_access_key` come as a pair";
            return Err(self.made.wrong("aws_access_key_id", problem));
        }
        if self
            .endpoint_url()
            .is_some_and(|url| url.starts_with("http://"))
        {
            out.push("aws_allow_http", "true");
        }
        self.config_pairs(&mut out, form)?;
        match params.get("verify") {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => out.push("allow_invalid_certificates", "true"),
            Some(_) => return Err(self.made.no_room("verify", form)),
        }
        Ok(out)
    }

    /// What of botocore's configuration there are options for.
    fn config_pairs(&self, out: &mut Pairs, form: &str) -> Result<(), ClientError> {
        let config = self
            .made
            .params
            .get("config_kwargs")
            .and_then(Value::as_object);
        for (name, value) in config
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null())
        {
            match name.as_str() {
                "region_name" if out.get("aws_region").is_none() => {
                    out.push("aws_region", self.made.text("config_kwargs", value)?);
                }
                "signature_version" if value == "unsigned" => {
                    out.push("aws_skip_signature", "true");
                }
                "s3" => {
                    if value.get("addressing_style") == Some(&Value::from("virtual")) {
                        // With an endpoint of one's own, that option wants the bucket in the endpoint.
                        if self.endpoint_url().is_some() {
                            let name = "config_kwargs.s3.addressing_style";
                            out.left_out.push(name.to_owned());
                        } else {
                            out.push("aws_virtual_hosted_style_request", "true");
                        }
                    }
                    let others = value.as_object().into_iter().flatten();
                    for (other, _) in others.filter(|(name, _)| *name != "addressing_style") {
                        out.left_out.push(format!("config_kwargs.s3.{other}"));
                    }
                }
                "use_fips_endpoint"
                | "use_dualstack_endpoint"
                | "client_cert"
                | "proxies"
                | "proxies_config"
                | "signature_version" => {
                    return Err(self.made.no_room("config_kwargs", form));
                }
                other => out.left_out.push(format!("config_kwargs.{other}")),
            }
        }
        Ok(())
    }
}

impl Google {
    /// The options of `object_store`'s `GoogleCloudStorageBuilder`, whose `Debug` shows the key in clear.
    ///
    /// # Errors
    /// [`ClientError`] where it has no option for what decides who asks: an account to impersonate, a secret
    /// that holds the key, an identity provider.
    pub fn object_store(&self) -> Result<Pairs, ClientError> {
        let form = "object_store";
        for name in ["target_principal", "key_secret_name", "idp_issuer_url"] {
            if self.made.params.get(name).is_some() {
                let name = if name == "target_principal" {
                    "impersonation_chain"
                } else {
                    name
                };
                return Err(self.made.no_room(name, form));
            }
        }
        let mut out = Pairs::default();
        match self.credentials() {
            "key_path" => out.push_some("google_service_account", self.key_path()),
            "keyfile_dict" => {
                let key = self.service_account_key();
                out.push_some(
                    "google_service_account_key",
                    key.as_ref().map(crate::Secret::expose),
                );
            }
            "is_anonymous" => out.push("google_skip_signature", "true"),
            "credential_config_file" => {
                let file = self.made.params.text("credential_config_file");
                let file = file.filter(|text| !text.trim_start().starts_with('{'));
                let problem = "must be the path of a file for object_store";
                let file =
                    file.ok_or_else(|| self.made.wrong("credential_config_file", problem))?;
                out.push("google_application_credentials", file);
            }
            _ => {}
        }
        for name in ["scopes", "quota_project_id"] {
            if self.made.params.get(name).is_some() {
                out.left_out.push(name.to_owned());
            }
        }
        Ok(out)
    }
}

impl AzureBlob {
    /// The options of `object_store`'s `MicrosoftAzureBuilder`: the account, its endpoint where it is not
    /// Azure's, and the credentials. The `Debug` of the store that it builds shows them in clear.
    ///
    /// # Errors
    /// [`ClientError`] for a connection string without account or credentials that are known, and for
    /// credentials that it has no option for.
    pub fn object_store(&self) -> Result<Pairs, ClientError> {
        let mut out = Pairs::default();
        self.push_client_options(&mut out)?;
        if let Some(text) = self.connection_string() {
            if self.made.params.get("credential").is_some() {
                return Err(self.made.no_room("credential", "object_store"));
            }
            return self.of_connection_string(text.expose(), out);
        }
        let url = self.account_url().unwrap_or_default();
        let (url, query) = url.expose().split_once('?').unwrap_or((url.expose(), ""));
        self.push_account(&mut out, url)?;
        if !query.is_empty() {
            out.push("azure_storage_sas_key", query);
        }
        if let Some(key) = self.account_key() {
            out.push("azure_storage_account_key", key.expose());
        } else if let Some(token) = self.sas_token() {
            let token = token.expose();
            out.push(
                "azure_storage_sas_key",
                token.strip_prefix('?').unwrap_or(token),
            );
        } else if let Some(secret) = self.credential("client_secret").and_then(Value::as_object) {
            for (name, value) in secret {
                let option = match name.as_str() {
                    "tenant_id" => "azure_storage_tenant_id",
                    "client_id" => "azure_storage_client_id",
                    "client_secret" => "azure_storage_client_secret",
                    "authority" => "azure_storage_authority_host",
                    _ => {
                        return Err(self
                            .made
                            .no_room("client_secret_auth_config", "object_store"));
                    }
                };
                let text = self.made.text(name, value)?;
                // Azure's client knows the authority without its protocol too.
                let needs_protocol = name == "authority" && !text.contains("://");
                let protocol = if needs_protocol { "https://" } else { "" };
                out.push(option, [protocol, text].concat());
            }
        } else if let Some(default) = self.credential("default") {
            let client = default
                .get("managed_identity_client_id")
                .and_then(Value::as_str);
            out.push_some("azure_storage_client_id", client);
            let tenant = default
                .get("workload_identity_tenant_id")
                .and_then(Value::as_str);
            out.push_some("azure_storage_tenant_id", tenant);
        } else if self.made.params.get("credential").is_some() {
            return Err(self.made.no_room("credential", "object_store"));
        }
        Ok(out)
    }

    /// The members of `extra` that Azure's client takes as its own options.
    fn push_client_options(&self, out: &mut Pairs) -> Result<(), ClientError> {
        for (name, value) in self.made.params.iter() {
            match name {
                "account_url" | "credential" | "connection_string" => {}
                name if name.starts_with(PREFIX) || READ.contains(&name) => {}
                "connection_verify" => match value {
                    Value::Bool(true) => {}
                    Value::Bool(false) => out.push("allow_invalid_certificates", "true"),
                    _ => return Err(self.made.no_room(name, "object_store")),
                },
                "connection_cert" => return Err(self.made.no_room(name, "object_store")),
                name => out.left_out.push(name.to_owned()),
            }
        }
        Ok(())
    }

    fn push_account(&self, out: &mut Pairs, url: &str) -> Result<(), ClientError> {
        let problem = "gives no URL with the account's name";
        let wrong = || {
            self.made
                .error(crate::clients::error::Place::Field("host"), problem)
        };
        let (protocol, rest) = url.split_once("://").ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_azure = host.ends_with(".blob.core.windows.net") && protocol == "https";
        let account = if is_azure || host.contains(".blob.") {
            host.split('.').next()
        } else {
            path.split('/').next()
        };
        let account = account
            .filter(|account| !account.is_empty())
            .ok_or_else(wrong)?;
        out.push("azure_storage_account_name", account);
        if !is_azure {
            out.push("azure_storage_endpoint", url.trim_end_matches('/'));
            if protocol == "http" {
                out.push("azure_allow_http", "true");
            }
        }
        Ok(())
    }

    fn of_connection_string(&self, text: &str, mut out: Pairs) -> Result<Pairs, ClientError> {
        let name = "connection_string";
        let part = |wanted: &str| {
            // Of two parts with one name, Azure's client takes the last.
            text.rsplit(';').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim().eq_ignore_ascii_case(wanted).then_some(value)
            })
        };
        let protocol = part("DefaultEndpointsProtocol").unwrap_or("https");
        let suffix = part("EndpointSuffix").unwrap_or("core.windows.net");
        let endpoint = match (part("BlobEndpoint"), part("AccountName")) {
            (Some(endpoint), _) => endpoint.to_owned(),
            (None, Some(account)) => format!("{protocol}://{account}.blob.{suffix}"),
            (None, None) => {
                return Err(self
                    .made
                    .wrong(name, "names neither an account nor an endpoint"));
            }
        };
        self.push_account(&mut out, &endpoint)?;
        if let Some(key) = part("AccountKey") {
            out.push("azure_storage_account_key", key);
        } else if let Some(token) = part("SharedAccessSignature") {
            out.push(
                "azure_storage_sas_key",
                token.strip_prefix('?').unwrap_or(token),
            );
        } else {
            return Err(self
                .made
                .wrong(name, "has neither `AccountKey` nor `SharedAccessSignature`"));
        }
        Ok(out)
    }
}
