//! Which project the secrets are in: Airflow's order, and Google's for the environment.

use super::{
    file::{CredentialFile, Role},
    identity::Source,
};
use crate::{ConfigurationError, Environment};

/// Where the project's id comes from.
#[derive(Debug, Clone)]
pub(crate) enum Project {
    Known(String),
    /// The metadata server is asked, which waits for the first lookup.
    OfThisMachine,
}

/// The project, where `project_id` is not given: that of the account to impersonate, else that of the
/// key, else, for default credentials, that of the environment, of their file, of the machine.
///
/// `account` is the one to impersonate. `has_scopes` says whether any are configured: without them,
/// Google's library for Python does not tell the project of a workload identity pool.
pub(crate) fn find(
    account: Option<&str>,
    source: &Source,
    has_scopes: bool,
    environment: &Environment,
) -> Option<Project> {
    if let Some(account) = account {
        return of_account(account).map(Project::Known);
    }
    let of_file = |file: &CredentialFile| {
        let pool_project = file.pool_project.clone().filter(|_| has_scopes);
        file.project.clone().or(pool_project)
    };
    let project = match source {
        Source::File(file) if file.role != Role::Default => of_file(file),
        Source::File(file) => of_environment(environment).or_else(|| of_file(file)),
        Source::Anonymous | Source::MetadataServer(_) => of_environment(environment),
    };
    match (project, source) {
        (Some(project), _) => Some(Project::Known(project)),
        (None, Source::MetadataServer(_)) => Some(Project::OfThisMachine),
        (None, _) => None,
    }
}

/// An empty first variable hides the second, as it does there.
fn of_environment(environment: &Environment) -> Option<String> {
    let project = environment.get("GOOGLE_CLOUD_PROJECT");
    let project = project.or_else(|| environment.get("GCLOUD_PROJECT"))?;
    Some(project.to_owned()).filter(|project| !project.is_empty())
}

/// `project` of `name@project.iam.gserviceaccount.com`.
fn of_account(email: &str) -> Option<String> {
    let domain = email.split('@').nth(1)?;
    let project = domain.split('.').next()?;
    Some(project.to_owned()).filter(|project| !project.is_empty())
}

/// Whether `project` can be part of a secret's path: an id or a number; old ids begin with an
/// organization's domain.
pub(crate) fn is_valid(project: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    !project.is_empty() && project.chars().all(is_plain) && !project.chars().all(|c| c == '.')
}

/// The error where nothing names a project.
pub(crate) fn unknown(setting: &str, origin: &str) -> ConfigurationError {
    ConfigurationError::new(
        setting,
        origin,
        "no project is set: give \"project_id\", or for default credentials set \
         GOOGLE_CLOUD_PROJECT; these credentials do not name one",
    )
}
