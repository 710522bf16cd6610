//! How few requests a real OpenBao, a real moto, a real API server of Kubernetes and the tests' own platform
//! of Astro get, however many lookups there are.

// A test may panic: so it fails.
#![allow(
    clippy::duplicate_mod,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../support"]
mod support {
    pub(crate) mod astro_platform;
    pub(crate) mod authority;
    pub(crate) mod clock;
    pub(crate) mod https;
    pub(crate) mod kubernetes;
    pub(crate) mod moto;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod servers;
    pub(crate) mod wire;
}

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use airflow_secrets::{
    CacheOptions, Environment, ErrorKind, Resolver, SecretsBackend,
    backends::{
        RetryOptions,
        astro::AstroBackend,
        aws::SecretsManagerBackend,
        breaker::BreakerOptions,
        kubernetes::{KubernetesCredential, KubernetesSecretsBackend},
        vault::{VaultBackend, VaultCredential},
    },
};
use futures_util::future::join_all;
use serde_json::json;
use support::{
    astro_platform::{Platform, own},
    clock::Clock,
    kubernetes::{ApiServer, Namespace, Pod, VARIABLE},
    moto::{Moto, REGION},
    openbao::OpenBao,
    wire::CountingProxy,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
};

const LOOKUPS: usize = 10_000;

/// A server with the variable `colour`, and how it is asked.
enum Source {
    Vault(OpenBao),
    SecretsManager(Moto),
    /// With the requests that were counted before.
    Kubernetes(Namespace, Pod, AtomicUsize),
    Astro(Platform),
}

/// Before a source, to count what it is asked; those over TLS count for themselves.
struct Way {
    url: String,
    proxy: Option<CountingProxy>,
}

impl Source {
    async fn all() -> [Self; 4] {
        let (vault, moto) = (Self::vault().await, Self::secrets_manager().await);
        [vault, moto, Self::kubernetes().await, Self::astro()]
    }

    async fn kubernetes() -> Self {
        let namespace = ApiServer::shared().await.namespace().await;
        let data = [("value", "blue")];
        namespace.secret("a", &[(VARIABLE, "colour")], &data).await;
        let pod = namespace.pod("airflow").await;
        Self::Kubernetes(namespace, pod, AtomicUsize::new(0))
    }

    fn astro() -> Self {
        let value = json!({"value": "blue", "isSecret": true});
        let variable = own("d1", "colour", "AIRFLOW_VARIABLE", value);
        Self::Astro(Platform::start(vec![variable]))
    }

    async fn vault() -> Self {
        let vault = OpenBao::dev().await;
        vault.mount_kv("airflow", 2).await;
        vault
            .put("airflow", "variables/colour", json!({"value": "blue"}))
            .await;
        Self::Vault(vault)
    }

    async fn secrets_manager() -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let moto = Moto::start("http", &[], http).await;
        moto.secret("airflow/variables/colour", "blue").await;
        Self::SecretsManager(moto)
    }

    /// Its address, as if it had no TLS.
    fn url(&self) -> String {
        match self {
            Self::Vault(vault) => vault.url.clone(),
            Self::SecretsManager(moto) => moto.url.clone(),
            Self::Kubernetes(namespace, ..) => {
                format!("http://127.0.0.1:{}", namespace.server.port)
            }
            Self::Astro(platform) => platform.proxy.clone(),
        }
    }

    async fn way(&self, url: String) -> Way {
        let proxy = match self {
            Self::Vault(_) | Self::SecretsManager(_) => Some(CountingProxy::before(&url).await),
            Self::Kubernetes(..) | Self::Astro(_) => None,
        };
        let url = proxy.as_ref().map_or(url, |proxy| proxy.url.clone());
        Way { url, proxy }
    }

    /// How often it was asked by this way, which is the only one just now.
    fn requests(&self, way: &Way) -> usize {
        match self {
            Self::Vault(_) | Self::SecretsManager(_) => {
                way.proxy.as_ref().unwrap().seen.lines().len()
            }
            Self::Kubernetes(namespace, _, counted) => {
                let lists = namespace.lists().len();
                lists - counted.swap(lists, Ordering::Relaxed)
            }
            Self::Astro(platform) => platform.take_requests().len(),
        }
    }

    /// Asks at `url`, each time once.
    fn at(&self, url: &str) -> Arc<dyn SecretsBackend> {
        let once = RetryOptions::new().with_max_retries(0);
        match self {
            Self::Vault(_) => {
                let vault = VaultBackend::builder().url(url).mount_point("airflow");
                let vault = vault.credential(VaultCredential::token("root"));
                Arc::new(vault.retries(once).build().unwrap())
            }
            Self::SecretsManager(_) => {
                let aws = SecretsManagerBackend::builder().environment(&aws_environment());
                Arc::new(aws.endpoint_url(url).retries(once).build().unwrap())
            }
            Self::Kubernetes(_, pod, _) => {
                let (_, port) = url.rsplit_once(':').unwrap();
                let mut variables = pod.variables();
                port.clone_into(&mut variables[1].1);
                let kubernetes = KubernetesSecretsBackend::builder()
                    .environment(&variables.into_iter().collect())
                    .credential(KubernetesCredential::in_cluster_at(pod.folder()));
                Arc::new(kubernetes.retries(once).build().unwrap())
            }
            Self::Astro(_) => {
                let astro = AstroBackend::builder().environment(&self.settings(url));
                Arc::new(astro.retries(once).build().unwrap())
            }
        }
    }

    /// Airflow's settings that name it, at `url`, and Astro's switch. Kubernetes' would need the files of a
    /// pod at their place in the system.
    fn settings(&self, url: &str) -> Environment {
        if let Self::Astro(platform) = self {
            let mut settings = platform.reach(Some("d1"));
            for (name, value) in [
                ("https_proxy", url),
                ("AIRFLOW_HOME", "/nowhere"),
                ("AIRFLOW_SECRETS_ASTRO", "true"),
                ("AIRFLOW__SECRETS__USE_CACHE", "True"),
            ] {
                settings.insert(name.to_owned(), value.to_owned());
            }
            return settings.into_iter().collect();
        }
        let (class_path, kwargs) = match self {
            Self::Vault(_) => (
                "airflow.providers.hashicorp.secrets.vault.VaultBackend",
                json!({"url": url, "token": "root", "mount_point": "airflow"}),
            ),
            Self::SecretsManager(_) => (
                "airflow.providers.amazon.aws.secrets.secrets_manager.SecretsManagerBackend",
                json!({"endpoint_url": url}),
            ),
            Self::Kubernetes(..) | Self::Astro(_) => panic!("not by a class path here"),
        };
        let kwargs = kwargs.to_string();
        let settings = [
            ("AIRFLOW_HOME", "/nowhere"),
            ("AIRFLOW__SECRETS__BACKEND", class_path),
            ("AIRFLOW__SECRETS__BACKEND_KWARGS", &kwargs),
            ("AIRFLOW__SECRETS__USE_CACHE", "True"),
        ];
        let of_aws = aws_environment();
        of_aws.iter().chain(settings).collect()
    }
}

fn aws_environment() -> Environment {
    Environment::from_iter([
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "marker"),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ])
}

/// Lets nothing through to `upstream` until it is opened; requests wait before it.
async fn gate(upstream: &str) -> (String, Arc<Notify>) {
    let upstream = upstream.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let opened = Arc::<Notify>::default();
    let is_open = Arc::clone(&opened);
    tokio::spawn(async move {
        is_open.notified().await;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&upstream).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut client, &mut server).await });
        }
    });
    (url, opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_concurrent_lookups_of_one_cold_id_are_one_request() {
    for source in Source::all().await {
        for cached in [false, true] {
            let (url, gate) = gate(&source.url()).await;
            let way = source.way(url).await;
            let mut resolver = Resolver::builder().backend(source.at(&way.url));
            if cached {
                resolver = resolver.cache(CacheOptions::new());
            }
            let resolver = resolver.build();
            let begun = Arc::<AtomicUsize>::default();
            let lookups = (0..LOOKUPS).map(|_| {
                let (resolver, begun, gate) =
                    (resolver.clone(), Arc::clone(&begun), Arc::clone(&gate));
                tokio::spawn(async move {
                    let mut lookup = pin!(resolver.get_variable("colour"));
                    let first = poll_fn(|context| Poll::Ready(lookup.as_mut().poll(context))).await;
                    // Nobody has an answer before all have asked.
                    if begun.fetch_add(1, Ordering::Relaxed) + 1 == LOOKUPS {
                        gate.notify_one();
                    }
                    match first {
                        Poll::Ready(answer) => answer,
                        Poll::Pending => lookup.await,
                    }
                })
            });
            for answer in join_all(lookups).await {
                assert_eq!(answer.unwrap().unwrap().expose(), "blue");
            }
            assert_eq!(source.requests(&way), 1, "{}", source.url());
        }
    }
}

#[tokio::test]
async fn ten_thousand_lookups_one_after_another_are_one_request_where_answers_are_kept() {
    for source in Source::all().await {
        for by_setting in [false, true] {
            if by_setting && matches!(source, Source::Kubernetes(..)) {
                continue;
            }
            let way = source.way(source.url()).await;
            let resolver = if by_setting {
                let settings = source.settings(&way.url);
                Resolver::from_environment(settings).build().await.unwrap()
            } else {
                let resolver = Resolver::builder().backend(source.at(&way.url));
                resolver.cache(CacheOptions::new()).build()
            };
            for _ in 0..LOOKUPS {
                let answer = resolver.get_variable("colour").await;
                assert_eq!(answer.unwrap().expose(), "blue");
            }
            assert_eq!(source.requests(&way), 1, "{}", source.url());
        }
    }
}

#[tokio::test]
async fn ten_thousand_lookups_of_many_ids_are_one_list_of_astros_without_a_cache() {
    let source = Source::astro();
    let way = source.way(source.url()).await;
    let resolver = Resolver::builder().backend(source.at(&way.url)).build();
    for number in 0..LOOKUPS / 10 {
        let ids: [String; 10] = std::array::from_fn(|id| format!("id {number} {id}"));
        for answer in join_all(ids.iter().map(|id| resolver.get_variable(id))).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::NotFound);
        }
    }
    assert_eq!(source.requests(&way), 1);
}

#[tokio::test]
async fn a_server_that_is_down_costs_one_trial_a_pause_at_a_thousand_lookups_a_second() {
    let mut vault = OpenBao::on_disk().await;
    let key = vault.initialize().await;
    vault.mount_kv("airflow", 2).await;
    let colour = json!({"value": "blue"});
    vault.put("airflow", "variables/colour", colour).await;
    let proxy = CountingProxy::before(&vault.url).await;
    let backend = VaultBackend::builder()
        .url(&*proxy.url)
        .mount_point("airflow")
        .credential(VaultCredential::token(vault.root.as_str()))
        .retries(RetryOptions::new().with_max_retries(0));
    let (clock, resolver) = with_breaker(Arc::new(backend.build().unwrap()));
    let blue = async || {
        let colour = resolver.get_variable("colour").await.unwrap();
        assert_eq!(colour.expose(), "blue");
    };
    blue().await;

    let stopped = vault.stop();
    assert_eq!(
        attempts_in_half_a_minute(&resolver, &clock, &proxy).await,
        FEW
    );

    let vault = stopped.start().await;
    vault.unseal(&key).await;
    clock.pass(LONGEST_PAUSE);
    blue().await;

    let moto = Source::secrets_manager().await;
    let proxy = CountingProxy::before(&moto.url()).await;
    let (clock, resolver) = with_breaker(moto.at(&proxy.url));
    let colour = resolver.get_variable("colour").await.unwrap();
    assert_eq!(colour.expose(), "blue");
    drop(moto);
    assert_eq!(
        attempts_in_half_a_minute(&resolver, &clock, &proxy).await,
        FEW
    );
}

const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// One at the end of each pause, of which each is twice as long as the one before.
const FEW: [(u64, usize); 4] = [(1000, 1), (3000, 1), (7000, 1), (15_000, 1)];

/// A resolver for this source alone, in peace for 1 s to 30 s after five failures.
fn with_breaker(source: Arc<dyn SecretsBackend>) -> (Clock, Resolver) {
    let clock = Clock::now();
    let breakers = BreakerOptions::new().with_longest_pause(LONGEST_PAUSE);
    let resolver = Resolver::builder().backend(source).breakers(breakers);
    let resolver = resolver.clock(clock.hands()).build();
    (clock, resolver)
}

/// When something came to the server's address in half a minute of 1,000 lookups a second, in milliseconds after
/// five lookups found it unavailable, and how often. Ten ids are asked for at once, every 10 ms.
async fn attempts_in_half_a_minute(
    resolver: &Resolver,
    clock: &Clock,
    proxy: &CountingProxy,
) -> Vec<(u64, usize)> {
    let ids: [String; 10] = std::array::from_fn(|index| format!("id {index}"));
    for id in &ids[..5] {
        let error = resolver.get_variable(id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
    }
    let mut attempts = Vec::new();
    for moment in (0..30_000).step_by(10) {
        let before = proxy.connections();
        for answer in join_all(ids.iter().map(|id| resolver.get_variable(id))).await {
            assert_eq!(answer.unwrap_err().kind(), ErrorKind::Unavailable);
        }
        let connections = proxy.connections() - before;
        if connections > 0 {
            attempts.push((moment, connections));
        }
        clock.pass(Duration::from_millis(10));
    }
    attempts
}
