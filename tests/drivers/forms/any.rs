//! Any text in any field. The seed is fixed, so that a run says something of the change alone;
//! `PROPTEST_CASES=100000` looks further.

use airflow_secrets::Connection;
use proptest::{
    collection::vec,
    prelude::{Strategy, any, prop_oneof},
    sample::select,
    strategy::ValueTree as _,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use serde_json::{Map, Value};

/// What URLs, key-value texts and shells give a meaning to.
const ODD: &[char] = &[
    ' ', '\t', '\n', '\r', '\'', '"', '\\', '%', '@', ':', '/', '?', '#', '&', '=', '+', ';', ',',
    '[', ']', '{', '}', '$', '`', '~', '.', '-', '_', '0', 'a', 'Z', 'é', 'ß', '日', '😀',
    '\u{a0}', '\u{feff}', '\u{1}', '\u{7f}',
];

/// A text of up to 12 characters, half of them odd; empty too.
pub(crate) fn text() -> impl Strategy<Value = String> {
    let odd = select(ODD);
    // No text may hold a NUL: each form refuses it.
    let other = any::<char>().prop_filter("NUL", |c| *c != '\0');
    let texts = vec(prop_oneof![3 => odd, 1 => other], 0..12).prop_map(String::from_iter);
    prop_oneof![8 => texts, 1 => select(&[".", "..", "%", "%41", "fe80::1%eth0", "\\'", "a=b"][..]).prop_map(str::to_owned)]
}

/// The fields of a connection. An absent one and an empty one are two cases, but for the password: Airflow
/// drops an empty one.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    pub(crate) host: Option<String>,
    pub(crate) login: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) schema: Option<String>,
    pub(crate) port: Option<u16>,
}

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
    let field = || proptest::option::weighted(0.8, text());
    let password = field().prop_map(|text| text.filter(|text| !text.is_empty()));
    let host = prop_oneof![
        3 => host().prop_map(Some),
        2 => field(),
    ];
    let port = proptest::option::of(1..=u16::MAX);
    (host, field(), password, field(), port).prop_map(|(host, login, password, schema, port)| {
        Fields {
            host,
            login,
            password,
            schema,
            port,
        }
    })
}

/// A host as hosts are.
pub(crate) fn host() -> impl Strategy<Value = String> {
    select(
        &[
            "localhost",
            "db.example.com",
            "127.0.0.1",
            "::1",
            "2001:db8::1:0",
            "DB-1_x",
        ][..],
    )
    .prop_map(str::to_owned)
}

impl Fields {
    pub(crate) fn connection(&self, kind: &str, extra: &Map<String, Value>) -> Connection {
        let mut connection = Connection::builder("any").conn_type(kind);
        if let Some(host) = &self.host {
            connection = connection.host(host);
        }
        if let Some(login) = &self.login {
            connection = connection.login(login);
        }
        if let Some(password) = &self.password {
            connection = connection.password(password.as_str());
        }
        if let Some(schema) = &self.schema {
            connection = connection.schema(schema);
        }
        if let Some(port) = self.port {
            connection = connection.port(port);
        }
        let extra = Value::Object(extra.clone()).to_string();
        connection.extra(extra).build().unwrap()
    }
}

/// An object with some of `members`.
pub(crate) fn extra(members: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    vec((select(members), text()), 0..3).prop_map(|members| {
        let members = members.into_iter();
        members
            .map(|(name, text)| (name.to_owned(), Value::from(text)))
            .collect()
    })
}

fn runner() -> TestRunner {
    TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(0x4f1c_09ab),
        failure_persistence: None,
        ..Config::with_cases(Config::default().cases.max(1024))
    })
}

/// `check` holds for every case; it says whether a form was made, which at least a quarter must be.
pub(crate) fn property<S: Strategy>(
    cases: S,
    check: impl Fn(S::Value) -> Result<bool, TestCaseError>,
) {
    let (made, all) = (std::cell::Cell::new(0_u32), std::cell::Cell::new(0_u32));
    let run = runner().run(&cases, |case| {
        made.set(made.get() + u32::from(check(case)?));
        all.set(all.get() + 1);
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error}");
    }
    assert!(
        made.get() * 4 >= all.get(),
        "{} of {} had a form",
        made.get(),
        all.get()
    );
}

/// As many cases, for a parser in another process, which is asked once.
pub(crate) fn cases<S: Strategy>(cases: S) -> Vec<S::Value> {
    let mut runner = runner();
    let count = runner.config().cases;
    (0..count)
        .map(|_| cases.new_tree(&mut runner).unwrap().current())
        .collect()
}
