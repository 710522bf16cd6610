//! What Airflow's own description of its settings says about those that this crate reads.

/// A setting that Airflow describes.
pub(super) struct Described {
    section: &'static str,
    key: &'static str,
    /// Whether `_CMD` and `_SECRET` are read.
    pub(super) is_sensitive: bool,
    /// The value when nothing names one; `{AIRFLOW_HOME}` in it is replaced by that folder.
    pub(super) default: Option<&'static str>,
    /// Its former section and key, which are still read.
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

/// As `config.yml` of Airflow 3.3.2 lists them. Airflow generates the Fernet key's default when
/// it first writes `airflow.cfg`; until then the default is empty.
const DESCRIBED: [Described; 22] = [
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
    Described {
        default: None,
        ..sensitive("database", "sql_alchemy_engine_args", "")
    },
    Described {
        default: None,
        formerly: Some(("workers", "execution_api_server_url")),
        ..plain("core", "execution_api_server_url", "")
    },
    Described {
        default: None,
        formerly: Some(("webserver", "base_url")),
        ..plain("api", "base_url", "")
    },
    Described {
        formerly: Some(("webserver", "web_server_ssl_cert")),
        ..plain("api", "ssl_cert", "")
    },
    plain("api", "client_use_public_certs", "True"),
    plain("workers", "execution_api_retries", "5"),
    plain("workers", "execution_api_timeout", "5.0"),
    plain("workers", "execution_api_retry_wait_min", "1.0"),
    plain("workers", "execution_api_retry_wait_max", "90.0"),
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
