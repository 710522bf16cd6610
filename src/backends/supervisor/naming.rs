//! Which ids the supervisor can be asked for.
//!
//! Its client puts the id into a path as it is: `connections/ID`, `variables/KEY`. What has a meaning in
//! a URL would reach another path, or another id.

use crate::backend::SkipReason;

/// The longest path that the supervisor is asked for, in bytes as a URL has them. Its client refuses
/// twice as many, which would look like an outage; Airflow's ids have 250 characters at most.
const LONGEST: usize = 32 * 1024;

/// The kinds of what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Connection,
    Variable,
}

/// The path of `id`, as the supervisor asks for it.
///
/// # Errors
/// Why it cannot be asked for.
pub(super) fn native_key(kind: Kind, id: &str) -> Result<String, SkipReason> {
    let why_not = match kind {
        Kind::Connection if id.contains('/') => {
            Some("Airflow's API server has no connections with '/' in their id")
        }
        Kind::Variable if id == "keys" => {
            Some("\"keys\" is where Airflow's API server lists the variables' keys (SUP-1)")
        }
        _ if length_in_url(id) > LONGEST => Some("it is too long for a URL"),
        _ => changes_on_its_way(id),
    };
    if let Some(why_not) = why_not {
        return Err(SkipReason::InvalidId(why_not.into()));
    }
    Ok(match kind {
        Kind::Connection => format!("connections/{id}"),
        Kind::Variable => format!("variables/{id}"),
    })
}

/// Why another path would be asked for than the one that `id` is.
fn changes_on_its_way(id: &str) -> Option<&'static str> {
    if id.contains(['?', '#']) {
        Some("the supervisor would end the path at the '?' or '#' (SUP-1)")
    } else if id.split('/').any(|segment| matches!(segment, "." | "..")) {
        Some("the supervisor would follow \".\" or \"..\" to another path (SUP-1)")
    } else if has_escape(id) {
        Some("Airflow's API server would decode the '%' and two digits in it (SUP-1)")
    } else if id.chars().any(|c| c.is_ascii_control()) {
        Some("no URL has control characters (SUP-1)")
    } else {
        None
    }
}

/// How many bytes of a URL `id` takes: all but ASCII is percent-encoded.
fn length_in_url(id: &str) -> usize {
    let lengths = id.bytes().map(|byte| if byte.is_ascii() { 1 } else { 3 });
    lengths.sum()
}

/// Whether a `%` comes before two hexadecimal digits.
fn has_escape(id: &str) -> bool {
    let is_digit = |digit: Option<u8>| digit.is_some_and(|digit| digit.is_ascii_hexdigit());
    id.split('%').skip(1).any(|after| {
        let mut digits = after.bytes();
        is_digit(digits.next()) && is_digit(digits.next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_asked_for_where_it_arrives_as_it_is() {
        for id in [
            "pg", "a b", "é", "50%", "%zz", "a%", "a:b", "a\\b", "..a", "a..b", "+", "&=", "\u{85}",
        ] {
            for (kind, room) in [
                (Kind::Connection, "connections"),
                (Kind::Variable, "variables"),
            ] {
                assert_eq!(native_key(kind, id), Ok(format!("{room}/{id}")));
            }
        }
        for key in ["a/b", "/a", "a/", "a//b", "keys/", "Keys"] {
            assert_eq!(
                native_key(Kind::Variable, key),
                Ok(format!("variables/{key}"))
            );
        }
        assert_eq!(
            native_key(Kind::Connection, "keys"),
            Ok("connections/keys".to_owned())
        );
    }

    #[test]
    fn an_id_that_is_too_long_for_a_url_is_not_asked_for() {
        for kind in [Kind::Connection, Kind::Variable] {
            for (letter, most) in [("a", LONGEST), ("é", LONGEST / 6), ("😀", LONGEST / 12)] {
                assert!(native_key(kind, &letter.repeat(most)).is_ok());
                let too_long = native_key(kind, &letter.repeat(most + 1));
                let why = SkipReason::InvalidId("it is too long for a URL".into());
                assert_eq!(too_long, Err(why), "{letter}");
            }
        }
    }

    #[test]
    fn an_id_that_would_be_another_is_not_asked_for() {
        for id in [
            "..", ".", "a?b", "#", "%41", "a%2Fb", "a\nb", "\u{7f}", "\0",
        ] {
            for kind in [Kind::Connection, Kind::Variable] {
                let key = native_key(kind, id);
                assert!(
                    matches!(key, Err(SkipReason::InvalidId(_))),
                    "{id:?}: {key:?}"
                );
            }
        }
        for (kind, id) in [
            (Kind::Variable, "a/../pg"),
            (Kind::Variable, "./a"),
            (Kind::Variable, "keys"),
            (Kind::Connection, "a/b"),
        ] {
            let key = native_key(kind, id);
            assert!(
                matches!(key, Err(SkipReason::InvalidId(_))),
                "{id:?}: {key:?}"
            );
        }
    }
}
