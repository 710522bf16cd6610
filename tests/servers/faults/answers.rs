//! Answers that no service gives, or that it gives on a bad day, from a server of our own.

use std::{
    io::Write as _,
    process::{Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{FutureExt as _, future::LocalBoxFuture};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::{
    asking::{ask, assert_right, assert_right_again, outcome},
    page::Cell,
    rooms::{DEPLOYMENT, KEY, Room, VALUE, astro_variable, over_http, quick},
    support::{
        astro_platform::own,
        google,
        https::{self, Reply, Request},
        key_vault::KeyVault,
        kubernetes::VARIABLE,
        token_authority::{self, TokenAuthority},
    },
};

const SIZE: usize = 64 * 1024 * 1024;

#[derive(Debug, Clone, Copy)]
enum Fault {
    Status(u16),
    RetryAfter,
    Html,
    Truncated,
    Huge,
    Bomb,
    RedirectLoop,
}

impl Fault {
    const ALL: [Self; 16] = [
        Self::Status(400),
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(408),
        Self::Status(412),
        Self::Status(429),
        Self::RetryAfter,
        Self::Status(500),
        Self::Status(502),
        Self::Status(503),
        Self::Html,
        Self::Truncated,
        Self::Huge,
        Self::Bomb,
        Self::RedirectLoop,
    ];

    fn title(self) -> String {
        match self {
            Self::Status(status) => format!("HTTP {status}"),
            Self::RetryAfter => "HTTP 429 with `Retry-After: 20`".to_owned(),
            Self::Html => "HTML in place of JSON".to_owned(),
            Self::Truncated => "JSON that ends too early".to_owned(),
            Self::Huge => "64 MiB of JSON".to_owned(),
            Self::Bomb => "gzip of 64 MiB".to_owned(),
            Self::RedirectLoop => "a redirect to itself".to_owned(),
        }
    }

    /// What a server answers in place of `right`.
    fn reply(self, request: &Request, right: &Value) -> Reply {
        let body = json!({"marker": "marker of the body"});
        let text = |text: &[u8], kind: &str| Reply {
            status: 200,
            headers: vec![("Content-Type", kind.to_owned())],
            body: text.to_vec(),
        };
        match self {
            Self::Status(status) => Reply::json(status, &body),
            Self::RetryAfter => Reply::json(429, &body).with("Retry-After", "20"),
            Self::Html => text(b"<html>marker of the body</html>", "text/html"),
            Self::Truncated => {
                let right = right.to_string();
                text(&right.as_bytes()[..right.len() / 2], "application/json")
            }
            Self::Huge => {
                let text_of_it = "x".repeat(SIZE);
                text(
                    format!("{{\"marker\": \"{text_of_it}\"}}").as_bytes(),
                    "application/json",
                )
            }
            Self::Bomb => text(&BOMB, "application/json").with("Content-Encoding", "gzip"),
            Self::RedirectLoop => Reply::json(307, &body).with("Location", request.path.clone()),
        }
    }

    fn may_wait(self) -> bool {
        matches!(self, Self::RetryAfter)
    }
}

/// 64 MiB of spaces, in 64 KiB.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut gzip = Command::new("gzip")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = gzip.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&vec![b' '; SIZE]).unwrap());
    let bomb = gzip.wait_with_output().unwrap().stdout;
    writer.join().unwrap();
    bomb
});

pub(crate) fn cells<'a>() -> impl Iterator<Item = LocalBoxFuture<'a, Cell>> {
    let of_fault = |fault: Fault| Room::HTTP.map(|room| cell(room, fault).boxed_local());
    Fault::ALL.into_iter().flat_map(of_fault)
}

async fn cell(room: Room, fault: Fault) -> Cell {
    // An answer of this size lies in memory several times.
    static HUGE: Semaphore = Semaphore::const_new(1);
    let _alone = match fault {
        Fault::Huge => Some(HUGE.acquire().await.unwrap()),
        _ => None,
    };
    let when = format!("{} in {room:?}", fault.title());
    let outcome = outcome(fault.may_wait(), async |limit: Duration| {
        let server = Server::start(room, fault);
        let address = server.address.to_string();
        let resolver = over_http(room, &address, &server.folder.path().join("ca"), quick());
        assert_right(&resolver, &format!("before {when}")).await;
        server.is_broken.store(true, Ordering::Relaxed);
        let outcome = ask(&resolver, limit).await;
        server.is_broken.store(false, Ordering::Relaxed);
        assert_right_again(&resolver, room, &format!("after {when}")).await;
        outcome
    });
    Cell::new(&fault.title(), room, outcome.await)
}

struct Server {
    address: std::net::SocketAddr,
    is_broken: Arc<AtomicBool>,
    folder: TempDir,
}

impl Server {
    /// Answers rightly, and while it is broken so.
    fn start(room: Room, fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_broken = Arc::<AtomicBool>::default();
        let broken = Arc::clone(&is_broken);
        let (authority, vault) = (TokenAuthority::default(), KeyVault::default());
        vault.put("airflow-variables-plain", VALUE);
        let handler = move |request: &Request| {
            let right = right_answer(room);
            if request.host == token_authority::HOST {
                authority.handle(request)
            } else if broken.load(Ordering::Relaxed) {
                fault.reply(request, &right)
            } else if room == Room::KeyVault {
                vault.handle(request)
            } else {
                Reply::json(200, &right)
            }
        };
        let hosts = [
            "airflow-test.vault.azure.net",
            token_authority::HOST,
            "api.astronomer.io",
        ];
        let server = https::serve(&hosts, &folder.path().join("ca"), Arc::new(handler));
        Self {
            address: server.address,
            is_broken,
            folder,
        }
    }
}

fn right_answer(room: Room) -> Value {
    match room {
        Room::Vault => json!({"data": {"data": {"value": VALUE}, "metadata": {"version": 1}}}),
        Room::SecretsManager => json!({"SecretString": VALUE}),
        Room::ParameterStore => json!({"Parameter": {"Type": "String", "Value": VALUE}}),
        Room::SecretManager => google::version(VALUE),
        Room::KeyVault => json!({"value": VALUE, "attributes": {"enabled": true}}),
        Room::ExecutionApi => json!({"key": KEY, "value": VALUE}),
        Room::Kubernetes => {
            let secret = json!({
                "metadata": {"name": "a", "labels": {VARIABLE: KEY}},
                "data": {"value": BASE64_STANDARD.encode(VALUE)},
            });
            json!({"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": [secret]})
        }
        Room::Astro => {
            let object = own(DEPLOYMENT, KEY, "AIRFLOW_VARIABLE", astro_variable());
            json!({"environmentObjects": [object], "totalCount": 1})
        }
        Room::Postgres | Room::MariaDb => panic!("{room:?} is not asked by HTTP"),
    }
}
