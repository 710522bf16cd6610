//! What a secret is called: prefix, separator, team and id, as Airflow's class joins them.

use std::borrow::Cow;

use crate::backend::SkipReason;

/// What stands between a team's name and the id.
const TEAM_SEP: &str = "--";

/// The longest name that Secret Manager takes.
const LONGEST_NAME: usize = 255;

/// Why no secret can have a name.
const UNNAMEABLE: &str = "a secret's name has 1 to 255 of the letters A-Z and a-z, digits, '-' and '_', \
     its prefix included";

/// How names are made.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    pub(super) sep: String,
    pub(super) multi_team: bool,
}

impl Naming {
    /// The names to ask for, in order: the team's own before the global one.
    ///
    /// # Errors
    /// With the reason why nothing is asked.
    pub(super) fn names(
        &self,
        prefix: Option<&str>,
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<String>, SkipReason> {
        if prefix.is_some() && self.multi_team && id.contains(TEAM_SEP) {
            return Err(SkipReason::Team(Cow::Borrowed(
                "the id has \"--\" in it, which stands between a team and an id",
            )));
        }
        self.join(prefix, id, team.filter(|team| !team.is_empty()))
    }

    /// The name of a configuration entry, which knows no teams and refuses no "--".
    ///
    /// # Errors
    /// With the reason why nothing is asked.
    pub(super) fn config_names(
        &self,
        prefix: Option<&str>,
        key: &str,
    ) -> Result<Vec<String>, SkipReason> {
        self.join(prefix, key, None)
    }

    fn join(
        &self,
        prefix: Option<&str>,
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<String>, SkipReason> {
        let prefix = prefix.ok_or(SkipReason::NoPrefix)?;
        let sep = &self.sep;
        let global = [prefix, sep, id].concat();
        if !is_name(&global) {
            return Err(SkipReason::InvalidId(Cow::Borrowed(UNNAMEABLE)));
        }
        // A team whose name cannot be part of one has no secrets of its own.
        let own = team.map(|team| [prefix, sep, team, TEAM_SEP, id].concat());
        Ok(own
            .filter(|name| is_name(name))
            .into_iter()
            .chain([global])
            .collect())
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && has_only_name_characters(text)
}

fn has_only_name_characters(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Whether Airflow's class takes `prefix` and `sep`: its pattern lets one line's end pass.
pub(super) fn is_valid_start(prefix: &str, sep: &str) -> bool {
    let start = format!("{prefix}{sep}");
    has_only_name_characters(start.strip_suffix('\n').unwrap_or(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naming(sep: &str, multi_team: bool) -> Naming {
        let sep = sep.to_owned();
        Naming { sep, multi_team }
    }

    #[test]
    fn an_empty_prefix_keeps_the_separator() {
        let names = naming("-", false).names(Some(""), "id", None);
        assert_eq!(names, Ok(vec!["-id".to_owned()]));
        let names = naming("", false).names(Some(""), "id", None);
        assert_eq!(names, Ok(vec!["id".to_owned()]));
    }

    #[test]
    fn the_team_comes_before_all() {
        let names = naming("-", true).names(Some("p"), "id", Some("red"));
        assert_eq!(names, Ok(vec!["p-red--id".to_owned(), "p-id".to_owned()]));
    }

    #[test]
    fn a_team_that_cannot_be_named_has_no_secrets() {
        for team in ["", "a/b", &"x".repeat(255)] {
            let names = naming("-", true).names(Some("p"), "id", Some(team));
            assert_eq!(names, Ok(vec!["p-id".to_owned()]), "{team}");
        }
    }

    #[test]
    fn only_a_multi_team_deployment_refuses_two_dashes_and_get_config_never() {
        let names = naming("-", true).names(Some("p"), "a--b", None);
        assert!(matches!(names, Err(SkipReason::Team(_))), "{names:?}");
        let plain = Ok(vec!["p-a--b".to_owned()]);
        assert_eq!(naming("-", false).names(Some("p"), "a--b", None), plain);
        assert_eq!(naming("-", true).config_names(Some("p"), "a--b"), plain);
    }

    #[test]
    fn what_cannot_be_a_name_is_not_asked_for() {
        for id in ["a/b", "a.b", "é", "a b", "../x", &"x".repeat(254)] {
            let names = naming("-", false).names(Some("p"), id, None);
            assert!(matches!(names, Err(SkipReason::InvalidId(_))), "{id}");
        }
        assert!(
            naming("-", false)
                .names(Some("p"), &"x".repeat(253), None)
                .is_ok()
        );
    }

    #[test]
    fn no_prefix_is_never_asked_for() {
        let names = naming("-", true).names(None, "a--b", None);
        assert_eq!(names, Err(SkipReason::NoPrefix));
    }

    #[test]
    fn a_start_is_checked_as_airflows_pattern_does() {
        for (prefix, sep, expected) in [
            ("airflow-connections", "-", true),
            ("", "", true),
            ("A_1", "--", true),
            ("x", "\n", true),
            ("x\n", "-", false),
            ("a/b", "-", false),
            ("x", "/", false),
            ("é", "-", false),
        ] {
            assert_eq!(is_valid_start(prefix, sep), expected, "{prefix:?} {sep:?}");
        }
    }
}
