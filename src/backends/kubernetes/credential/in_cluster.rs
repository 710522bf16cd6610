//! The service account of a pod.

use std::path::Path;

use url::Url;

use super::{Cluster, Namespace, Tokens};
use crate::{Environment, Failure, backends::http_options::Roots, config::Setting};

/// Where Kubernetes mounts a service account.
pub(super) const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

const HOST: &str = "KUBERNETES_SERVICE_HOST";
const PORT: &str = "KUBERNETES_SERVICE_PORT";

/// The cluster of the pod that `environment` is of.
pub(super) fn cluster(folder: &Path, environment: &Environment) -> Cluster {
    let authority = folder.join("ca.crt");
    Cluster {
        url: url(environment),
        namespace: Namespace::File(folder.join("namespace")),
        token: Tokens::File(folder.join("token")),
        roots: Some(Setting::new(
            "ca.crt",
            "the pod's service account",
            Roots::At(authority),
        )),
        client_certificate: None,
        proxies: None,
    }
}

fn url(environment: &Environment) -> Result<String, Failure> {
    let set = |name| {
        environment.non_empty(name).ok_or_else(|| {
            Failure::configuration(format!(
                "{name} is not set, so this is not a pod of Kubernetes: run it in one, or give a kubeconfig \
                 from code"
            ))
        })
    };
    let (host, port) = (set(HOST)?, set(PORT)?);
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let url = format!("https://{host}:{port}");
    let is_plain = Url::parse(&url).is_ok_and(|parsed| {
        parsed.path() == "/" && parsed.username().is_empty() && parsed.query().is_none()
    });
    if is_plain && !url.ends_with('/') && !url.contains(['#', '@']) {
        Ok(url)
    } else {
        Err(Failure::configuration(format!(
            "{HOST} and {PORT} are not a host and a port"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_has_the_host_and_the_port_of_the_environment() {
        let url = |host: &str, port: &str| {
            let environment = Environment::from_iter([(HOST, host), (PORT, port)]);
            url(&environment).map_err(|failure| failure.to_string())
        };
        let is = |url: &str| Ok(url.to_owned());
        assert_eq!(url("10.0.0.1", "443"), is("https://10.0.0.1:443"));
        assert_eq!(url("fd00::1", "6443"), is("https://[fd00::1]:6443"));
        assert_eq!(url("kube.example", "1"), is("https://kube.example:1"));
        let not_set = |name: &str| {
            Err(format!(
                "{name} is not set, so this is not a pod of Kubernetes: run it in one, or give a kubeconfig \
                 from code"
            ))
        };
        assert_eq!(url("", "443"), not_set(HOST));
        assert_eq!(url("10.0.0.1", ""), not_set(PORT));
        for (host, port) in [
            ("a/b", "1"),
            ("u@h", "1"),
            ("h", "x"),
            ("h", "1/"),
            ("h", "1?x"),
            ("h", "1#x"),
            ("h h", "1"),
        ] {
            let wrong =
                "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not a host and a port";
            assert_eq!(url(host, port), Err(wrong.to_owned()), "{host} {port}");
        }
    }
}
