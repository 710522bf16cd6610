//! The rooms: each source's real server with one variable in it, and the resolver that asks it.

use std::{path::Path, time::Duration};

use airflow_secrets::{
    Environment, Resolver,
    backends::{
        HttpOptions, RetryOptions,
        astro::AstroBackend,
        aws::{SecretsManagerBackend, SystemsManagerParameterStoreBackend},
        azure::AzureKeyVaultBackend,
        execution_api::{ExecutionApiBackend, ExecutionApiCredential},
        gcp::{CloudSecretManagerBackend, GcpCredential},
        kubernetes::{KubernetesCredential, KubernetesSecretsBackend},
        metastore::MetastoreBackend,
        vault::{VaultBackend, VaultCredential},
    },
};
use serde_json::{Value, json};

use crate::{
    mariadb::{self, MariaDb},
    postgres::{self, Postgres},
    support::{
        astro_platform::{Platform, own, token},
        drongo::Drongo,
        execution_api::{ExecutionApi, claims, signed},
        key_vault::{Azure, VAULT},
        kubernetes::{ApiServer, VARIABLE},
        moto::{Moto, REGION, moto},
        openbao::OpenBao,
        toxiproxy::Toxiproxy,
    },
};

/// The variable that every room has, and its value.
pub(crate) const KEY: &str = "plain";
pub(crate) const VALUE: &str = "marker of the value";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Room {
    Vault,
    SecretsManager,
    ParameterStore,
    SecretManager,
    KeyVault,
    ExecutionApi,
    Kubernetes,
    Astro,
    Postgres,
    MariaDb,
}

/// The Deployment that asks Astro.
pub(crate) const DEPLOYMENT: &str = "d1";

/// The task instance that asks the Execution API.
const TASK: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

impl Room {
    pub(crate) const ALL: [Self; 10] = [
        Self::Vault,
        Self::SecretsManager,
        Self::ParameterStore,
        Self::SecretManager,
        Self::KeyVault,
        Self::ExecutionApi,
        Self::Kubernetes,
        Self::Astro,
        Self::Postgres,
        Self::MariaDb,
    ];

    /// Those that are asked by HTTP, and repeat a request.
    pub(crate) const HTTP: [Self; 8] = [
        Self::Vault,
        Self::SecretsManager,
        Self::ParameterStore,
        Self::SecretManager,
        Self::KeyVault,
        Self::ExecutionApi,
        Self::Kubernetes,
        Self::Astro,
    ];

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::SecretsManager => "Secrets Manager",
            Self::ParameterStore => "Parameter Store",
            Self::SecretManager => "Google",
            Self::KeyVault => "Key Vault",
            Self::ExecutionApi => "Execution API",
            Self::Kubernetes => "Kubernetes",
            Self::Astro => "Astro",
            Self::Postgres => "PostgreSQL",
            Self::MariaDb => "MariaDB",
        }
    }

    pub(crate) fn repeats(self) -> bool {
        Self::HTTP.contains(&self)
    }

    /// Whether lookups in the second after a failure get that failure, and nobody is asked.
    pub(crate) fn pauses(self) -> bool {
        self == Self::Astro
    }
}

/// Everything that runs.
pub(crate) struct Rooms {
    pub(crate) toxiproxy: Toxiproxy,
    vault: OpenBao,
    moto: &'static Moto,
    drongo: Drongo,
    azure: Azure,
    execution_api: ExecutionApi,
    kubernetes: Cluster,
    astro: Platform,
    postgres_database: String,
    mariadb_database: String,
}

/// The API server, and who asks it.
struct Cluster {
    server: &'static ApiServer,
    namespace: String,
    token: String,
}

impl Cluster {
    async fn start() -> Self {
        let server = ApiServer::shared().await;
        let namespace = server.namespace().await;
        let data = [("value", VALUE)];
        namespace.secret("a", &[(VARIABLE, KEY)], &data).await;
        let token = namespace.pod("airflow").await.new_token().await;
        let namespace = namespace.name;
        Self {
            server,
            namespace,
            token,
        }
    }
}

impl Rooms {
    pub(crate) async fn open() -> Self {
        let rows = json!({
            "connections": [], "rows": [], "variables": [{"key": KEY, "val": VALUE}],
            "tasks": [{"id": TASK, "state": "running", "team": null}],
        });
        let (toxiproxy, vault, moto, drongo, execution_api) = tokio::join!(
            Toxiproxy::start(1),
            OpenBao::dev(),
            moto(),
            Drongo::start(),
            ExecutionApi::start(rows, &[])
        );
        vault.mount_kv("airflow", 2).await;
        let path = format!("variables/{KEY}");
        vault.put("airflow", &path, json!({"value": VALUE})).await;
        moto.secret(&format!("airflow/{path}"), VALUE).await;
        let name = format!("/airflow/{path}");
        moto.parameter(&name, "SecureString", VALUE).await;
        let name = format!("airflow-variables-{KEY}");
        drongo.put("p", &name, VALUE).await;
        let azure = Azure::start();
        azure.vault.put(&name, VALUE);
        let tables = |tables: &str| format!("{tables} UPDATE variable SET val = '{VALUE}';");
        let postgres = Postgres::shared().database(&tables(postgres::TABLES)).await;
        let mariadb = tables(mariadb::TABLES);
        let mariadb = MariaDb::shared().database("utf8mb4_general_ci", &mariadb);
        Self {
            toxiproxy,
            vault,
            moto,
            drongo,
            azure,
            execution_api,
            kubernetes: Cluster::start().await,
            astro: Platform::start(vec![own(
                DEPLOYMENT,
                KEY,
                "AIRFLOW_VARIABLE",
                astro_variable(),
            )]),
            postgres_database: postgres,
            mariadb_database: mariadb,
        }
    }

    /// The address of the room's server.
    pub(crate) fn address(&self, room: Room) -> String {
        let host = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
        match room {
            Room::Vault => host(&self.vault.url),
            Room::SecretsManager | Room::ParameterStore => host(&self.moto.url),
            Room::SecretManager => self.drongo.host.clone(),
            Room::KeyVault => self.azure.address.to_string(),
            Room::ExecutionApi => self.execution_api.address(),
            Room::Kubernetes => format!("127.0.0.1:{}", self.kubernetes.server.port),
            Room::Astro => host(&self.astro.proxy),
            Room::Postgres => format!("127.0.0.1:{}", Postgres::shared().server.port),
            Room::MariaDb => format!("127.0.0.1:{}", MariaDb::shared().server.port),
        }
    }

    /// A resolver that asks the room's server by way of `address`.
    pub(crate) fn resolver(&self, room: Room, address: &str, retries: RetryOptions) -> Resolver {
        let database = |url: &str, own: u16| {
            let url = url.replace(&format!("127.0.0.1:{own}"), address);
            let database = MetastoreBackend::builder().url(url).build().unwrap();
            Resolver::builder().backend(database).build()
        };
        match room {
            Room::Postgres => {
                let server = Postgres::shared();
                database(&server.url(&self.postgres_database), server.server.port)
            }
            Room::MariaDb => {
                let server = MariaDb::shared();
                database(&server.url(&self.mariadb_database), server.server.port)
            }
            Room::Kubernetes => {
                let Cluster {
                    server,
                    namespace,
                    token,
                } = &self.kubernetes;
                let credential = kubeconfig(&format!("https://{address}"), namespace, token);
                let ca = HttpOptions::new().with_ca_pem(server.authority.certificate_pem());
                let backend = KubernetesSecretsBackend::builder().credential(credential);
                let backend = backend.http(ca).retries(retries).build().unwrap();
                Resolver::builder().backend(backend).build()
            }
            Room::Astro => over_http(room, address, Path::new(&self.astro.ca), retries),
            _ => over_http(room, address, &self.azure.ca(), retries),
        }
    }
}

/// A resolver that asks the server at `address` by HTTP.
pub(crate) fn over_http(room: Room, address: &str, ca: &Path, retries: RetryOptions) -> Resolver {
    let url = format!("http://{address}");
    let resolver = Resolver::builder();
    let resolver = match room {
        Room::Vault => {
            let vault = VaultBackend::builder().url(url).mount_point("airflow");
            let vault = vault.credential(VaultCredential::token("root"));
            resolver.backend(vault.retries(retries).build().unwrap())
        }
        Room::SecretsManager => {
            let aws = SecretsManagerBackend::builder().environment(&aws_environment());
            resolver.backend(aws.endpoint_url(url).retries(retries).build().unwrap())
        }
        Room::ParameterStore => {
            let aws = SystemsManagerParameterStoreBackend::builder();
            let aws = aws.environment(&aws_environment()).endpoint_url(url);
            resolver.backend(aws.retries(retries).build().unwrap())
        }
        Room::SecretManager => {
            let google = CloudSecretManagerBackend::builder().endpoint(url);
            let google = google
                .project_id("p")
                .credential(GcpCredential::anonymous());
            resolver.backend(google.retries(retries).build().unwrap())
        }
        Room::KeyVault => {
            let ca = ca.display().to_string();
            let way = [("https_proxy", &*url), ("REQUESTS_CA_BUNDLE", &*ca)];
            let environment = Azure::principal()
                .into_iter()
                .chain(way)
                .collect::<Environment>();
            let azure = AzureKeyVaultBackend::builder().vault_url(VAULT);
            let azure = azure.environment(&environment).retries(retries);
            resolver.backend(azure.build().unwrap())
        }
        Room::ExecutionApi => {
            let token = ExecutionApiCredential::token(signed(&claims(TASK, 86_400)));
            let api = ExecutionApiBackend::builder().url(format!("{url}/execution/"));
            resolver.backend(api.credential(token).retries(retries).build().unwrap())
        }
        Room::Kubernetes => {
            let credential = kubeconfig(&url, "ns", "token");
            let backend = KubernetesSecretsBackend::builder().credential(credential);
            resolver.backend(backend.retries(retries).build().unwrap())
        }
        Room::Astro => {
            let ca = ca.display().to_string();
            let token = token(None);
            let variables = [
                ("ASTRO_API_TOKEN", &*token),
                ("ASTRO_DEPLOYMENT_ID", DEPLOYMENT),
                ("https_proxy", &*url),
                ("REQUESTS_CA_BUNDLE", &*ca),
            ];
            let astro = AstroBackend::builder().environment(&Environment::from_iter(variables));
            // Each lookup asks.
            let astro = astro.refresh_interval(Duration::ZERO);
            resolver.backend(astro.retries(retries).build().unwrap())
        }
        Room::Postgres | Room::MariaDb => panic!("{room:?} is not asked by HTTP"),
    };
    resolver.build()
}

/// The variable as Astro holds it.
pub(crate) fn astro_variable() -> Value {
    json!({"value": VALUE, "isSecret": true})
}

fn kubeconfig(url: &str, namespace: &str, token: &str) -> KubernetesCredential {
    let text = json!({
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}},
        ],
        "current-context": "x",
    });
    KubernetesCredential::kubeconfig_text(text.to_string())
}

/// Two repeats without long pauses, so that a lookup ends before its deadline unless it waits for an answer.
pub(crate) fn quick() -> RetryOptions {
    let quick = RetryOptions::new().with_first_pause(Duration::from_millis(10));
    quick
        .with_longest_pause(Duration::from_millis(20))
        .with_max_retries(2)
}

fn aws_environment() -> Environment {
    Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "marker-of-a-key"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}
