//! Which names an id may have in AWS, as Airflow builds them.

use super::{pattern::LookupPattern, words::Words};
use crate::{Failure, Lookup, Secret, SkipReason};

/// What stands between a team's name and an id.
const TEAM_SEP: &str = "--";

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connections,
    Variables,
    Config,
}

/// Where one kind of secret is.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// `None`: it is not asked for.
    pub(super) prefix: Option<String>,
    /// What an id must match to be asked for.
    pub(super) pattern: Option<LookupPattern>,
}

/// How names are built.
#[derive(Debug, Clone)]
pub(super) struct Names {
    pub(super) connections: Place,
    pub(super) variables: Place,
    pub(super) config: Place,
    pub(super) sep: String,
    /// Whether every name begins with a slash, however empty its prefix.
    pub(super) is_path: bool,
    pub(super) multi_team: bool,
    pub(super) words: Words,
}

impl Names {
    /// The names of `id`, the first to ask for first; or the answer, where nobody is asked.
    pub(super) fn locate(
        &self,
        kind: Kind,
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<String>, Result<Lookup<Secret>, Failure>> {
        let place = match kind {
            Kind::Connections => &self.connections,
            Kind::Variables => &self.variables,
            Kind::Config => &self.config,
        };
        let skipped = |reason| Err(Ok(Lookup::skipped(reason)));
        let Some(prefix) = &place.prefix else {
            return skipped(SkipReason::NoPrefix);
        };
        if self.multi_team && id.contains(TEAM_SEP) {
            let why = "an id with \"--\" in it could name another team's secret";
            return skipped(SkipReason::Team(why.into()));
        }
        match place.pattern.as_ref().map(|pattern| pattern.matches(id)) {
            None | Some(Ok(true)) => {}
            Some(Ok(false)) => return skipped(SkipReason::Pattern),
            Some(Err(failure)) => return Err(Err(failure)),
        }
        let team = team.filter(|team| !team.is_empty());
        if prefix.is_empty() && !self.is_path {
            return Ok(vec![id.to_owned()]);
        }
        let team = team.map(|team| self.name(prefix, &format!("{team}{TEAM_SEP}{id}")));
        Ok(team.into_iter().chain([self.name(prefix, id)]).collect())
    }

    fn name(&self, prefix: &str, id: &str) -> String {
        let name = format!("{prefix}{}{id}", self.sep);
        if self.is_path && !name.starts_with('/') {
            return format!("/{name}");
        }
        name
    }
}

/// Python's `prefix.rstrip(sep)`: `sep` is a set of characters.
pub(super) fn trimmed(prefix: &str, sep: &str) -> String {
    prefix.trim_end_matches(|c| sep.contains(c)).to_owned()
}
