//! Neither `Debug` nor an error shows a password or an extra.

// A test may panic: so it fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use airflow_secrets::{Connection, Dialect, Fields, Secret};

const MARKER: &str = "MARKER5ecret";

const DIALECTS: [Dialect; 2] = [Dialect::Core, Dialect::TaskSdk];

#[test]
fn debug_of_a_connection_shows_no_secret() {
    let mut fields = Fields::default();
    fields.conn_type = Some("http".to_owned());
    fields.login = Some("me".to_owned());
    fields.password = Some(Secret::from(MARKER));
    fields.extra = Some(Secret::from(format!("{{\"token\": \"{MARKER}\"}}")));
    assert!(!format!("{fields:?} {fields:#?}").contains(MARKER));
    for dialect in DIALECTS {
        let connection = Connection::from_fields("id", fields.clone(), dialect).unwrap();
        let uri = connection.get_uri();
        let json = connection.as_json().unwrap();
        assert!(uri.expose().contains(MARKER) && json.expose().contains(MARKER));
        let shown = format!("{connection:?} {connection:#?} {uri:?} {json:?}");
        assert!(!shown.contains(MARKER), "{shown}");
        assert!(shown.contains("***"), "{shown}");
    }
}

#[test]
fn debug_of_what_was_never_meant_as_a_uri_shows_none_of_it() {
    let json = format!("[{{\"password\": \"{MARKER}\"}}]");
    for dialect in DIALECTS {
        let connection = Connection::from_uri("id", &json, dialect).unwrap();
        assert!(connection.schema().unwrap().contains(MARKER));
        assert!(!format!("{connection:?}").contains(MARKER));
    }
}

#[test]
fn a_uri_with_a_slip_shows_no_password_as_a_schema() {
    for uri in [
        "user:MARKER5ecret@host/db",
        "postgres:/user:MARKER5ecret@host/db",
        "postgres:///user:MARKER5ecret@host/db",
        "postgres:user:MARKER5ecret@host/db",
        "postgres://user:12/34MARKER5ecret@host/db",
        "POST://http://user:MARKER5ecret@host/db",
    ] {
        for dialect in DIALECTS {
            let connection = Connection::from_uri("id", uri, dialect).unwrap();
            // The first letters may be read as another part.
            let shown = shown(connection);
            assert!(!shown.contains("5ecret"), "{uri}: {shown}");
        }
    }
}

/// All that a connection shows of itself, and what it is made of.
fn shown(connection: Connection) -> String {
    let redacted = connection.redacted();
    let whole = format!("{connection:?} {connection:#?} {redacted} {redacted:?}");
    let fields = connection.into_fields();
    format!("{whole} {fields:?} {fields:#?}")
}

#[test]
fn a_url_that_airflow_does_not_read_as_one_shows_no_password() {
    for uri in [
        "jdbc:postgresql://app:MARKER5ecret@db:5432/app",
        "jdbc:sqlserver://h;user=a;password=MARKER5ecret",
        "jdbc:oracle:thin:app/MARKER5ecret@db:1521:orcl",
        "mysql+pymysql:u:MARKER5ecret@h",
        "mysql+pymysql:u:MARKER5ecret%40h",
        "mysql+pymysql:u%3AMARKER5ecret%40h",
        "postgres:u:MARKER5ecret@h/db",
        "u:MARKER5ecret",
        "postgres://u%3AMARKER5ecret%40h/db",
        "postgres://u%253AMARKER5ecret%2540h/db",
        "postgres://u%3AMARKER5ecret@h/db",
        "postgres://u%2FMARKER5ecret@h/db",
        "postgres://u%40MARKER5ecret@h/db",
        "postgres://u:12/MARKER5ecret#x@h/db",
        "postgres://u:p@MARKER5ecret/w#rd@h/db",
        "postgres://u:p@MARKER5ecret?w@h/db",
        "sqlserver://h;user=a;password=MARKER5ecret",
        "sqlserver://h/db;password=MARKER5ecret",
        "http://https://u%3AMARKER5ecret@h",
        "Server=h;Database=d;User Id=u;Password=MARKER5ecret",
    ] {
        for dialect in DIALECTS {
            let connection = Connection::from_uri("id", uri, dialect).unwrap();
            let shown = shown(connection).to_lowercase();
            assert!(!shown.contains("5ecret"), "{uri}: {shown}");
            let json = format!("{{\"uri\": \"{uri}\"}}");
            let connection = Connection::from_json("id", &json, dialect).unwrap();
            let shown = self::shown(connection).to_lowercase();
            assert!(!shown.contains("5ecret"), "{json}: {shown}");
        }
    }
    let mut fields = Fields::default();
    fields.host = Some("jdbc:postgresql://app:MARKER5ecret@db/app".to_owned());
    fields.login = Some("app:MARKER5ecret".to_owned());
    fields.schema = Some("d;password=MARKER5ecret".to_owned());
    let connection = Connection::from_fields("id", fields, Dialect::Core).unwrap();
    let shown = shown(connection);
    assert!(!shown.contains("5ecret"), "{shown}");
}

#[test]
fn the_stored_parts_of_what_was_never_meant_as_a_uri_show_no_password() {
    for text in [
        "u:MARKER5ecret",
        "MARKER5ecret",
        "u:/MARKER5ecret",
        "mysql+pymysql:MARKER5ecret?a=b",
    ] {
        let read = Connection::from_uri("id", text, Dialect::Core).unwrap();
        // As the metadata DB holds it.
        let mut stored = Fields::default();
        stored.conn_type = read.conn_type().map(str::to_owned);
        stored.host = read.host().map(str::to_owned);
        stored.schema = read.schema().map(str::to_owned);
        stored.extra = read.extra().cloned();
        assert!(stored.schema.as_ref().unwrap().contains("5ecret"));
        let connection = Connection::from_fields("id", stored, Dialect::Core).unwrap();
        let shown = shown(connection);
        assert!(!shown.contains("5ecret"), "{text}: {shown}");
    }
}

#[test]
fn a_login_with_an_empty_password_may_be_a_token() {
    for dialect in DIALECTS {
        let uri = "https://MARKER5ecret:@api.example.com/v1";
        let connection = Connection::from_uri("id", uri, dialect).unwrap();
        assert_eq!(connection.login(), Some("MARKER5ecret"));
        let shown = shown(connection);
        assert!(!shown.contains("5ecret"), "{shown}");
        assert!(shown.contains("api.example.com"), "{shown}");
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    for (uri, expected) in [
        (
            "postgres://app:s3cret@db.example.com:5432/orders?a=1",
            r#"host "db.example.com", login "app", password ***, schema "orders", port 5432, extra ***"#,
        ),
        (
            "snowflake://me%40example.com:s3cret@account/my_db.my-schema",
            r#"host "account", login "me@example.com", password ***, schema "my_db.my-schema""#,
        ),
        (
            "http://https://[2001:db8::1]:8443/a",
            r#"host "https://2001:db8::1", schema "a", port 8443"#,
        ),
        (
            "postgres://app:s3cret@%2Fcloudsql%2Fproject%3Aregion%3Adb/orders",
            r#"host "/cloudsql/project:region:db", login "app", password ***, schema "orders""#,
        ),
        (
            "sqlite:////srv/airflow/my.db",
            r#"host "", schema "/srv/airflow/my.db""#,
        ),
        ("ssh://me@host", r#"host "host", login "me", schema """#),
    ] {
        let connection = Connection::from_uri("id", uri, Dialect::Core).unwrap();
        let (_, shown) = connection
            .redacted()
            .to_string()
            .split_once("\", ")
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert_eq!(shown, expected.replace("login \"\", ", ""), "{uri}");
    }
    let hosts = r#"{"host": "jdbc:postgresql://db:5432/app", "login": "CORP\\me", "schema": "C$"}"#;
    let connection = Connection::from_json("id", hosts, Dialect::Core).unwrap();
    assert_eq!(
        connection.redacted().to_string(),
        r#"connection "id": host "jdbc:postgresql://db:5432/app", login "CORP\\me", schema "C$""#
    );
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one_of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    /// A password of words that nothing else here contains, with special characters between them.
    fn password(&mut self) -> String {
        let words = ["qzhunter", "qzdragon", "qzmonkey"];
        let mut password = self.one_of(&words).to_owned();
        for _ in 0..self.below(3) {
            let special = [
                "", "/", "?", "#", "@", ":", "%", "%3A", ";", "=", "&", "+", " ", "$",
            ];
            password.push_str(self.one_of(&special));
            password.push_str(self.one_of(&words));
        }
        password
    }

    /// `text`, with all of some special characters in it percent-encoded, once or twice.
    fn partly_encoded(&mut self, text: &str) -> String {
        let is_encoded = [(); 128].map(|()| self.below(2) == 0);
        let encoded = |text: &str, all: bool| {
            let one = |c: char| {
                let is_special = !c.is_ascii_alphanumeric();
                match u32::from(c) {
                    code if is_special && (all || is_encoded[code as usize]) => {
                        format!("%{code:02X}")
                    }
                    _ => c.to_string(),
                }
            };
            text.chars().map(one).collect::<String>()
        };
        match self.below(4) {
            0 => text.to_owned(),
            1 => encoded(text, true),
            2 => encoded(text, false),
            _ => encoded(&encoded(text, false), true),
        }
    }
}

#[test]
fn no_piece_of_a_password_is_shown_of_a_url_of_any_form() {
    let mut random = Random(1);
    let mut read = 0;
    for _ in 0..20_000 {
        let password = random.password();
        let user_info = format!("u:{password}@");
        let (password, user_info) = (
            random.partly_encoded(&password),
            random.partly_encoded(&user_info),
        );
        let scheme = random.one_of(&[
            "postgres:",
            "jdbc:",
            "jdbc:postgresql:",
            "mysql+pymysql:",
            "jdbc:oracle:thin:",
            "http://https:",
            "POST:",
            "",
        ]);
        let slashes = random.one_of(&["//", "/", "", "///"]);
        let uri = match random.below(4) {
            // With an `@`, the password of the user `h` and a host.
            0 if !password.contains('@') => {
                format!("{scheme}{slashes}h:1;user=u;password={password}")
            }
            1 => format!("{scheme}{slashes}h;database=d;pwd={password};a=b"),
            2 => format!("{scheme}{slashes}{user_info}h:5432/app"),
            _ => format!("{scheme}{slashes}u:{password}@h/app?a=b"),
        };
        for dialect in DIALECTS {
            // A text that is refused is judged by the test of errors.
            let shown = match Connection::from_uri("id", &uri, dialect) {
                Ok(connection) => shown(connection),
                Err(error) => format!("{error} {error:?}"),
            };
            read += usize::from(shown.contains("Connection"));
            assert!(!shown.to_lowercase().contains("qz"), "{uri}: {shown}");
        }
    }
    assert!(read > 10_000, "{read} were read");
}

/// Every way to be refused, with the marker where the secret would be.
fn refused() -> Vec<(String, Vec<Dialect>)> {
    let both = DIALECTS.to_vec();
    let core = vec![Dialect::Core];
    let sdk = vec![Dialect::TaskSdk];
    let digits = "1".repeat(4301);
    let deep = "[".repeat(2000);
    [
        (format!("http://me:{MARKER}@h:65536"), both.clone()),
        (format!("http://me@h:{MARKER}"), both.clone()),
        (format!("http://me:{MARKER}@[::1"), both.clone()),
        (format!("http://me:{MARKER}@[{MARKER}]"), both.clone()),
        (format!("http://me:{MARKER}@h\u{ff0f}"), both.clone()),
        (format!("http://{MARKER}://a://b"), both.clone()),
        (format!("http://me:{MARKER}@https://h"), both.clone()),
        (format!("http://h/?__extra__={MARKER}"), core.clone()),
        (format!("http://h/?__extra__=[\"{MARKER}\"]"), core.clone()),
        (format!("http://h/?a={MARKER}&b=NaN"), core.clone()),
        (format!("http://h/?a={MARKER}&b={digits}"), core.clone()),
        (format!("http://h/?a={MARKER}&b={deep}"), core.clone()),
        (format!("{{\"password\": \"{MARKER}\""), both.clone()),
        (format!("{{\"{MARKER}\": \"{MARKER}\"}}"), both.clone()),
        (format!("{{\"port\": \"{MARKER}\"}}"), both.clone()),
        (format!("{{\"password\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"conn_type\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"extra\": \"{MARKER}\"}}"), core),
        (
            format!("{{\"password\": \"{MARKER}\\ud800\"}}"),
            both.clone(),
        ),
        (
            format!("{{\"password\": \"{MARKER}\", \"port\": NaN}}"),
            both.clone(),
        ),
        (format!("{{\"uri\": [\"{MARKER}\"]}}"), both.clone()),
        (format!("{{\"uri\": \"a://{MARKER}:x\"}}"), both.clone()),
        (
            format!("{{\"uri\": \"a://b\", \"host\": \"{MARKER}\"}}"),
            both,
        ),
        (
            format!("{{\"extra\": \"{{\\\"a\\\": \\\"{MARKER}\\\\ud800\\\"}}\"}}"),
            sdk,
        ),
    ]
    .into()
}

#[test]
fn an_error_shows_no_value() {
    for (value, dialects) in refused() {
        assert!(value.contains(MARKER));
        for dialect in dialects {
            let error = Connection::from_value("id", &value, dialect).unwrap_err();
            let shown = format!("{error} {error:?} {error:#?}");
            assert!(!shown.contains(MARKER), "{shown}");
            let failure = airflow_secrets::Failure::from(error);
            assert!(!format!("{failure} {failure:?}").contains(MARKER));
        }
    }
}
