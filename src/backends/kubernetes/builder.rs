//! Options from code, with Airflow's defaults.

use std::{sync::Arc, time::Duration};

use super::{
    KubernetesSecretsBackend, Source,
    client::{Client, ClientSettings},
    credential::{KubernetesCredential, Namespace},
    kwargs, naming,
};
use crate::{
    ConfigurationError, Environment,
    backends::{http_options::HttpOptions, proxies, registry::BackendSetup, retry::RetryOptions},
    config::Setting,
};

/// Where errors say that a setting came from.
const FROM_CODE: &str = "KubernetesSecretsBackend::builder()";

/// What code gave.
fn from_code<T>(setting: &str, value: T) -> Setting<T> {
    Setting::new(setting, FROM_CODE, value)
}

/// Makes a [`KubernetesSecretsBackend`] from code. What is not set is as in Airflow's class; the
/// environment is not read unless it is given.
///
/// ```
/// use airflow_secrets::backends::kubernetes::{KubernetesCredential, KubernetesSecretsBackend};
///
/// # fn main() -> Result<(), airflow_secrets::ConfigurationError> {
/// # let text = r#"{"clusters": [{"name": "c", "cluster": {"server": "https://kube.example:6443"}}],
/// #     "contexts": [{"name": "staging", "context": {"cluster": "c"}}]}"#;
/// let kubernetes = KubernetesSecretsBackend::builder()
///     .namespace("airflow")
///     .credential(KubernetesCredential::kubeconfig_text(text).with_context("staging"))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KubernetesSecretsBuilder {
    pub(super) namespace: Option<Setting<String>>,
    pub(super) connections_label: Setting<Option<String>>,
    pub(super) variables_label: Setting<Option<String>>,
    pub(super) config_label: Setting<Option<String>>,
    pub(super) team_label: Setting<Option<String>>,
    pub(super) connections_data_key: Setting<String>,
    pub(super) variables_data_key: Setting<String>,
    pub(super) config_data_key: Setting<String>,
    credential: KubernetesCredential,
    environment: Environment,
    attempt_timeout: Duration,
    http: HttpOptions,
    retries: RetryOptions,
}

impl Default for KubernetesSecretsBuilder {
    fn default() -> Self {
        let label =
            |setting, name: &str| from_code(setting, Some(format!("airflow.apache.org/{name}")));
        let value = |setting| from_code(setting, "value".to_owned());
        Self {
            namespace: None,
            connections_label: label("connections_label", "connection-id"),
            variables_label: label("variables_label", "variable-key"),
            config_label: label("config_label", "config-key"),
            team_label: label("team_label", "team"),
            connections_data_key: value("connections_data_key"),
            variables_data_key: value("variables_data_key"),
            config_data_key: value("config_data_key"),
            credential: KubernetesCredential::in_cluster(),
            environment: Environment::default(),
            attempt_timeout: Duration::from_secs(10),
            http: HttpOptions::default(),
            retries: RetryOptions::default(),
        }
    }
}

impl KubernetesSecretsBuilder {
    /// The options that Airflow's keyword arguments give, to which code may add its own: a kubeconfig,
    /// for one.
    ///
    /// ```
    /// use airflow_secrets::{
    ///     Environment, Resolver,
    ///     backends::kubernetes::{KubernetesCredential, KubernetesSecretsBuilder},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), airflow_secrets::Error> {
    /// let class = "airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.\
    ///              KubernetesSecretsBackend";
    /// # let environment = Environment::from_iter([("AIRFLOW_HOME", "/nowhere")]);
    /// // The settings are those of the pod; the program runs on a developer's machine.
    /// let resolver = Resolver::from_environment(environment)
    ///     .register(class, |setup| {
    ///         KubernetesSecretsBuilder::from_setup(setup)?
    ///             .credential(KubernetesCredential::default_kubeconfig())
    ///             .build()
    ///     })
    ///     .build()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When an argument is unknown or has the wrong type.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)
    }

    /// The namespace whose secrets are read. Default: that of the pod's service account, or of the
    /// kubeconfig's context, which is `default` where the context names none.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(from_code("namespace", namespace.into()));
        self
    }

    /// The key of the label whose value is a connection's id; with `None` connections are not asked for.
    /// Default: `airflow.apache.org/connection-id`.
    #[must_use]
    pub fn connections_label<'l>(mut self, label: impl Into<Option<&'l str>>) -> Self {
        self.connections_label.value = label.into().map(str::to_owned);
        self
    }

    /// The same for variables. Default: `airflow.apache.org/variable-key`.
    #[must_use]
    pub fn variables_label<'l>(mut self, label: impl Into<Option<&'l str>>) -> Self {
        self.variables_label.value = label.into().map(str::to_owned);
        self
    }

    /// The same for configuration entries. Default: `airflow.apache.org/config-key`.
    #[must_use]
    pub fn config_label<'l>(mut self, label: impl Into<Option<&'l str>>) -> Self {
        self.config_label.value = label.into().map(str::to_owned);
        self
    }

    /// The key of the label whose value is the team that a secret belongs to; with `None` teams are not
    /// told apart. Default: `airflow.apache.org/team`.
    #[must_use]
    pub fn team_label<'l>(mut self, label: impl Into<Option<&'l str>>) -> Self {
        self.team_label.value = label.into().map(str::to_owned);
        self
    }

    /// The key in a secret's data that holds a connection. Default: `value`.
    #[must_use]
    pub fn connections_data_key(mut self, key: impl Into<String>) -> Self {
        self.connections_data_key.value = key.into();
        self
    }

    /// The same for variables. Default: `value`.
    #[must_use]
    pub fn variables_data_key(mut self, key: impl Into<String>) -> Self {
        self.variables_data_key.value = key.into();
        self
    }

    /// The same for configuration entries. Default: `value`.
    #[must_use]
    pub fn config_data_key(mut self, key: impl Into<String>) -> Self {
        self.config_data_key.value = key.into();
        self
    }

    /// Where the API server is, and who asks it. Default: [`KubernetesCredential::in_cluster`].
    #[must_use]
    pub fn credential(mut self, credential: KubernetesCredential) -> Self {
        self.credential = credential;
        self
    }

    /// Reads from `environment` what Airflow's client reads in a pod: `KUBERNETES_SERVICE_HOST`,
    /// `KUBERNETES_SERVICE_PORT` and the proxy, which is the first of `http_proxy`, `HTTP_PROXY`,
    /// `https_proxy` and `HTTPS_PROXY` that is set, but for what `no_proxy` names. For
    /// [`KubernetesCredential::default_kubeconfig`] also `KUBECONFIG` and the home folder.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// How long one request may take, to connect included. Default: 10 s.
    #[must_use]
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// Limits, TLS and proxy. What is set there wins over what was set before, and over a kubeconfig; all
    /// options are offered.
    #[must_use]
    pub fn http(mut self, options: HttpOptions) -> Self {
        self.http = options.or(self.http);
        self
    }

    /// How requests are repeated: on 410, 429, 5xx and connection errors. What is set there wins over
    /// what was set before.
    #[must_use]
    pub fn retries(mut self, options: RetryOptions) -> Self {
        self.retries = options.or(&self.retries);
        self
    }

    /// The backend. It reads a kubeconfig, if one is given, and connects to nothing yet.
    ///
    /// # Errors
    /// When an option is invalid, or the kubeconfig cannot be used.
    pub fn build(self) -> Result<KubernetesSecretsBackend, ConfigurationError> {
        if let Some(proxy) = &self.http.proxies {
            proxies::check_all(proxy)?;
        }
        let labels = [
            &self.connections_label,
            &self.variables_label,
            &self.config_label,
        ];
        labels.into_iter().try_for_each(check_label)?;
        let mut team_label = self.team_label;
        // As in Airflow, where an empty one means that there are no teams.
        team_label.value.take_if(|label| label.is_empty());
        check_label(&team_label)?;
        let mut cluster = self.credential.cluster(&self.environment)?;
        if let Some(namespace) = self.namespace.filter(|given| !given.value.is_empty()) {
            if !naming::is_namespace(&namespace.value) {
                return Err(namespace.error(
                    "is not a namespace: its name has 1 to 63 of the letters a-z, digits and '-', and a \
                     letter or digit at both ends",
                ));
            }
            cluster.namespace = Namespace::Known(namespace.value);
        }
        let source = |setting, label: Setting<Option<String>>, key: Setting<String>| Source {
            setting,
            label: label.value,
            data_key: key.value,
        };
        Ok(KubernetesSecretsBackend {
            connections: source(
                "connections_label",
                self.connections_label,
                self.connections_data_key,
            ),
            variables: source(
                "variables_label",
                self.variables_label,
                self.variables_data_key,
            ),
            configs: source("config_label", self.config_label, self.config_data_key),
            team_label: team_label.value,
            client: Arc::new(Client::new(ClientSettings {
                cluster,
                environment: self.environment,
                options: self.http,
                retries: self.retries,
                attempt_timeout: self.attempt_timeout,
            })),
        })
    }
}

fn check_label(label: &Setting<Option<String>>) -> Result<(), ConfigurationError> {
    match &label.value {
        Some(key) if !naming::is_label_key(key) => Err(label.error(
            "is not the key of a label, such as airflow.apache.org/connection-id (K8S-3); null turns it off",
        )),
        _ => Ok(()),
    }
}
