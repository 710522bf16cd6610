//! What a person would give the Astro CLI to see an object: `astro env … --deployment-id …`.

use super::{client::View, objects::Kind};

/// The options that name the scope.
pub(super) fn scope(view: &View) -> String {
    match view {
        View::Deployment(deployment) => format!("--deployment-id={deployment}"),
        View::Workspace(workspace) => format!("--workspace-id={workspace}"),
        View::WorkspaceFor {
            workspace,
            deployment,
        } => format!("--workspace-id={workspace} for --deployment-id={deployment}"),
    }
}

/// Where the object `key` is.
pub(super) fn native_key(view: &View, kind: Kind, key: &str) -> String {
    format!("{} {} {key}", scope(view), kind.of_the_cli())
}
