//! Apache Kafka, as `KafkaBaseHook` (provider `apache-kafka` 2.1.0).

use super::{
    error::{ClientError, Place},
    extra::Made,
    macros::client,
};
use crate::{
    Connection,
    python::{text, truth::is_truthy},
};

const CALLBACKS: [&str; 6] = [
    "error_cb",
    "throttle_cb",
    "stats_cb",
    "log_cb",
    "oauth_cb",
    "on_commit",
];

/// Options on which TLS and the login depend, and which librdkafka does not take without a value.
const NEVER_NULL: [&str; 5] = [
    "security.protocol",
    "enable.ssl.certificate.verification",
    "ssl.endpoint.identification.algorithm",
    "sasl.mechanism",
    "sasl.mechanisms",
];

/// A connection to Apache Kafka: [`Connection::kafka`]. The parameters are librdkafka's: `extra` alone,
/// as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Kafka {
    pub(super) made: Made,
}

client!(Kafka, kafka);

impl Kafka {
    /// `bootstrap.servers`, which must be set.
    #[must_use]
    pub fn bootstrap_servers(&self) -> &str {
        self.made
            .params
            .text("bootstrap.servers")
            .unwrap_or_default()
    }
}

pub(super) fn read(connection: &Connection) -> Result<Kafka, ClientError> {
    let mut made = Made::new(connection, "kafka", &["kafka"]);
    let extra = made.extra(connection)?;
    for key in CALLBACKS {
        if extra.get(key).is_some_and(serde_json::Value::is_string) {
            let problem = "names Python code, which runs only where Airflow's `[apache_kafka] callback_allowlist` \
                           has it, and never here; remove it";
            return Err(made.wrong(key, problem));
        }
        if extra.get(key).is_some() {
            made.leave(key);
        }
    }
    let Some(servers) = extra
        .get("bootstrap.servers")
        .filter(|value| is_truthy(value))
    else {
        return Err(made.wrong("bootstrap.servers", "must be set"));
    };
    let servers = made.text("bootstrap.servers", servers)?;
    let is_google = servers.contains("cloud.goog") && servers.contains("managedkafka");
    let mechanism = ["sasl.mechanism", "sasl.mechanisms"]
        .iter()
        .find_map(|key| extra.truthy(key)?.as_str());
    // A callback of the user's own is respected there, even one that is null.
    let is_msk = mechanism == Some("OAUTHBEARER")
        && extra.present("oauth_cb").is_none()
        && servers.split(is_between).any(is_msk);
    if is_google || is_msk {
        let problem = "names a managed cluster, for which the hook adds a callback that gets tokens; the caller \
                       has to bring one";
        made.warn(Place::extra("bootstrap.servers"), problem);
        made.leave("oauth_cb");
    }
    for key in NEVER_NULL {
        if extra.present(key).is_some_and(serde_json::Value::is_null) {
            let problem = "is null, which librdkafka refuses; give it a value, or remove it";
            return Err(made.wrong(key, problem));
        }
    }
    for (key, value) in extra.iter() {
        // The hook's own callback takes the place of this one.
        if !(is_google && key == "oauth_cb") {
            made.params.set(key.to_owned(), value.clone());
        }
    }
    made.leave_fields(connection, &["host", "port", "login", "password", "schema"]);
    Ok(Kafka { made })
}

fn is_between(c: char) -> bool {
    c == ',' || text::is_space(c)
}

/// A broker of Amazon MSK: `….kafka.REGION.amazonaws.com:9098`, also of the serverless kind, and in China.
fn is_msk(server: &str) -> bool {
    let server = server.to_ascii_lowercase();
    let is_port = |port: &str| !port.is_empty() && port.chars().all(char::is_numeric);
    let name = match server.rsplit_once(':') {
        Some((name, port)) if is_port(port) => name,
        _ => &*server,
    };
    let name = name.strip_suffix(".cn").unwrap_or(name);
    let Some(name) = name.strip_suffix(".amazonaws.com") else {
        return false;
    };
    let Some((cluster, region)) = name.rsplit_once('.') else {
        return false;
    };
    let is_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_kafka = cluster
        .rsplit_once('.')
        .is_some_and(|(_, service)| ["kafka", "kafka-serverless"].contains(&service));
    is_kafka && !region.is_empty() && region.chars().all(is_region)
}
