//! What Airflow's own description of its settings says about those that this crate reads.

/// A setting that Airflow describes.
pub(super) struct Described {
    section: &'static str,
    key: &'static str,
    /// Whether `_CMD` and `_SECRET` are taken.
    pub(super) is_sensitive: bool,
    /// The value when nothing names one; `{AIRFLOW_HOME}` in it stands for that folder.
    pub(super) default: Option<&'static str>,
    /// The section and key it had before, still read.
    pub(super) formerly: Option<(&'static str, &'static str)>,
}

const fn plain(section: &'static str, key: &'static str, default: &'static str) -> Described {
    Described {
        section,
        key,
        is_sensitive: false,
        default: Some(default),
        formerly: None,
    }
}

const fn sensitive(section: &'static str, key: &'static str, default: &'static str) -> Described {
    Described {
        is_sensitive: true,
        ..plain(section, key, default)
    }
}

/// As `config.yml` of Airflow 3.3.2 has them. The Fernet key's default is made up by Airflow when
/// it first writes `airflow.cfg`; until then it is empty.
const DESCRIBED: [Described; 13] = [
    plain("core", "multi_team", "False"),
    plain("core", "unit_test_mode", "False"),
    sensitive("core", "fernet_key", ""),
    Described {
        formerly: Some(("core", "sql_alchemy_conn")),
        ..sensitive(
            "database",
            "sql_alchemy_conn",
            "sqlite:///{AIRFLOW_HOME}/airflow.db",
        )
    },
    Described {
        default: None,
        ..sensitive("core", "sql_alchemy_conn", "")
    },
    Described {
        formerly: Some(("webserver", "grid_view_sorting_order")),
        ..plain("api", "grid_view_sorting_order", "topological")
    },
    plain("database", "sql_alchemy_schema", ""),
    plain("secrets", "backend", ""),
    sensitive("secrets", "backend_kwargs", ""),
    plain("secrets", "use_cache", "False"),
    plain("secrets", "cache_ttl_seconds", "900"),
    plain("workers", "secrets_backend", ""),
    sensitive("workers", "secrets_backend_kwargs", ""),
];

/// What Airflow says about `[section] key`, if it is one of those.
pub(super) fn described(section: &str, key: &str) -> Option<&'static Described> {
    DESCRIBED
        .iter()
        .find(|option| option.section == section && option.key == key)
}
