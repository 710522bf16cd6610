//! The manners of the `resolve` example: its lines, its exit codes, and that no secret gets out of
//! it unasked, whatever it is given.

// A test may panic: so it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code)]
#[path = "support/example.rs"]
mod example;
#[path = "support/folder.rs"]
mod folder;

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use folder::Folder;
use serde_json::{Value, json};

/// Stands for every secret.
const MARKER: &str = "m4rk3r";
const LOCAL: &str = "airflow.secrets.local_filesystem.LocalFilesystemBackend";

/// An Airflow home, and the variables beside it.
struct Home {
    folder: Folder,
    variables: Vec<(String, String)>,
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new() -> Self {
        let folder = Folder::new();
        fs::create_dir(folder.path().join("folder.json")).unwrap();
        Self {
            folder,
            variables: Vec::new(),
        }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        let value = value.replace("@HOME@", self.path().to_str().unwrap());
        self.variables.push((name.to_owned(), value));
        self
    }

    fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.path().join(name), content).unwrap();
        self
    }

    /// With the file as local file of every kind.
    fn with_local(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let kinds = ["connections", "variables", "configs"];
        let kwargs = kinds.map(|kind| format!("\"{kind}_file_path\": \"@HOME@/{name}\""));
        self.with_file(name, content)
            .with("AIRFLOW__SECRETS__BACKEND", LOCAL)
            .with(
                "AIRFLOW__SECRETS__BACKEND_KWARGS",
                &format!("{{{}}}", kwargs.join(", ")),
            )
    }

    /// With a metadata DB that a real Airflow wrote.
    fn with_database(self) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db");
        fs::copy(source, self.path().join("airflow.db")).unwrap();
        self
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn resolve(&self, arguments: &[&str], stdin: &[u8]) -> Run {
        let mut child = Command::new(example::example("resolve"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("AIRFLOW_HOME", self.path())
            .env("RUST_LOG", "trace")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may have refused the call and be gone already.
        let _ = child.stdin.take().unwrap().write_all(stdin);
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

impl Run {
    fn lines(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

/// Asks for every kind, on both sides, with everything said that can be said; one exit code an
/// answer. Nowhere may the marker be, nor a panic.
fn codes(what: &str, home: &Home) -> [i32; 4] {
    let questions = [
        &["--explain", "connection"][..],
        &["--explain", "variable"],
        &["--explain", "config"],
        &["--explain", "--worker", "connection"],
    ];
    questions.map(|question| {
        let run = home.resolve(&[question, &["x", "pg_default", "@"]].concat(), b"");
        for (name, text) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
            assert!(
                !text.contains(MARKER),
                "{what}: {question:?} leaks to {name}:\n{text}"
            );
            assert!(!text.contains("panicked"), "{what}: {question:?}\n{text}");
        }
        let answered = run.lines().len();
        assert_eq!(answered, if run.code == 2 { 0 } else { 3 }, "{what}");
        assert!(
            run.code != 2 || run.stderr.contains("resolve: "),
            "{what}: {}",
            run.stderr
        );
        run.code
    })
}

/// Something is not answered, whatever is asked.
const UNANSWERED: [i32; 4] = [1; 4];
/// The settings are refused.
const REFUSED: [i32; 4] = [2; 4];
/// The metadata DB's settings are refused, of which a task knows nothing.
const REFUSED_BY_SERVER: [i32; 4] = [2, 2, 2, 1];

#[test]
fn a_bad_connection_does_not_leak() {
    for text in [
        "postgres://u:m4rk3r@h:notaport/db",
        "postgres://u:m4rk3r@h:99999/db",
        "http://u:m4rk3r@[h/db",
        "a://b://c://m4rk3r",
        "postgres://u:m4rk3r@h/db?a=m4rk3r&__extra__=m4rk3r",
        "postgres://u:m4rk3r@h/db?m4rk3r=m4rk3r",
        r#"{"password": "m4rk3r""#,
        r#"{"password": "m4rk3r", "port": 99999}"#,
        r#"{"password": "m4rk3r", "port": "m4rk3r"}"#,
        r#"{"password": ["m4rk3r"]}"#,
        r#"{"m4rk3r": 1}"#,
        r#"{"extra": "m4rk3r"}"#,
        r#"{"extra": ["m4rk3r"]}"#,
        r#"{"uri": "http://u:m4rk3r@h:x"}"#,
        r#"{"extra": {"a": 1e999, "b": "m4rk3r"}}"#,
    ] {
        let home = Home::new().with("AIRFLOW_CONN_X", text);
        assert_eq!(codes(text, &home), UNANSWERED);
        for name in ["c.env", "c.json", "c.yaml"] {
            let content = match name {
                "c.env" => format!("x={text}\n@={text}\n"),
                _ => json!({"x": text, "@": text}).to_string(),
            };
            let home = Home::new().with_local(name, content);
            codes(&format!("{name}: {text}"), &home);
        }
    }
}

#[test]
fn bad_settings_do_not_leak() {
    let backend = ("AIRFLOW__SECRETS__BACKEND", LOCAL);
    let kwargs = "AIRFLOW__SECRETS__BACKEND_KWARGS";
    let fernet_key = "AIRFLOW__CORE__FERNET_KEY";
    let url = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN";
    for (variables, expected) in [
        (vec![backend, (kwargs, r#"{"a": "m4rk3r""#)], UNANSWERED),
        (vec![backend, (kwargs, r#"["m4rk3r"]"#)], UNANSWERED),
        (vec![backend, (kwargs, "'m4rk3r'")], UNANSWERED),
        (vec![backend, (kwargs, r#"{"a": "m4rk3r"}"#)], REFUSED),
        (
            vec![backend, (kwargs, r#"{"variables_file_path": ["m4rk3r"]}"#)],
            REFUSED,
        ),
        (
            vec![backend, ("AIRFLOW__SECRETS__BACKEND_KWARG__A", "m4rk3r")],
            REFUSED,
        ),
        (vec![("AIRFLOW__CORE__MULTI_TEAM", "m4rk3r")], REFUSED),
        (
            vec![("AIRFLOW__CORE__FERNET_KEY_CMD", "echo m4rk3r")],
            UNANSWERED,
        ),
        (
            vec![(
                "AIRFLOW__CORE__FERNET_KEY_CMD",
                "sh -c 'echo m4rk3r; echo m4rk3r >&2; exit 3'",
            )],
            REFUSED_BY_SERVER,
        ),
        (
            vec![("AIRFLOW__CORE__FERNET_KEY_CMD", "echo 'm4rk3r")],
            REFUSED_BY_SERVER,
        ),
        (
            vec![("AIRFLOW__CORE__FERNET_KEY_CMD", "/no/such/program m4rk3r")],
            REFUSED_BY_SERVER,
        ),
        (vec![(fernet_key, "m4rk3r")], UNANSWERED),
        (vec![(fernet_key, "m4rk3r,m4rk3r")], UNANSWERED),
        (vec![(fernet_key, "$X"), ("X", "m4rk3r")], UNANSWERED),
        (vec![(url, "m4rk3r")], REFUSED_BY_SERVER),
        (vec![(url, "oracle://u:m4rk3r@h/db")], REFUSED_BY_SERVER),
        (vec![(url, "postgresql://u:m4rk3r@h:m4rk3r/db")], [-1; 4]),
        (vec![(url, "postgresql://u:p/m4rk3r@h/db")], [-1; 4]),
        (vec![(url, "mysql://u:p#m4rk3r@127.0.0.1:1/db")], [-1; 4]),
        (vec![(url, "sqlite://u:m4rk3r@h/db")], REFUSED_BY_SERVER),
        (vec![(url, "sqlite:///m4rk3r")], REFUSED_BY_SERVER),
        (
            vec![(url, "sqlite:////nowhere/airflow.db?key=m4rk3r")],
            UNANSWERED,
        ),
    ] {
        let what = format!("{variables:?}");
        let home = variables
            .into_iter()
            .fold(Home::new().with_database(), |home, (name, value)| {
                home.with(name, value)
            });
        let codes = codes(&what, &home);
        // Which databases can be asked is a matter of features; that they do not leak is not.
        if expected != [-1; 4] {
            assert_eq!(codes, expected, "{what}");
        }
    }
}

#[test]
fn a_bad_airflow_cfg_does_not_leak() {
    let cases: [(&[u8], [i32; 4]); 9] = [
        (b"[core\nfernet_key = m4rk3r\n", REFUSED),
        (b"fernet_key = m4rk3r\n", REFUSED),
        (
            b"[core]\nfernet_key = m4rk3r\nfernet_key = m4rk3r\n",
            REFUSED,
        ),
        (b"[core]\nfernet_key m4rk3r\n", REFUSED),
        (b"[core]\nfernet_key = \xff m4rk3r\n", REFUSED),
        (b"\x00\x01\x02\xfe\xff m4rk3r", REFUSED),
        (b"[core]\nfernet_key = %m4rk3r\n", REFUSED_BY_SERVER),
        (b"[core]\nfernet_key = %(m4rk3r)s\n", REFUSED_BY_SERVER),
        (b"[core]\nfernet_key = m4rk3r\n  m4rk3r\n", UNANSWERED),
    ];
    for (content, expected) in cases {
        let what = String::from_utf8_lossy(content);
        let home = Home::new()
            .with_database()
            .with_file("airflow.cfg", content);
        assert_eq!(codes(&what, &home), expected, "{what}");
    }
    let home = Home::new();
    fs::create_dir(home.path().join("airflow.cfg")).unwrap();
    assert_eq!(codes("a folder", &home), REFUSED);
}

#[test]
fn a_bad_local_file_does_not_leak() {
    let garbage: Vec<u8> = (0..=255).chain(MARKER.bytes()).cycle().take(9000).collect();
    let cases: [(&str, &[u8]); 16] = [
        ("c.env", b"m4rk3r\n"),
        ("c.env", b"=m4rk3r\n"),
        ("c.env", b"x=m4rk3r\xff\n"),
        ("c.env", &garbage),
        ("c.json", b"{\"x\": \"m4rk3r\", }"),
        ("c.json", b"{\"x\": m4rk3r}"),
        ("c.json", b"[\"m4rk3r\"]"),
        ("c.json", b"{\"x\": {\"password\": [\"m4rk3r\"]}}"),
        ("c.json", &garbage),
        ("c.yaml", b"x: [m4rk3r"),
        ("c.yaml", b"x: *m4rk3r"),
        ("c.yaml", b"x: !m4rk3r m4rk3r"),
        ("c.yaml", b"x: \"m4rk3r\n  \\q"),
        ("c.yaml", b"- m4rk3r"),
        ("c.yaml", b"x:\n\t- m4rk3r"),
        ("c.yaml", &garbage),
    ];
    for (name, content) in cases {
        let what = format!("{name}: {}", String::from_utf8_lossy(content));
        let home = Home::new().with_local(name, content);
        codes(&what, &home);
    }
    let home = Home::new().with("AIRFLOW__SECRETS__BACKEND", LOCAL).with(
        "AIRFLOW__SECRETS__BACKEND_KWARG__CONNECTIONS_FILE_PATH",
        "@HOME@/folder.json",
    );
    assert_eq!(codes("a folder", &home), UNANSWERED);
}

#[test]
fn a_bad_env_file_does_not_leak() {
    for (content, code) in [
        (&b"a m4rk3r=1\n"[..], 2),
        (b"=m4rk3r\n", 2),
        (b"A=\xffm4rk3r\n", 2),
        (b"export A=m4rk3r\n", 1),
        (b"A='m4rk3r\n", 2),
        (b"A=${B:?m4rk3r}\n", 2),
        (b"{\"m4rk3r\": 1}\n", 2),
        (b"AIRFLOW_VAR_X=m4rk3r\n", 0),
    ] {
        let home = Home::new().with_file(".env", content);
        let run = home.resolve(&["--env-file", ".env", "--explain", "variable", "x"], b"");
        assert_eq!(run.code, code, "{}", run.stderr);
        assert!(!run.stdout.contains(MARKER) && !run.stderr.contains(MARKER));
    }
    let home = Home::new().with_file(".env", b"A=m4rk3r\n# \xe9\nB=m4rk3r\n");
    let run = home.resolve(&["--env-file", ".env", "variable", "x"], b"");
    let problem = "resolve: cannot read .env: line 2 is not UTF-8; save the file as UTF-8\n";
    assert_eq!((run.code, run.stderr.as_str()), (2, problem));
    let run = Home::new().resolve(&["--env-file", "folder.json", "variable", "x"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}

#[test]
#[cfg(unix)]
fn an_env_file_may_be_a_pipe_and_has_an_end() {
    let home = Home::new().with_file("kept.env", "AIRFLOW_VAR_X=kept\n");
    let script = "cat kept.env | exec \"$0\" --env-file /dev/stdin --reveal variable x";
    let run = Command::new("sh")
        .args(["-c", script, example::example("resolve").to_str().unwrap()])
        .env("AIRFLOW_HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let line = serde_json::from_slice::<Value>(&run.stdout).unwrap();
    assert_eq!(line["value"], "kept");
    let run = home.resolve(&["--env-file", "/dev/zero", "variable", "x"], b"");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    let expected =
        "resolve: cannot read /dev/zero: it is larger than 16 MiB, the most that is read\n";
    assert_eq!(run.stderr, expected);
}

#[test]
fn a_damaged_database_does_not_leak() {
    let sound =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/airflow.db"))
            .unwrap();
    let half = sound.len() / 2;
    for content in [
        &b""[..],
        b"m4rk3r is no database",
        &sound[..half],
        &sound[..100],
    ] {
        let home = Home::new()
            .with_file("airflow.db", content)
            .with("AIRFLOW__CORE__FERNET_KEY", MARKER);
        codes("a damaged database", &home);
    }
}

#[test]
fn an_answer_is_redacted_unless_it_is_to_be_revealed() {
    let home = Home::new()
        .with(
            "AIRFLOW_CONN_PG",
            "postgres://me:m4rk3r@db:5432/app?key=m4rk3r",
        )
        .with("AIRFLOW_VAR_A", MARKER);
    let run = home.resolve(&["connection", "pg"], b"");
    assert_eq!(run.code, 0);
    let mut expected = json!({
        "conn_id": "pg", "conn_type": "postgres", "description": null, "host": "db", "login": "me",
        "password": "***", "schema": "app", "port": 5432, "extra": "***", "uri": "***",
        "source": "environment_variables: AIRFLOW_CONN_PG",
    });
    assert_eq!(run.lines(), [expected.clone()]);
    assert!(!run.stderr.contains(MARKER));

    let run = home.resolve(&["--reveal", "--explain", "connection", "pg"], b"");
    expected["password"] = json!(MARKER);
    expected["extra"] = json!(r#"{"key": "m4rk3r"}"#);
    expected["uri"] = json!("postgres://me:m4rk3r@db:5432/app?key=m4rk3r");
    let mut line = run.lines().remove(0);
    assert!(line["attempts"].is_array() && line["warnings"].is_array());
    line.as_object_mut().unwrap().remove("attempts");
    line.as_object_mut().unwrap().remove("warnings");
    assert_eq!(line, expected);
    assert!(!run.stderr.contains(MARKER), "{}", run.stderr);

    let run = home.resolve(&["variable", "a"], b"");
    let source = "environment_variables: AIRFLOW_VAR_A";
    assert_eq!(
        run.lines(),
        [json!({"key": "a", "value": "***", "source": source})]
    );
}

#[test]
fn ids_are_answered_in_the_order_asked_and_taken_as_they_are() {
    let home = Home::new()
        .with("AIRFLOW_VAR_ A ", "spaces")
        .with("AIRFLOW_VAR_-", "dash")
        .with("AIRFLOW_VAR_B\r", "return")
        .with("AIRFLOW_VAR_C", "c");
    let run = home.resolve(
        &["--reveal", "variable", "c", "-", "c"],
        b" a \n-\nb\r\n\na\0b\n../c\nc",
    );
    assert_eq!(run.code, 1);
    let lines = run.lines();
    let answers: Vec<_> = lines
        .iter()
        .map(|line| {
            let answer = line.get("value").or(line.get("error")).unwrap();
            (line["key"].as_str().unwrap(), answer.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        answers,
        [
            ("c", "c"),
            (" a ", "spaces"),
            ("-", "dash"),
            ("b\r", "return"),
            ("", "invalid_id"),
            ("a\0b", "invalid_id"),
            ("../c", "not_found"),
            ("c", "c"),
            ("c", "c"),
        ]
    );
}

#[test]
fn a_wrong_call_is_refused_with_nothing_on_stdout() {
    let home = Home::new();
    for arguments in [
        &[][..],
        &["connection"],
        &["secret", "x"],
        &["connection", "x", "--unknown"],
        &["--team", "red", "variable", "x"],
        &["--worker", "--team", "red", "variable", "x"],
        &["--env-file", "absent.env", "variable", "x"],
    ] {
        let run = home.resolve(arguments, b"");
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(!run.stderr.is_empty(), "{arguments:?}");
    }
    let run = home.resolve(&["variable", "-"], b"\xff\n");
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
}

#[test]
fn an_env_file_is_read_as_docker_compose_reads_it_or_raw_below_the_process() {
    let home = Home::new()
        .with("AIRFLOW_VAR_BOTH", "process")
        .with_file(
            "a.env",
            "\u{feff}# comment\n\n  AIRFLOW_VAR_INDENTED= a b #c\nAIRFLOW_VAR_BOTH=file\n\
             AIRFLOW_VAR_QUOTED=\"q\"\nAIRFLOW_VAR_NAME_ALONE\nAIRFLOW_VAR_EMPTY=\nAIRFLOW_VAR_EQ=a=b=$AIRFLOW_VAR_BOTH\n",
        );
    let ids = ["indented", "both", "quoted", "name_alone", "empty", "eq"];
    for (option, indented, quoted, eq) in [
        ("--env-file", "a b", "q", "a=b=process"),
        (
            "--env-file-raw",
            " a b #c",
            "\"q\"",
            "a=b=$AIRFLOW_VAR_BOTH",
        ),
    ] {
        let arguments = [&[option, "a.env", "--reveal", "variable"], &ids[..]].concat();
        let run = home.resolve(&arguments, b"");
        let values: Vec<_> = run
            .lines()
            .iter()
            .map(|line| line["value"].as_str().map(str::to_owned))
            .collect();
        let expected = [
            Some(indented),
            Some("process"),
            Some(quoted),
            None,
            Some(""),
            Some(eq),
        ];
        assert_eq!(values, expected.map(|value| value.map(str::to_owned)));
        let warning = "AIRFLOW_VAR_INDENTED (a.env:3): Docker Compose gives it another value";
        assert_eq!(
            run.stderr.contains(warning),
            option == "--env-file",
            "{}",
            run.stderr
        );
    }
}

#[test]
fn a_huge_value_goes_through_whole() {
    let huge = "ü".repeat(4 << 20);
    let home = Home::new().with_file("a.env", format!("AIRFLOW_VAR_HUGE={huge}\n"));
    let arguments = ["--env-file", "a.env", "--reveal", "variable", "huge"];
    let run = home.resolve(&arguments, b"");
    assert_eq!(run.lines()[0]["value"], json!(huge));
    assert!(run.stderr.len() < 10_000);
}

#[test]
fn an_explanation_is_also_a_table_for_people_without_colours_in_a_pipe() {
    let home = Home::new()
        .with("AIRFLOW_VAR_COLOUR", MARKER)
        .with("RUST_LOG", "off");
    let run = home.resolve(
        &["--explain", "--worker", "variable", "colour", "a\u{1b}[0m"],
        b"",
    );
    assert_eq!((run.code, run.lines().len()), (1, 2));
    let untimed = |line: &str| {
        let words = line.split(' ').collect::<Vec<_>>();
        let ms = words.iter().position(|word| *word == "ms");
        let is_time = |place: &usize| ms.is_some_and(|ms| *place + 1 == ms);
        let words = words
            .iter()
            .enumerate()
            .filter(|(place, _)| !is_time(place));
        words.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        run.stderr.lines().map(untimed).collect::<Vec<_>>(),
        [
            "\"colour\"",
            "  environment_variables  found  ms  AIRFLOW_VAR_COLOUR",
            "\"a\\u{1b}[0m\"",
            "  environment_variables  missing  ms  AIRFLOW_VAR_A\\u{1b}[0M",
            "  execution_api          skipped  ms  -                       not configured: there is no \
             last source: no supervisor and no Execution API was given; what only Airflow's API server \
             knows is not found",
        ]
    );
}
