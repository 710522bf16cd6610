//! From ids to label selectors, as Airflow's class writes them; and what may become part of one.

use std::borrow::Cow;

use crate::backend::SkipReason;

/// The longest value of a label, and the longest name of one after its prefix.
const LONGEST_NAME: usize = 63;

/// The longest prefix of a label's key, which is a DNS subdomain.
const LONGEST_PREFIX: usize = 253;

/// Why an id has no secret.
const NO_LABEL: &str = "the value of a label has 1 to 63 of the letters A-Z and a-z, digits, '-', '_' and \
     '.', and a letter or digit at both ends (K8S-1)";

/// Why a team has no secret.
const NO_TEAM_LABEL: &str = "the team's name cannot be the value of a label: it has 1 to 63 of the letters A-Z and a-z, digits, \
     '-', '_' and '.', and a letter or digit at both ends (K8S-1)";

/// Whether `text` can be a label's value that is not empty. Nothing else becomes part of a selector:
/// there a comma, a blank or an operator would have a meaning of its own.
fn is_label_value(text: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= LONGEST_NAME
        && is_end(bytes.first())
        && is_end(bytes.last())
        && bytes.iter().all(is_plain)
}

/// Whether `text` can be a label's key: a name, and a DNS subdomain with a slash before it or not.
pub(super) fn is_label_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_label_value(name),
        None => is_label_value(text),
    }
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_PREFIX && text.split('.').all(|label| is_dns_label(label, usize::MAX))
}

fn is_dns_label(text: &str, longest: usize) -> bool {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= longest
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.chars().all(is_plain)
}

/// Whether `text` can be a namespace's name.
pub(super) fn is_namespace(text: &str) -> bool {
    is_dns_label(text, LONGEST_NAME)
}

/// Whether the id is asked for.
///
/// # Errors
/// With the reason why not.
pub(super) fn check_id(id: &str) -> Result<(), SkipReason> {
    if is_label_value(id) {
        Ok(())
    } else {
        Err(SkipReason::InvalidId(Cow::Borrowed(NO_LABEL)))
    }
}

/// Whether `id` is asked for on behalf of `team`.
///
/// # Errors
/// With the reason why not.
pub(super) fn check_team(id: &str, team: Option<&str>) -> Result<(), SkipReason> {
    match team {
        None if is_of_a_team(id) => Err(SkipReason::Team(Cow::Borrowed(
            "the id looks like that of a team, and no team asks",
        ))),
        Some(team) if !team.is_empty() && !is_label_value(team) => {
            Err(SkipReason::Team(Cow::Borrowed(NO_TEAM_LABEL)))
        }
        _ => Ok(()),
    }
}

/// Python's `re.fullmatch(r"_[^_]+___.+", id)`.
fn is_of_a_team(id: &str) -> bool {
    let Some((team, rest)) = id
        .strip_prefix('_')
        .and_then(|id| Some(id.split_at(id.find('_')?)))
    else {
        return false;
    };
    let own = rest.strip_prefix("___").unwrap_or_default();
    !team.is_empty() && !own.is_empty() && !own.contains('\n')
}

/// Whose secrets are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// Everybody's: there is no label for teams.
    Anyone,
    /// Those of no team, by the label of teams.
    NoTeam(&'a str),
    /// Those of a team, by the label of teams and its value.
    Team(&'a str, &'a str),
}

/// The selector of the secrets whose `label` is one of `ids`, each of which [`check_id`] has passed.
pub(super) fn selector(label: &str, ids: &[&str], owner: Owner<'_>) -> String {
    let mut selector = match ids {
        [id] => format!("{label}={id}"),
        ids => format!("{label} in ({})", ids.join(",")),
    };
    match owner {
        Owner::Anyone => {}
        Owner::NoTeam(label) => selector.extend([",!", label]),
        Owner::Team(label, team) => selector.extend([",", label, "=", team]),
    }
    selector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_labels_value_is_asked_for() {
        let longest = "x".repeat(63);
        for id in ["a", "9", "pg", "My_db-1.2", "a..b", "a--b", &longest] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        let too_long = "x".repeat(64);
        for id in [
            "", "=pg", "pg ", " pg", "pg,!x", "pg\n", "a b", "a/b", "a=b", "_pg", "pg_", "-pg",
            "pg.", "é", "pg\u{0}", "!pg", "(pg)", "a,b", "a;b", "../x", &too_long,
        ] {
            let skipped = SkipReason::InvalidId(Cow::Borrowed(NO_LABEL));
            assert_eq!(check_id(id), Err(skipped), "{id:?}");
        }
    }

    #[test]
    fn a_labels_key_is_a_name_after_a_domain_or_not() {
        let domain = format!("{}io/x", "a.".repeat(124));
        let too_long = format!("{}io/x", "a.".repeat(126));
        for (text, expected) in [
            ("airflow.apache.org/connection-id", true),
            ("connection_id", true),
            ("A.b-C", true),
            (&*domain, true),
            (&*too_long, false),
            ("", false),
            ("/x", false),
            ("a/", false),
            ("a/b/c", false),
            ("A.org/x", false),
            ("a..b/x", false),
            ("-a/x", false),
            ("x,y", false),
            ("x=y", false),
            ("!x", false),
            ("x ", false),
        ] {
            assert_eq!(is_label_key(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_namespace_is_a_dns_label() {
        for (text, expected) in [
            ("airflow", true),
            ("a-1", true),
            ("", false),
            ("A", false),
            ("a.b", false),
            ("a/b", false),
            ("..", false),
            ("-a", false),
            (&"x".repeat(63), true),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(is_namespace(text), expected, "{text:?}");
        }
    }

    #[test]
    fn an_id_of_a_team_is_refused_to_those_without_one() {
        for (id, expected) in [
            ("_red___x", true),
            ("_red____", true),
            ("_red___", false),
            ("_red__x", false),
            ("__red___x", false),
            ("red___x", false),
            ("_é___x", true),
            ("_red___x\n", false),
            ("_re\nd___x", true),
        ] {
            assert_eq!(is_of_a_team(id), expected, "{id:?}");
            assert_eq!(check_team(id, None).is_err(), expected, "{id:?}");
            assert_eq!(check_team(id, Some("red")), Ok(()), "{id:?}");
            assert_eq!(check_team(id, Some("")), Ok(()), "{id:?}");
        }
    }

    #[test]
    fn a_team_that_no_label_can_have_is_not_asked_for() {
        for team in ["a b", "red,!x", "=red", "red ", "red_"] {
            let skipped = check_team("x", Some(team));
            assert!(matches!(skipped, Err(SkipReason::Team(_))), "{team:?}");
        }
    }

    #[test]
    fn a_selector_names_the_ids_and_whose_they_are() {
        let owners = [Owner::Anyone, Owner::NoTeam("t"), Owner::Team("t", "red")];
        let one = owners.map(|owner| selector("l", &["a"], owner));
        assert_eq!(one, ["l=a", "l=a,!t", "l=a,t=red"]);
        let two = owners.map(|owner| selector("l", &["a", "b"], owner));
        assert_eq!(two, ["l in (a,b)", "l in (a,b),!t", "l in (a,b),t=red"]);
    }
}
