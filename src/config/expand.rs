//! `$VAR`, `${VAR}` and `~` in settings, as Airflow's `expand_env_var` expands them.

use crate::{
    Environment,
    python::path::{expand_user, expand_variables},
};

/// How many rounds of expansion a value may take before it counts as endless.
const MAX_ROUNDS: usize = 100;

/// How much all rounds together may write, in bytes.
const MAX_WORK: usize = 16 * 1024 * 1024;

/// Expands variables and the home folder, again and again until nothing changes.
///
/// # Errors
/// When it would never end, since a variable refers to itself, or grows to more than 1 MiB.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, &'static str> {
    let mut value = text.to_owned();
    let mut work = 0;
    for _ in 0..MAX_ROUNDS {
        let Some(expanded) = expand_variables(&value, environment) else {
            break;
        };
        let expanded = expand_user(expanded, environment);
        if expanded == value {
            return Ok(value);
        }
        work += expanded.len();
        if work > MAX_WORK {
            break;
        }
        value = expanded;
    }
    Err(
        "the variables in it refer to themselves, or it expands to more than 1 MiB: \
         remove the circle, or shorten them (SET-2)",
    )
}
