//! The rules, one function each.

use std::{
    fmt::{Debug, Write as _},
    sync::Arc,
};

use futures_util::{FutureExt as _, future::join_all};

use super::{
    Conformance,
    questions::{Answer, Expected, KINDS, Kind, is_not_offered, word},
};
use crate::{
    Connection, Dialect, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, Freshness, LookupOptions},
};

/// How many lookups run at once.
const AT_ONCE: usize = 64;

/// Shorter values occur in other texts by chance.
const SHORTEST_MARKER: usize = 8;

/// A team that no backend under test knows.
const OTHER_TEAM: &str = "conformance-other-team";

/// The rules that the backend breaks.
pub(super) async fn check(suite: &Conformance) -> Vec<String> {
    let mut broken = Vec::new();
    name(suite, &mut broken);
    found(suite, &mut broken).await;
    missing(suite, &mut broken).await;
    failed(suite, &mut broken).await;
    batch(suite, &mut broken).await;
    odd_ids(suite, &mut broken).await;
    teams(suite, &mut broken).await;
    concurrency(suite, &mut broken).await;
    cancellation(suite, &mut broken).await;
    pointers(suite, &mut broken).await;
    secrecy(suite, &mut broken).await;
    broken
}

fn name(suite: &Conformance, broken: &mut Vec<String>) {
    let name = suite.backend.name();
    if name.is_empty() || name.contains(char::is_whitespace) {
        broken.push(format!("name: {name:?} is empty or has white space"));
    }
}

async fn found(suite: &Conformance, broken: &mut Vec<String>) {
    for expected in &suite.expected {
        let answer = ask(suite, expected).await;
        if let Some(problem) = problem_of_found(&answer, expected) {
            broken.push(format!("found: {}: {problem}", place(expected)));
        }
    }
}

fn problem_of_found(answer: &Answer, expected: &Expected) -> Option<String> {
    match answer {
        Ok(Lookup::Found {
            value,
            native_key,
            freshness,
        }) => {
            if *value != expected.value {
                Some("the value differs from the expected one".to_owned())
            } else if native_key.is_empty() {
                Some("the native key is empty".to_owned())
            } else if *freshness != Freshness::Live {
                Some(format!("the answer is {freshness}, not live"))
            } else {
                None
            }
        }
        other => Some(format!("{}, not found", word(other))),
    }
}

async fn missing(suite: &Conformance, broken: &mut Vec<String>) {
    for kind in KINDS {
        for id in &suite.absent {
            let answer = kind.ask(&suite.backend, id, &LookupOptions::new()).await;
            let is_fine = match &answer {
                Ok(Lookup::Missing { native_key, .. }) => !native_key.is_empty(),
                Ok(Lookup::Skipped { .. }) => true,
                Ok(Lookup::Found { .. }) | Err(_) => false,
            };
            if !is_fine {
                let name = kind.name();
                let word = word(&answer);
                broken.push(format!(
                    "missing: {name} {id:?}: {word}, neither missing with a native key nor skipped"
                ));
            }
        }
    }
}

async fn failed(suite: &Conformance, broken: &mut Vec<String>) {
    let Some(unreachable) = &suite.unreachable else {
        return;
    };
    let options = LookupOptions::new();
    for kind in kinds(suite).await {
        let ids = ids(suite, kind);
        let name = kind.name();
        for id in &ids {
            let answer = kind.ask(unreachable, id, &options).await;
            if answer.is_ok() {
                let word = word(&answer);
                broken.push(format!("failed: {name} {id:?}: {word}, not a failure"));
            }
        }
        let answers = kind.ask_many(unreachable, &ids, &options).await;
        let failures = answers.iter().filter(|answer| answer.is_err()).count();
        if failures != ids.len() {
            let asked = ids.len();
            broken.push(format!(
                "failed: {asked} ids of kind {name} at once: {failures} failures"
            ));
        }
    }
    if let Ok(CheckOutcome::Reachable { .. }) = unreachable.check(&options).await {
        broken.push("failed: its check says that it is reachable".to_owned());
    }
}

async fn batch(suite: &Conformance, broken: &mut Vec<String>) {
    let options = LookupOptions::new();
    for kind in KINDS {
        let mut asked = ids(suite, kind);
        asked.extend(["..", "a/../b"]);
        let again = asked.clone();
        asked.extend(again);
        let together = kind.ask_many(&suite.backend, &asked, &options).await;
        let mut single = Vec::with_capacity(asked.len());
        for id in &asked {
            single.push(kind.ask(&suite.backend, id, &options).await);
        }
        compare("batch", kind, &asked, &together, &single, broken);
        let none = kind.ask_many(&suite.backend, &[], &options).await;
        if !none.is_empty() {
            let (name, given) = (kind.name(), none.len());
            broken.push(format!("batch: no id of kind {name}: {given} answers"));
        }
    }
}

async fn odd_ids(suite: &Conformance, broken: &mut Vec<String>) {
    let long = "x".repeat(5_000);
    let odd = [
        "",
        ".",
        "..",
        "/",
        "a//b",
        "../../etc/passwd",
        "a/../b",
        "%2e%2e",
        "a%2fb",
        "a\\b",
        "a\0b",
        "a\nb",
        "a\r\nX-Injected: 1",
        "\u{1b}[2J",
        "a b",
        " ",
        "*",
        "?",
        "#",
        "a?b=c",
        "a#b",
        "a&b",
        "'",
        "\"",
        "' OR '1'='1",
        "${HOME}",
        "{{ a }}",
        "\u{fffd}",
        "\u{202e}abc",
        "ß",
        "日本語",
        "😀",
        "-",
        "--",
        "_",
        "__",
        "___",
        "null",
        "NaN",
        &long,
    ];
    let options = LookupOptions::new();
    for kind in KINDS {
        for id in odd {
            let answer = kind.ask(&suite.backend, id, &options).await;
            if matches!(answer, Ok(Lookup::Found { .. })) {
                let shown: String = id.chars().take(40).collect();
                let name = kind.name();
                broken.push(format!("odd ids: {name} {shown:?}: found"));
            }
        }
    }
    // After all of them the backend still answers.
    for expected in suite.expected.iter().take(1) {
        let answer = ask(suite, expected).await;
        if let Some(problem) = problem_of_found(&answer, expected) {
            broken.push(format!(
                "odd ids: {} after all odd ids: {problem}",
                place(expected)
            ));
        }
    }
}

async fn teams(suite: &Conformance, broken: &mut Vec<String>) {
    let of_teams = suite.expected.iter().filter(|held| held.team.is_some());
    for expected in of_teams {
        for other in [
            LookupOptions::new(),
            LookupOptions::new().with_team(OTHER_TEAM),
        ] {
            let answer = expected
                .kind
                .ask(&suite.backend, &expected.id, &other)
                .await;
            if matches!(&answer, Ok(Lookup::Found { value, .. }) if *value == expected.value) {
                let asker = other.team().unwrap_or("no team");
                let place = place(expected);
                broken.push(format!("teams: {place}: {asker} was given the value"));
            }
        }
    }
}

async fn concurrency(suite: &Conformance, broken: &mut Vec<String>) {
    let options = LookupOptions::new();
    for kind in kinds(suite).await {
        let some = ids(suite, kind);
        let asked = some
            .iter()
            .copied()
            .cycle()
            .take(AT_ONCE)
            .collect::<Vec<_>>();
        let lookups = asked
            .iter()
            .map(|id| kind.ask(&suite.backend, id, &options));
        let together = join_all(lookups).await;
        let mut single = Vec::with_capacity(asked.len());
        for id in &asked {
            single.push(kind.ask(&suite.backend, id, &options).await);
        }
        compare("concurrency", kind, &asked, &together, &single, broken);
    }
}

async fn cancellation(suite: &Conformance, broken: &mut Vec<String>) {
    for expected in &suite.expected {
        for _ in 0..AT_ONCE {
            // Begins the lookup, and gives it up where it does not answer at once.
            drop(ask(suite, expected).now_or_never());
        }
        let answer = ask(suite, expected).await;
        if let Some(problem) = problem_of_found(&answer, expected) {
            let place = place(expected);
            broken.push(format!(
                "cancellation: {place} after {AT_ONCE} lookups that were given up: {problem}"
            ));
        }
    }
}

async fn pointers(suite: &Conformance, broken: &mut Vec<String>) {
    let shared: Box<dyn SecretsBackend> = Box::new(Arc::clone(&suite.backend));
    if shared.name() != suite.backend.name() || shared.warnings() != suite.backend.warnings() {
        broken.push("pointers: the name or the warnings differ".to_owned());
    }
    for expected in &suite.expected {
        let options = options_of(expected);
        let answer = expected.kind.ask(&shared, &expected.id, &options).await;
        if let Some(problem) = problem_of_found(&answer, expected) {
            broken.push(format!("pointers: {}: {problem}", place(expected)));
        }
    }
}

async fn secrecy(suite: &Conformance, broken: &mut Vec<String>) {
    let mut shown = format!("{:?} {:?}", suite.backend, suite.backend.warnings());
    let mut show = |what: &dyn Debug| {
        // Writing to a text does not fail.
        let _ = write!(shown, " {what:?} {what:#?}");
    };
    let options = LookupOptions::new();
    for expected in &suite.expected {
        show(&ask(suite, expected).await);
        // The same id as another kind: whatever comes of it says nothing of the value either.
        for kind in KINDS {
            show(&kind.ask(&suite.backend, &expected.id, &options).await);
        }
    }
    if let Some(unreachable) = &suite.unreachable {
        show(unreachable);
        show(&unreachable.check(&options).await);
        for expected in &suite.expected {
            show(&expected.kind.ask(unreachable, &expected.id, &options).await);
        }
    }
    for expected in &suite.expected {
        for marker in markers(expected) {
            let marker = marker.expose();
            if marker.len() >= SHORTEST_MARKER && shown.contains(marker) {
                broken.push(format!("secrecy: {}: its value is shown", place(expected)));
            }
        }
    }
}

/// What must not show: the value and, of a connection, the password.
fn markers(expected: &Expected) -> Vec<Secret> {
    let mut markers = vec![expected.value.clone()];
    if expected.kind == Kind::Connection {
        let uri = expected.value.expose();
        let connection = Connection::from_uri(&expected.id, uri, Dialect::Core);
        markers.extend(connection.ok().and_then(|it| it.into_fields().password));
    }
    markers
}

async fn ask(suite: &Conformance, expected: &Expected) -> Answer {
    let options = options_of(expected);
    expected
        .kind
        .ask(&suite.backend, &expected.id, &options)
        .await
}

fn options_of(expected: &Expected) -> LookupOptions {
    LookupOptions::new().with_team(expected.team.as_deref())
}

fn place(expected: &Expected) -> String {
    let team = expected
        .team
        .as_deref()
        .map(|team| format!(" of team {team:?}"));
    let (name, id) = (expected.kind.name(), &expected.id);
    format!("{name} {id:?}{}", team.unwrap_or_default())
}

/// The kinds that the backend offers.
async fn kinds(suite: &Conformance) -> Vec<Kind> {
    let mut offered = Vec::new();
    let options = LookupOptions::new();
    for kind in KINDS {
        let ids = ids(suite, kind);
        let answers = kind.ask_many(&suite.backend, &ids, &options).await;
        if !answers.iter().all(is_not_offered) {
            offered.push(kind);
        }
    }
    offered
}

/// The ids that are held without a team, and those that are absent.
fn ids(suite: &Conformance, kind: Kind) -> Vec<&str> {
    let held = suite.expected.iter();
    let held = held.filter(|held| held.kind == kind && held.team.is_none());
    let absent = suite.absent.iter().map(String::as_str);
    held.map(|held| held.id.as_str()).chain(absent).collect()
}

fn compare(
    rule: &str,
    kind: Kind,
    ids: &[&str],
    together: &[Answer],
    single: &[Answer],
    broken: &mut Vec<String>,
) {
    let name = kind.name();
    if together.len() != ids.len() {
        let (asked, given) = (ids.len(), together.len());
        broken.push(format!(
            "{rule}: {asked} ids of kind {name}: {given} answers"
        ));
        return;
    }
    for ((id, together), single) in ids.iter().zip(together).zip(single) {
        if !is_same(together, single) {
            let (one, many) = (word(single), word(together));
            broken.push(format!(
                "{rule}: {name} {id:?}: {many}, but {one} by itself"
            ));
        }
    }
}

/// Whether two answers say the same. A failure's message may name the request that was made.
fn is_same(a: &Answer, b: &Answer) -> bool {
    match (a, b) {
        (Err(a), Err(b)) => Failure::kind(a) == b.kind(),
        (a, b) => a == b,
    }
}
