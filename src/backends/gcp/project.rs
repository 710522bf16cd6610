//! Which project the secrets are in: Airflow's order, and Google's for the environment.

use super::credential::{
    file::{CredentialFile, Role},
    identity::{Impersonation, Source},
};
use crate::{ConfigurationError, Environment};

/// Where the project's id comes from.
#[derive(Debug, Clone)]
pub(super) enum Project {
    Known(String),
    /// The metadata server is asked, which waits for the first lookup.
    OfThisMachine,
}

/// The project, once `project_id` was not given: that of the account to become, else that of the
/// key, else, for default credentials, that of the environment, of their file, of the machine.
///
/// `scopes` says whether there are any: without them, Google's library does not tell the project
/// of a workload identity pool.
pub(super) fn find(
    impersonation: Option<&Impersonation>,
    source: &Source,
    has_scopes: bool,
    environment: &Environment,
) -> Option<Project> {
    if let Some(impersonation) = impersonation {
        return of_account(&impersonation.principal).map(Project::Known);
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

/// Whether `project` can stand in a secret's path: an id or a number, with an organisation's
/// domain before it in old ones.
pub(super) fn is_valid(project: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    !project.is_empty() && project.chars().all(is_plain) && !project.chars().all(|c| c == '.')
}

/// None of them told.
pub(super) fn unknown(setting: &str, origin: &str) -> ConfigurationError {
    ConfigurationError::new(
        setting,
        origin,
        "there is no project: give \"project_id\", or for default credentials set \
         GOOGLE_CLOUD_PROJECT; these credentials do not name one",
    )
}
