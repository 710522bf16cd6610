//! Where a secret is: its mount, its path below the mount, and the command line that reads it.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::backend::SkipReason;

/// The characters that are encoded within a segment: all but RFC 3986's unreserved ones.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// One secret: the mount of its engine and its path below it, checked and not yet encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) mount: String,
    pub(super) path: String,
}

/// The arguments of `bao kv get` (and `vault kv get`), quoted for a shell where they need it.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end_of_options = if self.path.starts_with('-') {
            "-- "
        } else {
            ""
        };
        write!(
            f,
            "-mount={} {end_of_options}{}",
            shell_word(&self.mount),
            shell_word(&self.path)
        )
    }
}

fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Each segment of `path` percent-encoded, the slashes between them kept. Empty segments are left
/// out.
pub(super) fn encode(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len() + 8);
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if !encoded.is_empty() {
            encoded.push('/');
        }
        encoded.extend(utf8_percent_encode(segment, ENCODED));
    }
    encoded
}

/// A path from settings, with empty segments left out, as Airflow's client does.
///
/// # Errors
/// When a segment is `.` or `..` or contains a control character (`VAULT-2`).
pub(super) fn from_setting(path: &str) -> Result<String, &'static str> {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    let segments = segments
        .map(|segment| check_segment(segment).map(|()| segment))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(segments.join("/"))
}

fn check_id(id: &str) -> Result<(), SkipReason> {
    id.split('/')
        .try_for_each(check_segment)
        .map_err(|why| SkipReason::InvalidId(why.into()))
}

fn check_segment(segment: &str) -> Result<(), &'static str> {
    match segment {
        "" => Err("a segment of the path is empty"),
        "." | ".." => Err("a segment of the path is \".\" or \"..\""),
        _ if segment.chars().any(char::is_control) => {
            Err("a segment of the path contains a control character")
        }
        _ => Ok(()),
    }
}

/// Where the KV engine is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MountPoint {
    /// At this path, for every id.
    Fixed(String),
    /// At the first segment of each id.
    FirstSegmentOfId,
}

/// How ids become locations.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) mount_point: MountPoint,
    pub(super) use_team_secrets_path: bool,
    pub(super) multi_team: bool,
}

impl Layout {
    /// The locations of `id` for `team`, in order; at least one.
    pub(super) fn locate(
        &self,
        base_paths: &[String],
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<Location>, SkipReason> {
        if base_paths.is_empty() {
            return Err(SkipReason::NoPrefix);
        }
        let teams_have_paths = self.multi_team && self.use_team_secrets_path;
        let below_mount = self.split_mount(id).map(|(_, key)| key);
        if teams_have_paths && team.is_none() && below_mount.is_some_and(|key| key.contains('/')) {
            return Err(SkipReason::Team(
                "an id with \"/\", asked for without a team, could name a team's secret".into(),
            ));
        }
        let team = team.filter(|_| teams_have_paths);
        if team.is_some_and(|team| team.contains('/') || check_segment(team).is_err()) {
            return Err(SkipReason::Team(
                "the team's name cannot be a path segment".into(),
            ));
        }
        self.locate_below(base_paths, id, team)
    }

    /// The locations of the configuration entry `id`, in order; at least one. In Airflow they do not
    /// depend on the team.
    pub(super) fn locate_config(
        &self,
        base_paths: &[String],
        id: &str,
    ) -> Result<Vec<Location>, SkipReason> {
        if base_paths.is_empty() {
            return Err(SkipReason::NoPrefix);
        }
        self.locate_below(base_paths, id, None)
    }

    fn locate_below(
        &self,
        base_paths: &[String],
        id: &str,
        team: Option<&str>,
    ) -> Result<Vec<Location>, SkipReason> {
        let Some((mount, key)) = self.split_mount(id) else {
            return Err(SkipReason::InvalidId(
                "mount_point is null, so the id must be the mount, \"/\" and the rest".into(),
            ));
        };
        check_id(key)?;
        if self.mount_point == MountPoint::FirstSegmentOfId {
            check_id(mount)?;
        }
        let locations = base_paths.iter().map(|base_path| {
            let segments = [base_path.as_str(), team.unwrap_or_default(), key];
            let segments = segments.into_iter().filter(|segment| !segment.is_empty());
            Location {
                mount: mount.to_owned(),
                path: segments.collect::<Vec<_>>().join("/"),
            }
        });
        Ok(locations.collect())
    }

    fn split_mount<'a>(&'a self, id: &'a str) -> Option<(&'a str, &'a str)> {
        match &self.mount_point {
            MountPoint::Fixed(mount) => Some((mount, id)),
            MountPoint::FirstSegmentOfId => id.split_once('/'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(mount_point: MountPoint) -> Layout {
        Layout {
            mount_point,
            use_team_secrets_path: true,
            multi_team: false,
        }
    }

    fn fixed() -> Layout {
        layout(MountPoint::Fixed("airflow".into()))
    }

    fn teams() -> Layout {
        Layout {
            multi_team: true,
            ..fixed()
        }
    }

    fn keys(found: Result<Vec<Location>, SkipReason>) -> Vec<String> {
        found.unwrap().iter().map(ToString::to_string).collect()
    }

    fn bases(paths: &[&str]) -> Vec<String> {
        paths
            .iter()
            .map(|path| from_setting(path).unwrap())
            .collect()
    }

    #[test]
    fn every_segment_is_encoded_by_itself() {
        assert_eq!(
            encode("airflow/data/a b/é?#%2F;x"),
            "airflow/data/a%20b/%C3%A9%3F%23%252F%3Bx"
        );
    }

    #[test]
    fn paths_from_settings_lose_their_empty_segments() {
        assert_eq!(from_setting("/x//y/"), Ok("x/y".to_owned()));
        assert_eq!(from_setting("/"), Ok(String::new()));
        assert!(from_setting("x/../y").is_err());
    }

    #[test]
    fn each_base_path_is_a_place_in_the_order_given() {
        assert_eq!(
            keys(fixed().locate(&bases(&["a", "", "b/c/"]), "pg", None)),
            [
                "-mount=airflow a/pg",
                "-mount=airflow pg",
                "-mount=airflow b/c/pg"
            ]
        );
    }

    #[test]
    fn without_a_base_path_nothing_is_asked() {
        assert_eq!(fixed().locate(&[], "pg", None), Err(SkipReason::NoPrefix));
        assert_eq!(fixed().locate_config(&[], "pg"), Err(SkipReason::NoPrefix));
    }

    #[test]
    fn a_null_mount_is_the_first_segment_of_the_id() {
        let layout = layout(MountPoint::FirstSegmentOfId);
        assert_eq!(
            keys(layout.locate(&bases(&["c"]), "kv/pg", None)),
            ["-mount=kv c/pg"]
        );
        for id in ["pg", "/pg", "../pg", "kv/"] {
            assert!(
                matches!(
                    layout.locate(&bases(&["c"]), id, None),
                    Err(SkipReason::InvalidId(_))
                ),
                "{id}"
            );
        }
    }

    #[test]
    fn ids_that_would_leave_their_prefix_are_refused() {
        for id in [
            "..", "../x", "a/../b", "a/./b", "a//b", "/a", "a/", "", "a\nb", "a/\u{7f}",
        ] {
            assert!(
                matches!(
                    fixed().locate(&bases(&["c"]), id, None),
                    Err(SkipReason::InvalidId(_))
                ),
                "{id:?}"
            );
        }
    }

    #[test]
    fn a_team_asks_below_its_own_name_and_nowhere_else() {
        assert_eq!(
            keys(teams().locate(&bases(&["c", ""]), "a/pg", Some("red"))),
            ["-mount=airflow c/red/a/pg", "-mount=airflow red/a/pg"]
        );
        for team in ["..", "a/b", ""] {
            assert!(
                matches!(
                    teams().locate(&bases(&["c"]), "pg", Some(team)),
                    Err(SkipReason::Team(_))
                ),
                "{team:?}"
            );
        }
    }

    #[test]
    fn an_id_with_a_slash_and_no_team_is_refused_where_teams_have_paths() {
        let base_paths = bases(&["c"]);
        assert!(matches!(
            teams().locate(&base_paths, "red/pg", None),
            Err(SkipReason::Team(_))
        ));
        assert_eq!(
            keys(teams().locate_config(&base_paths, "red/pg")),
            ["-mount=airflow c/red/pg"]
        );
        let flat = Layout {
            use_team_secrets_path: false,
            ..teams()
        };
        assert_eq!(
            keys(flat.locate(&base_paths, "red/pg", None)),
            ["-mount=airflow c/red/pg"]
        );
        assert_eq!(
            keys(flat.locate(&base_paths, "pg", Some("red"))),
            ["-mount=airflow c/pg"]
        );
    }

    #[test]
    fn native_keys_are_quoted_for_a_shell() {
        let location = Location {
            mount: "air flow".into(),
            path: "c/it's".into(),
        };
        assert_eq!(location.to_string(), r"-mount='air flow' 'c/it'\''s'");
    }
}
