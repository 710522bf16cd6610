//! Connections and variables from environment variables.

use async_trait::async_trait;

use crate::{
    ConfigurationError, Environment, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, LookupOptions, SkipReason},
    backends::registry::BackendSetup,
    python::text::push_upper,
};

const CONNECTION_PREFIX: &str = "AIRFLOW_CONN_";
const VARIABLE_PREFIX: &str = "AIRFLOW_VAR_";

/// Stands between the team and the id in the name of a team's variable.
const TEAM_SEPARATOR: &str = "___";

/// Connections from `AIRFLOW_CONN_<ID>`, variables from `AIRFLOW_VAR_<KEY>`, names in upper case;
/// Airflow's `EnvironmentVariablesBackend`.
///
/// For a team, `AIRFLOW_CONN__<TEAM>___<ID>` and `AIRFLOW_VAR__<TEAM>___<KEY>` come first, unless
/// they are empty. With multi-team on, an id that holds `___` is skipped for every caller: it
/// could spell out another team's name. An empty `AIRFLOW_CONN_…` counts as missing, an empty
/// `AIRFLOW_VAR_…` is found and empty.
///
/// A value that is not UTF-8 is a [`Failure`] of kind
/// [`InvalidValue`](crate::backend::FailureKind::InvalidValue).
///
/// ```
/// use airflow_secrets::{
///     Environment, Lookup, SecretsBackend, backend::LookupOptions, backends::environment::EnvironmentVariablesBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Failure> {
/// let env = Environment::from_iter([("AIRFLOW_VAR_COLOUR", "blue")]);
/// let backend = EnvironmentVariablesBackend::new(env, false);
/// assert_eq!(
///     backend.get_variable("colour", &LookupOptions::new()).await?,
///     Lookup::found("blue".into(), "AIRFLOW_VAR_COLOUR"),
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EnvironmentVariablesBackend {
    environment: Environment,
    multi_team: bool,
}

impl EnvironmentVariablesBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "environment_variables";

    /// Reads `environment`, as it is now; `multi_team` is `[core] multi_team`.
    #[must_use]
    pub fn new(environment: Environment, multi_team: bool) -> Self {
        Self {
            environment,
            multi_team,
        }
    }

    /// The backend that settings name; Airflow's takes no arguments.
    ///
    /// # Errors
    /// When there is an argument.
    pub fn from_setup(setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        setup.kwargs.deny_unknown()?;
        Ok(Self::new(setup.environment.clone(), setup.multi_team))
    }

    fn look_up(
        &self,
        prefix: &str,
        id: &str,
        team: Option<&str>,
    ) -> Result<Lookup<Secret>, Failure> {
        if self.multi_team && id.contains(TEAM_SEPARATOR) {
            return Ok(Lookup::skipped(SkipReason::Team(
                "an id that contains ___ could name another team's variable".into(),
            )));
        }
        if let Some(team) = team.filter(|team| !team.is_empty()) {
            let name = variable_name(prefix, Some(team), id);
            if let Some(value) = self.read(&name)?.filter(|value| !value.is_empty()) {
                return Ok(Lookup::found(Secret::from(value), name));
            }
        }
        let name = variable_name(prefix, None, id);
        Ok(match self.read(&name)? {
            Some(value) => Lookup::found(Secret::from(value), name),
            None => Lookup::missing(name),
        })
    }

    fn read(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.environment.get(name) {
            None if self.environment.is_not_unicode(name) => Err(Failure::invalid_value(format!(
                "the environment variable {name} is not UTF-8; set it again as UTF-8"
            ))
            .at(name)),
            value => Ok(value),
        }
    }
}

/// The name of the variable that holds connection `conn_id`.
pub(crate) fn connection_variable(conn_id: &str) -> String {
    variable_name(CONNECTION_PREFIX, None, conn_id)
}

/// The variable's name, as Airflow builds it: all of it in upper case.
fn variable_name(prefix: &str, team: Option<&str>, id: &str) -> String {
    let team_room = team.map_or(0, |team| 1 + team.len() + TEAM_SEPARATOR.len());
    let mut name = String::with_capacity(prefix.len() + team_room + id.len());
    name.push_str(prefix);
    if let Some(team) = team {
        name.push('_');
        push_upper(&mut name, team);
        name.push_str(TEAM_SEPARATOR);
    }
    push_upper(&mut name, id);
    name
}

#[async_trait]
impl SecretsBackend for EnvironmentVariablesBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(CONNECTION_PREFIX, conn_id, options.team())
    }

    async fn get_variable(
        &self,
        key: &str,
        options: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        self.look_up(VARIABLE_PREFIX, key, options.team())
    }

    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let names = format!("{CONNECTION_PREFIX}…, {VARIABLE_PREFIX}…");
        Ok(CheckOutcome::reachable(names))
    }
}
