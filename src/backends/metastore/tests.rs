//! What the backend asks of a driver, and how often.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures_util::FutureExt as _;
use zeroize::Zeroizing;

use super::*;
use crate::backends::metastore::row::Cell;

/// A database with one variable, `plain`. Notes whose rows it is asked for.
#[derive(Debug, Default)]
struct Scripted {
    has_teams: AtomicBool,
    is_down: AtomicBool,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Driver for Arc<Scripted> {
    async fn select(&self, select: &Select<'_>) -> Result<Vec<Row>, Fault> {
        let visible = format!("{:?}", select.visible);
        self.asked.lock().unwrap().push(visible);
        if self.is_down.load(Ordering::Relaxed) {
            return Err(Fault::unavailable("down"));
        }
        if select.visible != Visible::All && !self.has_teams.load(Ordering::Relaxed) {
            return Err(Fault::new(FaultKind::UndefinedColumn, "no team_name"));
        }
        let text = |text: &str| Cell::Text(Zeroizing::new(text.to_owned()));
        Ok(vec![Row::new(vec![
            text("plain"),
            text("text"),
            Cell::Integer(0),
        ])])
    }
}

fn backend(driver: &Arc<Scripted>) -> MetastoreBackend {
    let driver = Arc::new(Arc::clone(driver));
    MetastoreBackend::new(driver, None, FernetKeys::Absent, None, Vec::new())
}

fn get(backend: &MetastoreBackend, team: Option<&str>) -> Result<Lookup<Secret>, Failure> {
    backend
        .get_variable("plain", &LookupOptions::new().with_team(team))
        .now_or_never()
        .unwrap()
}

#[test]
fn a_lookup_is_one_question_from_the_first_on() {
    let driver = Arc::new(Scripted::default());
    driver.has_teams.store(true, Ordering::Relaxed);
    let backend = backend(&driver);
    for _ in 0..2 {
        get(&backend, None).unwrap();
        assert_eq!(driver.asked(), ["Global"]);
    }
    get(&backend, Some("red")).unwrap();
    assert_eq!(driver.asked(), ["Team(\"red\")"]);
    let keys = ["plain"; 100];
    backend
        .get_variables(&keys, &LookupOptions::new())
        .now_or_never()
        .unwrap();
    assert_eq!(driver.asked(), ["Global"]);
}

#[test]
fn that_there_are_no_teams_is_learned_once_and_not_for_ever() {
    let driver = Arc::new(Scripted::default());
    let backend = backend(&driver);
    get(&backend, None).unwrap();
    assert_eq!(driver.asked(), ["Global", "All"]);
    get(&backend, Some("red")).unwrap();
    assert_eq!(driver.asked(), ["All"]);

    // The database was migrated, and some time has gone by.
    driver.has_teams.store(true, Ordering::Relaxed);
    let before = Instant::now().checked_sub(TEAMLESS_FOR).unwrap();
    *backend.teamless_since.lock().unwrap() = Some(before);
    get(&backend, None).unwrap();
    assert_eq!(driver.asked(), ["Global"]);
}

#[test]
fn a_database_that_is_down_teaches_nothing() {
    let driver = Arc::new(Scripted::default());
    driver.is_down.store(true, Ordering::Relaxed);
    let backend = backend(&driver);
    let failure = get(&backend, None).unwrap_err();
    assert_eq!(failure.message(), "down");
    assert_eq!(failure.native_key(), Some("variable WHERE key = 'plain'"));
    let together = backend
        .get_variables(&["plain", "a\0b"], &LookupOptions::new())
        .now_or_never()
        .unwrap();
    assert_eq!(together[0], Err(failure));
    assert!(matches!(together[1], Ok(Lookup::Skipped { .. })));
    assert_eq!(driver.asked(), ["Global", "Global"]);
}
