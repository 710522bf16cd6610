//! Kubeconfigs: <https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>.

use std::{
    collections::HashSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use url::{Host, Url};

use super::{Cluster, FROM_CODE, Namespace, Tokens};
use crate::{
    ConfigurationError, Secret,
    backends::{
        http_options::{ClientCertificate, ProxyMap, Roots, every_scheme},
        local_filesystem::yaml_as_json,
        proxies,
    },
    config::Setting,
    files,
};

/// The namespace of a context that names none.
const DEFAULT_NAMESPACE: &str = "default";

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Content {
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
    current_context: Option<String>,
}

impl Content {
    /// The kind and name of two entries that have one name, which kubectl refuses.
    fn repeated(&self) -> Option<(&'static str, &str)> {
        let clusters = self.clusters.iter().flatten().map(|named| &*named.name);
        let users = self.users.iter().flatten().map(|named| &*named.name);
        let contexts = self.contexts.iter().flatten().map(|named| &*named.name);
        let named = (clusters.map(|name| ("clusters", name)))
            .chain(users.map(|name| ("users", name)))
            .chain(contexts.map(|name| ("contexts", name)));
        let mut seen = HashSet::new();
        named.into_iter().find(|entry| !seen.insert(*entry))
    }
}

#[derive(Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Option<ClusterEntry>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: String,
    user: Option<User>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: String,
    context: Option<Context>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    #[serde(default, deserialize_with = "secret")]
    server: Option<Secret>,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
    tls_server_name: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    proxy_url: Option<Secret>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_key_data: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    token: Option<Secret>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    exec: Option<IgnoredAny>,
    auth_provider: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "secret")]
    username: Option<Secret>,
    #[serde(default, deserialize_with = "secret")]
    password: Option<Secret>,
    r#as: Option<IgnoredAny>,
    as_uid: Option<IgnoredAny>,
    as_groups: Option<IgnoredAny>,
    as_user_extra: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
    namespace: Option<String>,
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(text)?.map(Secret::from))
}

/// What one file, or a text, holds.
struct Part {
    /// What errors call it.
    origin: String,
    /// What paths in it are relative to.
    folder: PathBuf,
    content: Content,
}

impl Part {
    fn read(origin: String, folder: PathBuf, text: &str) -> Result<Self, ConfigurationError> {
        let json = yaml_as_json(text).map_err(|why| unusable(&origin, why))?;
        // The parser's own words may quote a secret.
        let content = json
            .json::<Option<Content>>()
            .map_err(|_| unusable(&origin, "it has not the form of a kubeconfig"))?
            .unwrap_or_default();
        if let Some((kind, name)) = content.repeated() {
            let why = format!("has two {kind} named {name:?}: remove one of them");
            return Err(unusable(&origin, why));
        }
        Ok(Self {
            origin,
            folder,
            content,
        })
    }

    fn error(&self, why: impl Into<String>) -> ConfigurationError {
        unusable(&self.origin, why)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn setting<T>(&self, name: &str, value: T) -> Setting<T> {
        Setting::new(name, &*self.origin, value)
    }
}

fn unusable(origin: &str, why: impl Into<String>) -> ConfigurationError {
    ConfigurationError::new("kubeconfig", origin, why)
}

/// The context of the kubeconfigs at `paths`, of which the first to define a name wins.
///
/// # Errors
/// When a file cannot be read, or the context cannot be used.
pub(super) fn at(paths: &[PathBuf], context: Option<&str>) -> Result<Cluster, ConfigurationError> {
    let parts = paths.iter().map(|path| {
        let origin = path.display().to_string();
        let text = files::read_text(path)
            .map_err(|error| unusable(&origin, format!("cannot be read: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Part::read(origin, folder, text.expose())
    });
    Kubeconfig(parts.collect::<Result<_, _>>()?).cluster(context)
}

/// The context of what a kubeconfig holds.
///
/// # Errors
/// When it cannot be used.
pub(super) fn in_text(text: &Secret, context: Option<&str>) -> Result<Cluster, ConfigurationError> {
    let part = Part::read(FROM_CODE.to_owned(), PathBuf::new(), text.expose())?;
    Kubeconfig(vec![part]).cluster(context)
}

struct Kubeconfig(Vec<Part>);

impl Kubeconfig {
    /// The first entry of this name, and where it is.
    fn find<T>(
        &self,
        name: &str,
        entries: impl for<'p> Fn(&'p Content) -> Vec<(&'p str, Option<&'p T>)>,
    ) -> Option<(&Part, Option<&T>)> {
        self.0.iter().find_map(|part| {
            let mut entries = entries(&part.content).into_iter();
            let (_, entry) = entries.find(|(known, _)| *known == name)?;
            Some((part, entry))
        })
    }

    fn error(&self, why: impl Into<String>) -> ConfigurationError {
        let origins = self.0.iter().map(|part| &*part.origin);
        unusable(&origins.collect::<Vec<_>>().join(", "), why)
    }

    fn cluster(&self, context: Option<&str>) -> Result<Cluster, ConfigurationError> {
        let name = self.context_name(context)?;
        let (part, context) = self.find(name, contexts).ok_or_else(|| {
            let known = self.0.iter().flat_map(|part| contexts(&part.content));
            let known = known.map(|(name, _)| name).collect::<Vec<_>>();
            self.error(format!(
                "has no context {name:?}; it has: {}",
                known.join(", ")
            ))
        })?;
        let no_cluster = || part.error(format!("the context {name:?} names no cluster"));
        let context = context.ok_or_else(no_cluster)?;
        let cluster = context.cluster.as_deref().ok_or_else(no_cluster)?;
        let (place, server) = self
            .find(cluster, |content| {
                let clusters = content.clusters.iter().flatten();
                clusters
                    .map(|named| (&*named.name, named.cluster.as_ref()))
                    .collect()
            })
            .ok_or_else(|| part.error(format!("has no cluster {cluster:?}")))?;
        let no_server = || place.error(format!("the cluster {cluster:?} names no server"));
        let server = server.ok_or_else(no_server)?;
        let url = server.server.as_ref().ok_or_else(no_server)?;
        let url = checked_url(url).ok_or_else(|| {
            place.error(format!(
                "the server of the cluster {cluster:?} must be a URL such as https://host:6443, without \
                 user name, query or fragment; http:// is for this machine alone (K8S-7)"
            ))
        })?;
        let roots = server.roots(place)?;
        let proxies = server.proxies(place)?;
        if server.tls_server_name.is_some() {
            let why =
                "names a tls-server-name, which is not offered: use the name in the server's URL";
            return Err(place.error(why));
        }
        let mut found = Cluster {
            url: Ok(url),
            namespace: Namespace::Known(
                context
                    .namespace
                    .clone()
                    .filter(|namespace| !namespace.is_empty())
                    .unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
            ),
            token: Tokens::Without,
            roots,
            client_certificate: None,
            proxies,
        };
        if let Some(user) = context.user.as_deref().filter(|user| !user.is_empty()) {
            let (place, user_entry) = self
                .find(user, |content| {
                    let users = content.users.iter().flatten();
                    users
                        .map(|named| (&*named.name, named.user.as_ref()))
                        .collect()
                })
                .ok_or_else(|| part.error(format!("has no user {user:?}")))?;
            if let Some(entry) = user_entry {
                entry.check(place, user)?;
                found.token = entry.token(place);
                found.client_certificate = entry.certificate(place, user)?;
            }
        }
        Ok(found)
    }

    fn context_name<'k>(&'k self, given: Option<&'k str>) -> Result<&'k str, ConfigurationError> {
        let current = self
            .0
            .iter()
            .filter_map(|part| part.content.current_context.as_deref())
            .find(|name| !name.is_empty());
        given.or(current).ok_or_else(|| {
            self.error("has no current-context: name one with KubernetesCredential::with_context")
        })
    }
}

fn contexts(content: &Content) -> Vec<(&str, Option<&Context>)> {
    let contexts = content.contexts.iter().flatten();
    contexts
        .map(|named| (&*named.name, named.context.as_ref()))
        .collect()
}

impl ClusterEntry {
    fn roots(&self, place: &Part) -> Result<Option<Setting<Roots>>, ConfigurationError> {
        let (path, data) = (
            &self.certificate_authority,
            &self.certificate_authority_data,
        );
        let path = path.as_deref().filter(|path| !path.is_empty());
        let data = data.as_deref().filter(|data| !data.is_empty());
        let roots = match (self.insecure_skip_tls_verify == Some(true), data, path) {
            (true, None, None) => Roots::Unchecked,
            (true, ..) => {
                let why =
                    "names an authority besides insecure-skip-tls-verify: remove one of the two";
                return Err(place.error(why));
            }
            // It comes before a path, as in kubectl.
            (false, Some(data), _) => Roots::Pem(
                base64(data)
                    .ok_or_else(|| place.error("certificate-authority-data is not base64"))?,
            ),
            (false, None, Some(path)) => Roots::At(place.path(path)),
            (false, None, None) => return Ok(None),
        };
        Ok(Some(place.setting("certificate-authority", roots)))
    }

    fn proxies(&self, place: &Part) -> Result<Option<Setting<ProxyMap>>, ConfigurationError> {
        let proxy = self.proxy_url.as_ref().filter(|url| !url.is_empty());
        let Some(url) = proxy else {
            return Ok(None);
        };
        let setting = place.setting("proxy-url", every_scheme(url));
        proxies::check(url).map_err(|why| setting.error(why))?;
        Ok(Some(setting))
    }
}

impl User {
    /// What is not offered is an error: to ask as somebody else would be wrong.
    fn check(&self, place: &Part, name: &str) -> Result<(), ConfigurationError> {
        let has_password = [&self.username, &self.password]
            .into_iter()
            .flatten()
            .any(|text| !text.is_empty());
        let (what, remedy) = if self.exec.is_some() {
            (
                "an exec plugin, which is not run",
                "use a token (kubectl create token), a tokenFile or a client certificate",
            )
        } else if self.auth_provider.is_some() {
            (
                "an auth-provider, which is not offered",
                "use a token, a tokenFile or a client certificate",
            )
        } else if has_password {
            (
                "a user name and password, which Kubernetes no longer accepts",
                "use a token, a tokenFile or a client certificate",
            )
        } else if self.r#as.is_some()
            || self.as_uid.is_some()
            || self.as_groups.is_some()
            || self.as_user_extra.is_some()
        {
            (
                "another user to act as, which is not offered",
                "use that user's own credentials",
            )
        } else {
            return Ok(());
        };
        Err(place.error(format!("the user {name:?} has {what}: {remedy}")))
    }

    /// A file comes before a text, as in kubectl.
    fn token(&self, place: &Part) -> Tokens {
        let file = self.token_file.as_deref().filter(|path| !path.is_empty());
        let text = self.token.as_ref().map(|token| token.expose().trim());
        match (file, text.filter(|token| !token.is_empty())) {
            (Some(path), _) => Tokens::File(place.path(path)),
            (None, Some(token)) => Tokens::Text(token.into()),
            (None, None) => Tokens::Without,
        }
    }

    fn certificate(
        &self,
        place: &Part,
        name: &str,
    ) -> Result<Option<Setting<ClientCertificate>>, ConfigurationError> {
        let certificate = Pem::of(
            place,
            self.client_certificate_data.as_deref(),
            self.client_certificate.as_deref(),
        );
        let key = Pem::of(
            place,
            self.client_key_data.as_ref().map(Secret::expose),
            self.client_key.as_deref(),
        );
        let value = match (certificate, key) {
            (None, None) => return Ok(None),
            (Some(Pem::File(certificate)), Some(Pem::File(key))) => ClientCertificate::Files {
                certificate,
                key: Some(key),
            },
            (Some(certificate), Some(key)) => {
                let both = [certificate, key].map(|pem| {
                    pem.read().map_err(|why| {
                        place.error(format!("the client certificate of the user {name:?} {why}"))
                    })
                });
                let [certificate, key] = both;
                let both = [certificate?.expose(), "\n", key?.expose()].concat();
                ClientCertificate::Pem(both.into())
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(place.error(format!(
                    "the user {name:?} has a client certificate without its key, or a key without its \
                     certificate"
                )));
            }
        };
        Ok(Some(place.setting("client-certificate", value)))
    }
}

/// A certificate or a key.
enum Pem {
    File(PathBuf),
    Base64(Secret),
}

impl Pem {
    /// The data come before a path, as in kubectl.
    fn of(place: &Part, data: Option<&str>, path: Option<&str>) -> Option<Self> {
        let data = data.filter(|data| !data.is_empty());
        let path = path.filter(|path| !path.is_empty());
        data.map(|data| Self::Base64(data.into()))
            .or_else(|| path.map(|path| Self::File(place.path(path))))
    }

    fn read(self) -> Result<Secret, String> {
        match self {
            Self::File(path) => files::read_text(&path)
                .map_err(|error| format!("cannot be read from {}: {error}", path.display())),
            Self::Base64(data) => {
                let text = base64(data.expose());
                let text = text.and_then(|bytes| String::from_utf8(bytes).ok());
                text.map(Secret::from)
                    .ok_or_else(|| "is not the base64 of a PEM text".to_owned())
            }
        }
    }
}

/// What `text` encodes, which may be broken into lines, as kubectl reads it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let is_break = |c: &char| matches!(c, '\r' | '\n');
    let line = text.chars().filter(|c| !is_break(c)).collect::<String>();
    STANDARD.decode(Secret::from(line).expose()).ok()
}

/// A URL without a slash at its end. Without TLS only this machine is asked, since whoever is between
/// could read the token.
fn checked_url(given: &Secret) -> Option<String> {
    let url = Url::parse(given.expose()).ok()?;
    let is_local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => IpAddr::from(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::from(address).is_loopback(),
    };
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let is_offered = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    (is_plain && is_offered).then(|| url.as_str().trim_end_matches('/').to_owned())
}
