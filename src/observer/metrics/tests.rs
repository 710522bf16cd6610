use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, with_local_recorder,
};

use super::*;
use crate::{
    Failure,
    backend::{FailureKind, Freshness},
    observer::{CacheEventKind, Ending},
    report::{AttemptOutcome, Kind},
};

/// What was recorded, by name and labels.
type Records = Arc<Mutex<BTreeMap<String, f64>>>;

#[derive(Debug, Default)]
struct Recorded {
    records: Records,
    described: Mutex<BTreeMap<String, Option<Unit>>>,
}

/// One series.
struct Series(Records, String);

impl Series {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut records = self.0.lock().unwrap();
        let value = records.entry(self.1.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.change(|old| old + f64::from(u32::try_from(value).unwrap()));
    }

    fn absolute(&self, _: u64) {
        panic!("no counter is set");
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(|old| old + value);
    }

    fn decrement(&self, value: f64) {
        self.change(|old| old - value);
    }

    fn set(&self, value: f64) {
        self.change(|_| value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.change(|old| old + value);
    }
}

impl Recorded {
    fn series(&self, key: &Key) -> Arc<Series> {
        let labels = key.labels();
        let labels = labels.map(|label| format!("{}={}", label.key(), label.value()));
        let labels = labels.collect::<Vec<_>>().join(",");
        let name = format!("{}{{{labels}}}", key.name());
        Arc::new(Series(Arc::clone(&self.records), name))
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>) {
        let mut described = self.described.lock().unwrap();
        described.insert(key.as_str().to_owned(), unit);
    }

    /// What was recorded, a line each.
    fn lines(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        let lines = records
            .iter()
            .map(|(name, value)| format!("{name} {value}"));
        lines.collect()
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&key, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.series(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.series(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.series(key))
    }
}

const ASKED: Asking<'static> = Asking {
    kind: Kind::Variable,
    id: "m4rk3r",
    team: Some("m4rk3r"),
};

/// All that can be told, once.
fn tell_all(observer: MetricsObserver) {
    let elapsed = Duration::from_millis(1500);
    let failure = Failure::new(FailureKind::AccessDenied, "m4rk3r").at("m4rk3r");
    let source = Source {
        backend: "vault".into(),
        native_key: "m4rk3r".into(),
    };
    observer.began(&ASKED);
    observer.attempt(&AttemptEvent {
        asked: ASKED,
        attempt: &crate::report::Attempt {
            backend: "vault".into(),
            outcome: AttemptOutcome::Failed {
                failure: failure.clone(),
            },
            native_key: Some("m4rk3r".into()),
            elapsed,
        },
    });
    observer.answer(&AnswerEvent {
        asked: ASKED,
        ending: Ending::Found {
            source: &source,
            freshness: &Freshness::Live,
        },
        elapsed,
    });
    observer.began(&ASKED);
    observer.answer(&AnswerEvent {
        asked: ASKED,
        ending: Ending::GivenUp,
        elapsed,
    });
    observer.began(&ASKED);
    observer.cache(&CacheEvent {
        asked: ASKED,
        what: CacheEventKind::Hit,
    });
    for failure in [None, Some(&failure)] {
        observer.login(&LoginEvent {
            backend: "vault",
            failure,
            elapsed,
        });
    }
    observer.breaker(&BreakerEvent {
        backend: "vault",
        before: BreakerState::Closed,
        state: BreakerState::Open,
    });
}

#[test]
fn each_event_is_counted_and_measured_by_labels_without_ids() {
    let recorded = Recorded::default();
    with_local_recorder(&recorded, || tell_all(MetricsObserver::new()));
    assert_eq!(
        recorded.lines(),
        [
            "airflow_secrets_attempt_duration_seconds{backend=vault,outcome=access_denied} 1.5",
            "airflow_secrets_attempts_total{kind=variable,backend=vault,outcome=access_denied} 1",
            "airflow_secrets_breaker_state{backend=vault} 2",
            "airflow_secrets_cache_total{kind=variable,event=hit} 1",
            "airflow_secrets_login_duration_seconds{backend=vault,outcome=access_denied} 1.5",
            "airflow_secrets_login_duration_seconds{backend=vault,outcome=ok} 1.5",
            "airflow_secrets_logins_total{backend=vault,outcome=access_denied} 1",
            "airflow_secrets_logins_total{backend=vault,outcome=ok} 1",
            "airflow_secrets_lookup_duration_seconds{kind=variable,outcome=found} 1.5",
            "airflow_secrets_lookup_duration_seconds{kind=variable,outcome=given_up} 1.5",
            "airflow_secrets_lookups_in_flight{kind=variable} 1",
            "airflow_secrets_lookups_total{kind=variable,backend=none,outcome=given_up} 1",
            "airflow_secrets_lookups_total{kind=variable,backend=vault,outcome=found} 1",
        ]
    );
}

#[test]
fn the_table_names_each_metric_with_its_labels_and_its_unit() {
    let recorded = Recorded::default();
    with_local_recorder(&recorded, || tell_all(MetricsObserver::new()));
    let rows = include_str!("../metrics.rs").lines();
    let rows = rows.filter_map(|line| line.strip_prefix("/// | `airflow_secrets_"));
    let documented: BTreeSet<(String, bool)> = rows
        .map(|row| {
            let columns: Vec<&str> = row.split('|').map(str::trim).collect();
            let labels = columns[3].replace(['`', ' '], "");
            let name = format!(
                "airflow_secrets_{}{{{labels}}}",
                columns[0].replace('`', "")
            );
            (name, columns[2] == "seconds")
        })
        .collect();
    let described = recorded.described.lock().unwrap();
    let told = recorded.lines().into_iter().map(|line| {
        let (series, _) = line.split_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap();
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.map(|label| label.split_once('=').unwrap().0);
        let labels = labels.collect::<Vec<_>>().join(",");
        (
            format!("{name}{{{labels}}}"),
            described[name] == Some(Unit::Seconds),
        )
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), documented);
}
