//! What is wrong with settings is said with the setting, the place and what to do, and never with
//! a value.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's helpers may fail the test"
)]

use std::{fmt::Write as _, fs, path::PathBuf};

use airflow_secrets::{
    ConfigurationError, Environment,
    settings::{Registry, Settings, Side, Warning},
};

const SECRET: &str = "hunter2";

/// Settings of a process with these variables and this `airflow.cfg`, in a folder of its own.
fn load(test: &str, env: &[(&str, &str)], cfg: &[u8]) -> Result<Settings, ConfigurationError> {
    Settings::load(&environment(test, env, cfg))
}

fn environment(test: &str, env: &[(&str, &str)], cfg: &[u8]) -> Environment {
    let home = home(test);
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("airflow.cfg"), cfg).unwrap();
    let fixed = [
        ("AIRFLOW_HOME", home.to_str().unwrap()),
        ("PATH", "/usr/bin:/bin"),
    ];
    fixed.iter().chain(env).copied().collect()
}

fn home(test: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("settings-bad-input")
        .join(test)
}

/// The error that loading ends in, with the folder as `HOME`.
fn refusal(test: &str, cfg: &[u8]) -> String {
    let error = load(test, &[], cfg).unwrap_err().to_string();
    error.replace(home(test).to_str().unwrap(), "HOME")
}

fn backend_warnings(test: &str, kwargs: &str) -> Vec<Warning> {
    let env = [
        ("AIRFLOW__SECRETS__BACKEND", "a.B"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS", kwargs),
    ];
    let settings = load(test, &env, b"").unwrap();
    let spec = settings.custom_backend(Side::Server).unwrap().unwrap();
    assert_eq!(spec.kwargs.names().count(), 0);
    spec.warnings
}

#[test]
fn a_broken_file_is_named_with_its_line() {
    let cases: [(&str, &[u8], &str); 8] = [
        (
            "header",
            b"# c\nkey = hunter2\n",
            "airflow.cfg (HOME/airflow.cfg:2): the line comes before the first [section]: put a section above it",
        ),
        (
            "bom",
            "\u{feff}[core]\n".as_bytes(),
            "airflow.cfg (HOME/airflow.cfg:1): the file starts with a byte order mark, which Airflow refuses: save it as UTF-8 without BOM",
        ),
        (
            "section",
            b"[core]\n[core]\n",
            "airflow.cfg (HOME/airflow.cfg:2): this section is defined a second time, after line 1: remove one of them",
        ),
        (
            "option",
            b"[core]\na = hunter2\n\na = x\n",
            "airflow.cfg (HOME/airflow.cfg:4): this option is defined a second time, after line 2: remove one of them",
        ),
        (
            "bogus",
            b"[core]\na = 1\nhunter2\nhunter2\n",
            "airflow.cfg (HOME/airflow.cfg:3): this line is neither a [section], a comment nor 'option = value'",
        ),
        (
            "nameless",
            b"[core]\n= hunter2\n",
            "airflow.cfg (HOME/airflow.cfg:2): this line is neither a [section], a comment nor 'option = value'",
        ),
        (
            "utf8",
            b"[core]\na = b\nc = \xff\n",
            "airflow.cfg (HOME/airflow.cfg:3): the file is not UTF-8: save it as UTF-8",
        ),
        (
            "choice",
            b"[logging]\nlogging_level = hunter2\n",
            "[logging] logging_level (HOME/airflow.cfg:2): must be one of CRITICAL, FATAL, ERROR, WARN, WARNING, INFO, DEBUG: with any other value Airflow does not start",
        ),
    ];
    for (test, cfg, expected) in cases {
        assert_eq!(refusal(test, cfg), expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_one_that_is_not_there_is_none() {
    let home = home("unreadable");
    fs::create_dir_all(home.join("airflow.cfg")).unwrap();
    let env = Environment::from_iter([("AIRFLOW_HOME", home.to_str().unwrap())]);
    assert_eq!(
        Settings::load(&env).unwrap_err().to_string(),
        format!(
            "airflow.cfg ({}/airflow.cfg): the file cannot be read: it is a directory (SET-1)",
            home.display()
        )
    );
    let env = Environment::from_iter([("AIRFLOW_HOME", home.join("nowhere").to_str().unwrap())]);
    assert_eq!(Settings::load(&env).unwrap().config_file(), None);
}

#[test]
fn a_value_that_cannot_be_read_is_named_with_its_place() {
    let cfg = b"[core]\nfernet_key = hunter2%\nmulti_team = hunter2\n[database]\nsql_alchemy_schema = %(hunter3)s\n";
    let settings = load(
        "values",
        &[("A", "$A$A"), ("AIRFLOW__SECRETS__USE_CACHE", "$A")],
        cfg,
    )
    .unwrap();
    let file = home("values").join("airflow.cfg");
    let file = file.display();
    assert_eq!(
        settings.get("core", "fernet_key").unwrap_err().to_string(),
        format!("[core] fernet_key ({file}:2): write a '%' in a value as '%%'")
    );
    assert_eq!(
        settings.multi_team().unwrap_err().to_string(),
        format!("[core] multi_team ({file}:3): must be True or False")
    );
    assert_eq!(
        settings.sql_alchemy_schema().unwrap_err().to_string(),
        format!(
            "[database] sql_alchemy_schema ({file}:5): it refers with %(name)s to an option that is not \
             set; write a '%' that is part of the value as '%%'"
        )
    );
    assert_eq!(
        settings.use_cache().unwrap_err().to_string(),
        "[secrets] use_cache (AIRFLOW__SECRETS__USE_CACHE): the variables in it refer to \
         themselves, or it expands to more than 1 MiB: remove the circle, or \
         shorten them (SET-2)"
    );
}

#[test]
fn a_value_that_would_grow_without_end_is_named_with_its_place() {
    let large = "x".repeat(120_000);
    let many = "$B".repeat(60_000);
    // Each option refers to the next one many times.
    let mut cfg = "[core]\n".to_owned();
    for option in 0..9 {
        let reference = format!("%(o{})s", option + 1);
        let name = if option == 0 {
            "fernet_key".to_owned()
        } else {
            format!("o{option}")
        };
        writeln!(cfg, "{name} = {}", reference.repeat(15)).unwrap();
    }
    for (end, test) in [("o9 = \n", "nested-nothing"), ("o9 = x\n", "nested-text")] {
        let cfg = format!("{cfg}{end}");
        assert!(cfg.len() < 1100, "{}", cfg.len());
        let env = [
            ("A", &*many),
            ("B", &*large),
            ("AIRFLOW__SECRETS__USE_CACHE", "$A"),
        ];
        let settings = load(test, &env, cfg.as_bytes()).unwrap();
        let file = home(test).join("airflow.cfg");
        assert_eq!(
            settings.get("core", "fernet_key").unwrap_err().to_string(),
            format!(
                "[core] fernet_key ({}:2): its %(name)s references expand to more than 1 MiB: \
                 shorten them (SET-18)",
                file.display()
            )
        );
        assert_eq!(
            settings.use_cache().unwrap_err().to_string(),
            "[secrets] use_cache (AIRFLOW__SECRETS__USE_CACHE): the variables in it refer to \
             themselves, or it expands to more than 1 MiB: remove the circle, or shorten them (SET-2)"
        );
    }
}

#[test]
fn a_failing_command_is_named_without_its_text_and_its_output() {
    let failures = [
        (
            "sh -c 'echo hunter2; echo hunter2 >&2; exit 3'",
            "its command failed (exit status: 3)",
        ),
        (
            "/nonexistent/hunter2",
            "its command could not be run: entity not found",
        ),
        (
            "echo 'hunter2",
            "its command has a quote that is not closed",
        ),
        (
            "echo hunter2\\",
            "its command ends with a backslash that escapes nothing",
        ),
        ("", "its command is empty"),
    ];
    for (command, expected) in failures {
        let settings = load(
            "command",
            &[("AIRFLOW__CORE__FERNET_KEY_CMD", command)],
            b"",
        )
        .unwrap();
        assert_eq!(
            settings.get("core", "fernet_key").unwrap_err().to_string(),
            format!("[core] fernet_key (AIRFLOW__CORE__FERNET_KEY_CMD): {expected}")
        );
    }
}

#[test]
fn kwargs_that_are_no_object_are_passed_over_with_a_warning_that_says_why() {
    let key_file =
        r#"{"gcp_keyfile_dict": "{"type": "service_account", "private_key": "hunter2"}"}"#;
    let key_lines = "{\"k\": \"-----BEGIN KEY-----\nhunter2\n\"}";
    let cases = [
        (
            key_file,
            "it is not valid JSON (line 1, column 25): it looks like a JSON key file pasted between quotes",
        ),
        (
            key_lines,
            "it is not valid JSON (line 2, column 0): it looks like a key with its line breaks",
        ),
        (
            r#"'{"a": "hunter2"}'"#,
            "it is not valid JSON (line 1, column 1): the quotes around it are part of the value",
        ),
        (
            r#""{\"a\": \"hunter2\"}""#,
            "it is a JSON text with an object in it, not an object",
        ),
        (
            r#"{\"a\": \"hunter2\"}"#,
            "it is not valid JSON (line 1, column 2): its quotes are escaped with backslashes",
        ),
        (
            "{'a': 'hunter2'}",
            "it is not valid JSON (line 1, column 2): it looks like a Python dict",
        ),
        (
            "{a: hunter2}",
            "it is not valid JSON (line 1, column 2): it contains no double quotes",
        ),
        (
            r#"{"hunter2": $NONE}"#,
            "it is not valid JSON (line 1, column 13): it refers to a variable that was not replaced by its value",
        ),
        (
            r#"{"a": "hunter2",}"#,
            "it is not valid JSON (line 1, column 17): it contains a comma before a closing bracket",
        ),
        (
            "{\u{201c}a\u{201d}: \"hunter2\"}",
            "it is not valid JSON (line 1, column 2): it contains typographic quotes",
        ),
        (
            "hunter2",
            "it is not valid JSON (line 1, column 1): it must start with {",
        ),
        (
            r#"["hunter2"]"#,
            "it is JSON, but a list; it must be an object",
        ),
    ];
    for (kwargs, expected) in cases {
        let warnings = backend_warnings("kwargs", kwargs);
        assert_eq!(warnings.len(), 1, "{expected}");
        let text = warnings[0].to_string();
        let start =
            format!("[secrets] backend_kwargs (AIRFLOW__SECRETS__BACKEND_KWARGS): {expected}");
        assert!(text.starts_with(&start), "{text}");
        assert!(
            text.ends_with(". Going on without them, as Airflow does"),
            "{text}"
        );
        assert!(
            !format!("{text} {:?}", warnings[0]).contains(SECRET),
            "{text}"
        );
    }
}

#[test]
fn a_class_path_that_is_not_known_is_an_error_that_says_which_are() {
    let registry = Registry::default();
    let error = |path: &str| {
        let error = registry
            .check(path, "[secrets] backend", "airflow.cfg:2")
            .err();
        error.unwrap().to_string()
    };
    let unknown = error("my.Backend");
    assert!(unknown.starts_with("[secrets] backend (airflow.cfg:2): \"my.Backend\" is not a known secrets backend; known: airflow.providers.amazon"), "{unknown}");
    assert_eq!(
        error("airflow.contrib.secrets.hashicorp_vault.VaultBackend"),
        "[secrets] backend (airflow.cfg:2): \
         \"airflow.contrib.secrets.hashicorp_vault.VaultBackend\" is not a known secrets backend; do you mean \
         airflow.providers.hashicorp.secrets.vault.VaultBackend?"
    );
    assert_eq!(
        error("airflow.contrib.secrets.gcp_secrets_manager.CloudSecretsManagerBackend"),
        "[secrets] backend (airflow.cfg:2): \
         \"airflow.contrib.secrets.gcp_secrets_manager.CloudSecretsManagerBackend\" is not a known secrets backend; do you mean \
         airflow.providers.google.cloud.secrets.secret_manager.CloudSecretManagerBackend?"
    );
    assert_eq!(
        error("airflow.providers.yandex.secrets.lockbox.LockboxSecretBackend"),
        "[secrets] backend (airflow.cfg:2): airflow.providers.yandex.secrets.lockbox.LockboxSecretBackend: \
         this version of airflow-secrets does not offer it yet (SET-16)"
    );
    for pasted in ["{\"password\": \"hunter2\"}", "hunter2", " a.B"] {
        assert_eq!(
            error(pasted),
            "[secrets] backend (airflow.cfg:2): this is not a class path: write it as \
             package.module.Class, without quotes or white space around it"
        );
    }
    assert_eq!(
        error("VaultBackend"),
        "[secrets] backend (airflow.cfg:2): \"VaultBackend\" is not a known secrets backend; do \
         you mean airflow.providers.hashicorp.secrets.vault.VaultBackend?"
    );
}

#[test]
fn the_backend_cannot_hold_its_own_arguments() {
    let env = [
        ("AIRFLOW__SECRETS__BACKEND", "a.B"),
        ("AIRFLOW__SECRETS__BACKEND_KWARGS_SECRET", "hunter2"),
    ];
    let settings = load("own", &env, b"").unwrap();
    assert_eq!(
        settings
            .custom_backend(Side::Server)
            .unwrap_err()
            .to_string(),
        "[secrets] backend_kwargs (AIRFLOW__SECRETS__BACKEND_KWARGS_SECRET): a secrets backend \
         cannot store its own arguments: set them without _SECRET"
    );
}

#[test]
fn nothing_that_is_set_shows_in_debug() {
    let env = [
        ("AIRFLOW__SECRETS__BACKEND", "a.B"),
        (
            "AIRFLOW__SECRETS__BACKEND_KWARGS",
            "{\"password\": \"hunter2\"}",
        ),
        ("AIRFLOW__SECRETS__BACKEND_KWARG__TOKEN", SECRET),
        ("AIRFLOW__CORE__FERNET_KEY", SECRET),
    ];
    let settings = load("debug", &env, b"[core]\nfernet_key = hunter2\n").unwrap();
    let spec = settings.custom_backend(Side::Server).unwrap();
    let given = settings.get("core", "fernet_key").unwrap();
    let shown = format!("{settings:?} {spec:?} {given:?}");
    assert!(
        shown.contains("token") && shown.contains("AIRFLOW__CORE__FERNET_KEY"),
        "{shown}"
    );
    assert!(!shown.contains(SECRET), "{shown}");
}
