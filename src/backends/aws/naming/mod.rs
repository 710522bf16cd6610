//! The names of an id in AWS, as Airflow builds them.

use super::answer::words::Words;
use crate::{
    Failure, Lookup, Secret,
    backend::SkipReason,
    python::re::{Pattern, TooManySteps},
};

/// The text between a team's name and an id.
const TEAM_SEP: &str = "--";

/// The kinds of secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SecretKind {
    Connections,
    Variables,
    Config,
}

/// The prefix and the lookup pattern of one kind of secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefix {
    /// `None`: this kind is not looked up.
    pub(super) prefix: Option<String>,
    /// Only ids that match are looked up.
    pub(super) pattern: Option<Pattern>,
}

/// How names are built.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) connections: Prefix,
    pub(super) variables: Prefix,
    pub(super) config: Prefix,
    pub(super) sep: String,
    /// Whether every name begins with a slash, even if its prefix is empty.
    pub(super) is_path: bool,
    pub(super) multi_team: bool,
    pub(super) words: Words,
}

impl Names {
    /// The names of `id`, in the order in which they are read; or the answer, where nothing is read.
    pub(super) fn locate(
        &self,
        kind: SecretKind,
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<String>, Result<Lookup<Secret>, Failure>> {
        let (found, setting) = match kind {
            SecretKind::Connections => (&self.connections, "connections_prefix"),
            SecretKind::Variables => (&self.variables, "variables_prefix"),
            SecretKind::Config => (&self.config, "config_prefix"),
        };
        let skipped = |reason| Err(Ok(Lookup::skipped(reason)));
        let Some(prefix) = &found.prefix else {
            return skipped(SkipReason::NotSet(setting.into()));
        };
        if self.multi_team && id.contains(TEAM_SEP) {
            let why = "an id that contains \"--\" could name another team's secret";
            return skipped(SkipReason::Team(why.into()));
        }
        match found.pattern.as_ref().map(|pattern| pattern.matches(id)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return skipped(SkipReason::Pattern),
            Some(Err(TooManySteps)) => {
                return Err(Err(Failure::configuration(
                    "the lookup pattern takes too many steps for this id: write it without nested \
                     repetitions (AWS-30)",
                )));
            }
        }
        let team = team.filter(|team| !team.is_empty());
        if prefix.is_empty() && !self.is_path {
            return Ok(vec![id.to_owned()]);
        }
        let team = team.map(|team| self.name(prefix, &format!("{team}{TEAM_SEP}{id}")));
        Ok(team.into_iter().chain([self.name(prefix, id)]).collect())
    }

    /// A name to check for: that of `id` below the first prefix that is set, whatever its pattern.
    pub(super) fn to_check(&self, id: &str) -> Option<String> {
        let kinds = [&self.connections, &self.variables, &self.config];
        let prefix = kinds.into_iter().find_map(|kind| kind.prefix.as_deref())?;
        Some(if prefix.is_empty() && !self.is_path {
            id.to_owned()
        } else {
            self.name(prefix, id)
        })
    }

    fn name(&self, prefix: &str, id: &str) -> String {
        let name = format!("{prefix}{}{id}", self.sep);
        match name.strip_prefix('/') {
            _ if !self.is_path => name,
            // An ARN is a parameter's whole name.
            Some(arn) if prefix.is_empty() && is_parameter_arn(arn) => arn.to_owned(),
            None if !is_parameter_arn(&name) => format!("/{name}"),
            _ => name,
        }
    }
}

/// Whether `name` is the ARN of a parameter, such as another account's that is shared with this one.
fn is_parameter_arn(name: &str) -> bool {
    let mut parts = name.split(':');
    (parts.next(), parts.nth(1)) == (Some("arn"), Some("ssm"))
}
