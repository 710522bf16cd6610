//! Kubernetes Secrets: Airflow's
//! `airflow.providers.cncf.kubernetes.secrets.kubernetes_secrets_backend.KubernetesSecretsBackend`.
//!
//! [`KubernetesSecretsBackend`] reads secrets of one namespace by their labels, whatever their names are:
//! connection `pg` is in the secret whose label `airflow.apache.org/connection-id` is `pg`, under the data
//! key `value`.
//!
//! * **Ids**: what cannot be the value of a label (1 to 63 of the letters A-Z and a-z, digits, `-`, `_` and
//!   `.`, with a letter or digit at both ends) is skipped and never sent. The same holds for a team.
//! * **Teams**: a team's own secret has the label `airflow.apache.org/team` besides. It comes before the
//!   one without that label. Where nothing asks for a team, only secrets without that label are read.
//! * **Missing** is an id that no secret has as its label, or whose secret does not have the data key. An
//!   empty value is a value, and a line break at the end belongs to it. Where several secrets have an id,
//!   the first by name counts, with a warning.
//! * **The wire**: a lookup is one `GET` over a kept connection (two where a team has no secret of its
//!   own), answered from the API server's memory, repeated at most 3 times on 410, 429, 5xx and connection
//!   errors. A hundred ids at once are one request. Redirects are not followed.
//! * **Credentials**: see [`KubernetesCredential`]. The account needs the verb `list` on `secrets` in the
//!   namespace.
//! * **TLS**: in a pod the authority of the cluster alone is trusted. A kubeconfig names its own, else
//!   Mozilla's and the machine's are trusted.

mod answer;
mod builder;
mod client;
mod credential;
mod kwargs;
mod naming;
mod watch;

use std::{collections::HashMap, iter, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt as _, stream};

use self::{
    answer::{Held, Place, Reading},
    client::Client,
    naming::Owner,
};
pub use self::{builder::KubernetesSecretsBuilder, credential::KubernetesCredential};
use crate::{
    ConfigurationError, Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{
        CHECK_ID, Changes, CheckOutcome, LookupOptions, MAX_CONCURRENT_LOOKUPS, SkipReason,
        deadline,
    },
    backends::{deadline::Deadline, registry::BackendSetup, runtime},
    report::Asked,
};

/// How many ids are asked for in one request: with ids of 63 characters its line has less than 8 KiB,
/// which is the bound of many proxies.
const CHUNK: usize = 100;

/// Reads connections, variables and configuration entries from Kubernetes Secrets.
///
/// Made from Airflow's settings by [`from_setup`](Self::from_setup), or from code by
/// [`builder`](Self::builder). It connects at the first lookup, and needs a Tokio runtime then.
/// `Debug` shows no secret.
#[derive(Debug)]
pub struct KubernetesSecretsBackend {
    connections: Source,
    variables: Source,
    configs: Source,
    team_label: Option<String>,
    client: Arc<Client>,
}

/// Where one kind of values is.
#[derive(Debug)]
struct Source {
    /// The setting that names the label.
    setting: &'static str,
    label: Option<String>,
    data_key: String,
}

/// What is asked for.
struct Query<'a> {
    place: Place<'a>,
    owner: Owner<'a>,
    deadline: Deadline,
}

/// What came of each id.
type Answers = HashMap<String, Result<Lookup<Secret>, Failure>>;

impl KubernetesSecretsBackend {
    /// A builder with Airflow's defaults.
    #[must_use]
    pub fn builder() -> KubernetesSecretsBuilder {
        KubernetesSecretsBuilder::default()
    }

    /// The backend that Airflow would make from the same keyword arguments and environment: in a pod, of
    /// the pod's service account.
    ///
    /// # Errors
    /// When an argument is unknown or wrong.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        kwargs::builder(setup)?.build()
    }

    /// The answer for each of `ids`, which are asked for on behalf of `team`.
    async fn look_up(
        &self,
        source: &Source,
        ids: &[&str],
        team: Option<&str>,
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let Some(label) = source.label.as_deref() else {
            let skipped = Lookup::skipped(SkipReason::NotSet(source.setting.into()));
            return vec![Ok(skipped); ids.len()];
        };
        let skipped = ids.iter().map(|id| naming::check_id(id).err());
        let skipped = skipped.collect::<Vec<_>>();
        let mut open = iter::zip(ids, &skipped)
            .filter(|(_, skipped)| skipped.is_none())
            .map(|(id, _)| *id)
            .collect::<Vec<_>>();
        open.sort_unstable();
        open.dedup();
        let chunks = open.chunks(CHUNK).map(|chunk| async move {
            let asked = self.chunk(source, label, chunk, team, options);
            let answers = deadline::in_time(options, asked).await;
            answers
                .flatten()
                .unwrap_or_else(|failure| all(label, chunk, &failure))
        });
        let answers = stream::iter(chunks.collect::<Vec<_>>())
            .buffer_unordered(MAX_CONCURRENT_LOOKUPS)
            .collect::<Vec<_>>()
            .await;
        let answers = answers.into_iter().flatten().collect::<Answers>();
        let unasked = || Err(Failure::unavailable("the API server was not asked"));
        iter::zip(ids, skipped)
            .map(|(id, skipped)| match skipped {
                Some(reason) => Ok(Lookup::skipped(reason)),
                None => answers.get(*id).cloned().unwrap_or_else(unasked),
            })
            .collect()
    }

    /// The answer for each of `ids`: the team's own, else that of no team.
    async fn chunk(
        &self,
        source: &Source,
        label: &str,
        ids: &[&str],
        team: Option<&str>,
        options: &LookupOptions,
    ) -> Result<Answers, Failure> {
        runtime::check().map_err(Failure::configuration)?;
        let deadline = self.client.deadline(options);
        let namespace = deadline.wait_for(self.client.namespace()).await;
        let too_late = || Err(Failure::unavailable("the namespace was not read in time"));
        let place = Place {
            label,
            data_key: &source.data_key,
            namespace: namespace.unwrap_or_else(too_late)?,
        };
        let mut answers = Answers::new();
        for owner in self.owners(team) {
            let is_open = |id: &&&str| answers.get(**id).is_none_or(is_missing);
            let open = ids.iter().filter(is_open).copied().collect::<Vec<_>>();
            let query = Query {
                place,
                owner,
                deadline,
            };
            for (id, answer) in self.ask(&query, open).await {
                let answer = match (answers.remove(&id), answer) {
                    (Some(Ok(before)), Ok(now)) => Ok(joined(&before, now)),
                    (_, now) => now,
                };
                answers.insert(id, answer);
            }
        }
        Ok(answers)
    }

    /// Whose secrets are asked for, in order.
    fn owners<'a>(&'a self, team: Option<&'a str>) -> Vec<Owner<'a>> {
        let team = team.filter(|team| !team.is_empty());
        match (&self.team_label, team) {
            (None, _) => vec![Owner::Anyone],
            (Some(label), None) => vec![Owner::NoTeam(label)],
            (Some(label), Some(team)) => vec![Owner::Team(label, team), Owner::NoTeam(label)],
        }
    }

    /// What the secrets of one owner hold, by as few requests as the length of the answers allows.
    async fn ask(&self, query: &Query<'_>, ids: Vec<&str>) -> Answers {
        let mut answers = Answers::new();
        let mut parts = vec![ids];
        while let Some(mut part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            let selector = naming::selector(query.place.label, &part, query.owner);
            let reading = self.client.list(&selector, query.place, query.deadline);
            match reading.await {
                Ok(Reading::Secrets(held)) => answers.extend(query.answers(&part, &held)),
                Ok(Reading::TooLong(_)) if part.len() > 1 => {
                    parts.push(part.split_off(part.len() / 2));
                    parts.push(part);
                }
                Ok(Reading::TokenRefused(failure) | Reading::TooLong(failure)) | Err(failure) => {
                    answers.extend(part.into_iter().map(|id| {
                        let failure = failure.clone().at(query.native_key(id));
                        (id.to_owned(), Err(failure))
                    }));
                }
            }
        }
        answers
    }

    /// The answers for `ids` that teams may have: those that the rules of teams refuse are not asked for.
    async fn of_teams(
        &self,
        source: &Source,
        ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let team = options.team();
        // Without a label for teams, no team becomes part of a selector.
        let checked = team.filter(|_| self.team_label.is_some());
        let refused = ids.iter().map(|id| {
            let checked = checked.or(team.map(|_| ""));
            naming::check_team(id, checked).err()
        });
        let refused = refused.collect::<Vec<_>>();
        let asked = iter::zip(ids, &refused).filter(|(_, refused)| refused.is_none());
        let asked = asked.map(|(id, _)| *id).collect::<Vec<_>>();
        let answers = self.look_up(source, &asked, team, options).await;
        let mut answers = answers.into_iter();
        let unasked = || Err(Failure::unavailable("the API server was not asked"));
        refused
            .into_iter()
            .map(|refused| match refused {
                _ if source.label.is_none() => {
                    Ok(Lookup::skipped(SkipReason::NotSet(source.setting.into())))
                }
                Some(reason) => Ok(Lookup::skipped(reason)),
                None => answers.next().unwrap_or_else(unasked),
            })
            .collect()
    }
}

impl Query<'_> {
    /// What is asked for one id, as `kubectl get secrets` takes it.
    fn native_key(&self, id: &str) -> String {
        let selector = naming::selector(self.place.label, &[id], self.owner);
        format!("-n {} -l {selector}", self.place.namespace)
    }

    fn answers<'q>(
        &'q self,
        ids: &'q [&str],
        held: &'q HashMap<String, Held>,
    ) -> impl Iterator<Item = (String, Result<Lookup<Secret>, Failure>)> + 'q {
        ids.iter().map(|id| {
            let answer = match held.get(*id) {
                None => Ok(Lookup::missing(self.native_key(id))),
                Some(Held { name, value: None }) => Ok(Lookup::missing_because(
                    self.native_key(id),
                    format!(
                        "the secret {name} has no data key {:?}",
                        self.place.data_key
                    ),
                )),
                Some(Held {
                    name,
                    value: Some(value),
                }) => {
                    let native_key = format!("-n {} {name}", self.place.namespace);
                    match value {
                        Ok(value) => Ok(Lookup::found(value.clone(), native_key)),
                        Err(failure) => Err(failure.clone().at(native_key)),
                    }
                }
            };
            ((*id).to_owned(), answer)
        })
    }
}

/// The same failure for each id, before it is known what is asked in full.
fn all(label: &str, ids: &[&str], failure: &Failure) -> Answers {
    let failed = ids.iter().map(|id| {
        let failure = failure.clone().at(format!("-l {label}={id}"));
        ((*id).to_owned(), Err(failure))
    });
    failed.collect()
}

fn is_missing(answer: &Result<Lookup<Secret>, Failure>) -> bool {
    matches!(answer, Ok(Lookup::Missing { .. }))
}

/// The second answer; where it is missing too, with both places that were looked at.
fn joined(before: &Lookup<Secret>, now: Lookup<Secret>) -> Lookup<Secret> {
    match (before, now) {
        (
            Lookup::Missing { native_key, reason },
            Lookup::Missing {
                native_key: other,
                reason: other_reason,
                ..
            },
        ) => {
            let both = format!("{native_key}, {other}");
            Lookup::missing(both).because(other_reason.or_else(|| reason.clone()))
        }
        (_, now) => now,
    }
}

fn connections(
    ids: &[&str],
    answers: Vec<Result<Lookup<Secret>, Failure>>,
    options: &LookupOptions,
) -> Vec<Result<Lookup<Connection>, Failure>> {
    iter::zip(ids, answers)
        .map(|(id, answer)| answer?.into_connection(id, options.dialect()))
        .collect()
}

#[async_trait]
impl SecretsBackend for KubernetesSecretsBackend {
    fn name(&self) -> &'static str {
        "kubernetes_secrets"
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let mut answers = self.of_teams(&self.connections, &[conn_id], options).await;
        answers.pop().unwrap_or_else(not_asked)
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let mut answers = self.of_teams(&self.variables, &[key], options).await;
        answers.pop().unwrap_or_else(not_asked)
    }

    async fn get_config(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        let mut answers = self.look_up(&self.configs, &[key], None, options).await;
        answers.pop().unwrap_or_else(not_asked)
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let answers = self.of_teams(&self.connections, conn_ids, options).await;
        connections(conn_ids, answers, options)
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.of_teams(&self.variables, keys, options).await
    }

    async fn get_configs(
        &self,
        keys: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(&self.configs, keys, None, options).await
    }

    fn changes(&self, asked: &Asked, options: &LookupOptions) -> Option<Changes> {
        let (source, id, team) = match asked {
            Asked::Connection(id) => (&self.connections, id, options.team()),
            Asked::Variable(id) => (&self.variables, id, options.team()),
            Asked::Config(id) => (&self.configs, id, None),
        };
        let label = source.label.as_deref()?;
        naming::check_id(id).ok()?;
        naming::check_team(id, team.filter(|_| self.team_label.is_some())).ok()?;
        let selectors = self.owners(team).into_iter().map(|owner| {
            let selector = naming::selector(label, &[id], owner);
            watch::changes(Arc::clone(&self.client), selector).boxed()
        });
        Some(Changes::of(stream::select_all(selectors)))
    }

    async fn check(&self, options: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let sources = [&self.connections, &self.variables, &self.configs];
        let asked = sources
            .iter()
            .find_map(|source| Some((source, source.label.as_deref()?)));
        let Some((source, label)) = asked else {
            let setting = self.connections.setting;
            return Ok(CheckOutcome::skipped(SkipReason::NotSet(setting.into())));
        };
        let unnamed = |failure: Failure| failure.at(format!("-l {label}={CHECK_ID}"));
        runtime::check().map_err(|why| unnamed(Failure::configuration(why)))?;
        let query = Query {
            place: Place {
                label,
                data_key: &source.data_key,
                namespace: self.client.namespace().await.map_err(unnamed)?,
            },
            owner: match &self.team_label {
                Some(label) => Owner::NoTeam(label),
                None => Owner::Anyone,
            },
            deadline: self.client.deadline(options),
        };
        let native_key = query.native_key(CHECK_ID);
        let selector = naming::selector(label, &[CHECK_ID], query.owner);
        let reading = self
            .client
            .list_once(&selector, query.place, query.deadline);
        match reading.await {
            Ok(Reading::Secrets(_)) => Ok(CheckOutcome::reachable(native_key)),
            Ok(Reading::TokenRefused(failure) | Reading::TooLong(failure)) | Err(failure) => {
                Err(failure.at(native_key))
            }
        }
    }
}

fn not_asked() -> Result<Lookup<Secret>, Failure> {
    Err(Failure::unavailable("the API server was not asked"))
}
