//! Where the API server is, and who asks it.

mod in_cluster;
mod kubeconfig;
mod token;

use std::path::{Path, PathBuf};

pub(super) use self::token::{Token, Tokens};
use crate::{
    ConfigurationError, Environment, Failure, Secret,
    backends::http_options::{ClientCertificate, ProxyMap, Roots},
    config::Setting,
};

/// Where errors say that a credential came from.
const FROM_CODE: &str = "KubernetesCredential";

/// Where the API server is, and who asks it. `Debug` shows no secret.
///
/// | credential | what is used |
/// |---|---|
/// | [`in_cluster`](Self::in_cluster) (default) | the service account that Kubernetes mounts into a pod, as in Airflow |
/// | [`kubeconfig`](Self::kubeconfig), [`default_kubeconfig`](Self::default_kubeconfig), [`kubeconfig_text`](Self::kubeconfig_text) | a context of a kubeconfig |
///
/// A kubeconfig's user may have a token, a file of one, or a client certificate. One with an `exec`
/// plugin, an `auth-provider`, a password, or one that acts as another user, is an error.
#[derive(Debug, Clone)]
pub struct KubernetesCredential {
    choice: Choice,
    context: Option<String>,
}

#[derive(Debug, Clone)]
enum Choice {
    InCluster(PathBuf),
    Path(PathBuf),
    Text(Secret),
    Default,
}

impl KubernetesCredential {
    /// The service account of the pod that this runs in: `KUBERNETES_SERVICE_HOST` and
    /// `KUBERNETES_SERVICE_PORT` in the environment, and `token`, `ca.crt` and `namespace` in
    /// `/var/run/secrets/kubernetes.io/serviceaccount`. They are read at the first lookup, the token once
    /// more after a minute, or where the API server refuses it.
    #[must_use]
    pub fn in_cluster() -> Self {
        Self::in_cluster_at(in_cluster::FOLDER)
    }

    /// The same, with the three files in another folder.
    #[must_use]
    pub fn in_cluster_at(folder: impl Into<PathBuf>) -> Self {
        Self::of(Choice::InCluster(folder.into()))
    }

    /// The current context of the kubeconfig at `path`, which is read when the backend is built.
    #[must_use]
    pub fn kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self::of(Choice::Path(path.into()))
    }

    /// The current context of what a kubeconfig holds, as YAML or JSON.
    #[must_use]
    pub fn kubeconfig_text(text: impl Into<Secret>) -> Self {
        Self::of(Choice::Text(text.into()))
    }

    /// The current context of the kubeconfig that `kubectl` reads: those that `KUBECONFIG` names in the
    /// builder's environment, of which the first to define a name wins, else `.kube/config` in the home
    /// folder.
    #[must_use]
    pub fn default_kubeconfig() -> Self {
        Self::of(Choice::Default)
    }

    /// Uses this context of the kubeconfig in place of its current one.
    #[must_use]
    pub fn with_context(mut self, context: impl Into<String>) -> Self {
        self.context = Some(context.into());
        self
    }

    fn of(choice: Choice) -> Self {
        Self {
            choice,
            context: None,
        }
    }

    /// What this comes to in `environment`. Reads a kubeconfig.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub(super) fn cluster(&self, environment: &Environment) -> Result<Cluster, ConfigurationError> {
        let context = self.context.as_deref();
        match &self.choice {
            Choice::InCluster(_) if context.is_some() => {
                let problem = "is given without a kubeconfig: a pod has no contexts";
                Err(ConfigurationError::new("context", FROM_CODE, problem))
            }
            Choice::InCluster(folder) => Ok(in_cluster::cluster(folder, environment)),
            Choice::Path(path) => kubeconfig::at(std::slice::from_ref(path), context),
            Choice::Text(text) => kubeconfig::in_text(text, context),
            Choice::Default => kubeconfig::at(&default_paths(environment)?, context),
        }
    }
}

/// Where `kubectl` looks.
fn default_paths(environment: &Environment) -> Result<Vec<PathBuf>, ConfigurationError> {
    const VARIABLE: &str = "KUBECONFIG";
    if let Some(paths) = environment.non_empty(VARIABLE) {
        let paths = std::env::split_paths(paths).filter(|path| !path.as_os_str().is_empty());
        // As kubectl, which takes those that are there, and fails where that cannot be told.
        let is_there = |path: &PathBuf| path.try_exists().unwrap_or(true);
        let (there, absent) = paths.partition::<Vec<PathBuf>, _>(is_there);
        return match there.is_empty() {
            true if absent.is_empty() => {
                let problem = "names no file";
                Err(ConfigurationError::new(
                    VARIABLE,
                    "the environment",
                    problem,
                ))
            }
            true => Ok(absent),
            false => Ok(there),
        };
    }
    let home = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    let home = environment.non_empty(home).map(Path::new);
    home.map(|home| vec![home.join(".kube").join("config")])
        .ok_or_else(|| {
            let problem = "is not set, and neither is the home folder: name a kubeconfig";
            ConfigurationError::new(VARIABLE, "the environment", problem)
        })
}

/// An API server, and who asks it.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    /// Without a slash at its end. Outside a pod, why it is not known: the failure of each lookup, as in
    /// Airflow.
    pub(super) url: Result<String, Failure>,
    pub(super) namespace: Namespace,
    pub(super) token: Tokens,
    pub(super) roots: Option<Setting<Roots>>,
    pub(super) client_certificate: Option<Setting<ClientCertificate>>,
    pub(super) proxies: Option<Setting<ProxyMap>>,
}

/// The namespace that is asked where no setting names one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Namespace {
    Known(String),
    File(PathBuf),
}
