//! From an id to a path below the API's URL.
//!
//! Each segment is percent-encoded by itself; Airflow's client encodes nothing (EXEC-1).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::backend::SkipReason;

/// All but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The longest path that is sent, in bytes. Airflow's ids have 250 characters at most.
const LONGEST: usize = 32 * 1024;

/// The path of connection `conn_id`.
///
/// # Errors
/// Why no server can be asked for it.
pub(super) fn connection(conn_id: &str) -> Result<String, SkipReason> {
    if conn_id.contains('/') {
        return Err(invalid(
            "the Execution API takes no \"/\" in the id of a connection",
        ));
    }
    path("connections", conn_id)
}

/// The path that variable `key` is read from.
///
/// # Errors
/// Why no server can be asked for it.
pub(super) fn variable(key: &str) -> Result<String, SkipReason> {
    if key == "keys" {
        return Err(invalid(
            "in the Execution API, the path of a variable \"keys\" is that of the list of keys",
        ));
    }
    stored_variable(key)
}

/// The path that variable `key` is set and deleted at.
///
/// # Errors
/// Why no server can hold it.
pub(super) fn stored_variable(key: &str) -> Result<String, SkipReason> {
    path("variables", key)
}

/// The path of the list of variables' keys that begin with `prefix`, from number `offset` on.
pub(super) fn keys(prefix: &str, limit: usize, offset: usize) -> String {
    let list = format!("variables/keys?limit={limit}&offset={offset}");
    if prefix.is_empty() {
        return list;
    }
    format!("{list}&prefix={}", encoded(prefix))
}

/// The path of the start of a task instance.
///
/// # Errors
/// When `id` is not the UUID of one.
pub(super) fn run(id: &str) -> Result<String, SkipReason> {
    let is_uuid = id.len() == 36 && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if !is_uuid {
        return Err(invalid("the id of a task instance is a UUID"));
    }
    Ok(format!("task-instances/{id}/run"))
}

fn path(folder: &str, id: &str) -> Result<String, SkipReason> {
    if id.is_empty() {
        return Err(invalid("it is empty"));
    }
    if id.chars().any(char::is_control) {
        return Err(invalid("it contains a control character"));
    }
    if id.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(invalid("a \".\" or \"..\" between slashes leaves its path"));
    }
    let segments = id.split('/').map(encoded).collect::<Vec<_>>();
    let path = format!("{folder}/{}", segments.join("/"));
    if path.len() > LONGEST {
        return Err(invalid("it is too long for a URL"));
    }
    Ok(path)
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

fn invalid(why: &'static str) -> SkipReason {
    SkipReason::InvalidId(Cow::Borrowed(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(path: Result<String, SkipReason>) -> String {
        path.unwrap_err().to_string()
    }

    #[test]
    fn every_segment_is_encoded_by_itself() {
        for (key, expected) in [
            ("colour", "variables/colour"),
            ("a/b", "variables/a/b"),
            ("/a//b/", "variables//a//b/"),
            ("a b?c#d%25", "variables/a%20b%3Fc%23d%2525"),
            ("é\\+&=", "variables/%C3%A9%5C%2B%26%3D"),
            ("a..b/...", "variables/a..b/..."),
            ("keys/", "variables/keys/"),
        ] {
            assert_eq!(variable(key), Ok(expected.to_owned()));
        }
        assert_eq!(connection("p g"), Ok("connections/p%20g".to_owned()));
    }

    #[test]
    fn an_id_that_would_leave_its_path_or_has_none_is_not_asked_for() {
        for id in ["..", ".", "a/../pg", "a/.", "./a", "a\nb", "\u{7f}", ""] {
            assert!(variable(id).is_err(), "{id:?}");
            assert!(connection(id).is_err(), "{id:?}");
        }
        assert!(variable(&"é".repeat(10_000)).is_err());
        assert!(reason(connection("a/b")).contains("no \"/\""));
        assert!(reason(variable("keys")).contains("list of keys"));
        assert_eq!(stored_variable("keys"), Ok("variables/keys".to_owned()));
    }

    #[test]
    fn the_list_has_its_prefix_encoded() {
        assert_eq!(keys("", 5, 10), "variables/keys?limit=5&offset=10");
        let path = "variables/keys?limit=5&offset=0&prefix=a%2F%26b";
        assert_eq!(keys("a/&b", 5, 0), path);
    }

    #[test]
    fn only_a_uuid_is_the_id_of_a_task_instance() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(run(id), Ok(format!("task-instances/{id}/run")));
        for other in ["", "../../x", &id.replace('a', "/"), &format!("{id}0")] {
            assert!(run(other).is_err(), "{other}");
        }
    }
}
