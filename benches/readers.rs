//! Every reader takes time in proportion to its input: the same throughput at 1 and at 4 MB, also for
//! texts that are made to be slow.

// `criterion_group!` writes a function without documentation; a bench may panic.
#![allow(missing_docs, clippy::expect_used)]

use std::{fs, path::Path, time::Duration};

use airflow_secrets::{
    Connection, Dialect, Environment, Lookup, SecretsBackend, backend::LookupOptions,
    backends::local_filesystem::LocalFilesystemBackend, settings::Settings,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const MEGABYTES: [usize; 2] = [1, 4];

/// `piece` with its number in place of `#`, again and again, up to `size` bytes.
fn repeated(piece: &str, size: usize) -> String {
    let mut text = String::with_capacity(size + piece.len());
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&piece.replace('#', &number.to_string()));
    }
    text
}

/// What is before, what is repeated, and what is behind.
type Shape = (&'static str, &'static str, &'static str);

/// The name of a file, of what is in it, and its shape.
const LOCAL_FILES: [(&str, &str, Shape); 10] = [
    (
        "c.json",
        "connections",
        ("{\"z\": 1", ",\n\"c#\": \"http://u:p@h/db\"", "}"),
    ),
    ("c.json", "escapes", ("{\"z\": \"", "\\n", "\"}")),
    ("c.json", "lists", ("{\"z\": 1, \"y\": [0", ", [1]", "]}")),
    (
        "c.env",
        "connections",
        ("z=1\n", "c#=http://u:p@h/db\n", ""),
    ),
    (
        "c.yaml",
        "connections",
        ("z: 1\n", "c#: http://u:p@h/db\n", ""),
    ),
    (
        "c.yaml",
        "tags in a flow sequence",
        ("z: 1\ny: [", "!!str, ", "]\n"),
    ),
    ("c.yaml", "marks", ("z: '", "!", "'\n")),
    ("c.yaml", "marks with blanks", ("z: '", "! ", "x'\n")),
    ("c.yaml", "marks with commas", ("z: '", "!,", "x'\n")),
    ("c.yaml", "plain text", ("z: |\n", "  a !b, c: #\n", "")),
];

fn local_files(criterion: &mut Criterion) {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let mut group = criterion.benchmark_group("local files");
    slow(&mut group);
    for (file, name, (before, piece, behind)) in LOCAL_FILES {
        for megabytes in MEGABYTES {
            let text = [before, &repeated(piece, megabytes * 1_000_000), behind].concat();
            let path = folder.path().join(file);
            fs::write(&path, &text).expect("a folder to write to");
            let path = path.to_str().expect("a path of UTF-8");
            let backend = LocalFilesystemBackend::builder().variables_file_path(path);
            let backend = backend.build();
            group.throughput(Throughput::Bytes(text.len() as u64));
            let id = BenchmarkId::new(format!("{file}, {name}"), format!("{megabytes} MB"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let options = LookupOptions::new();
                    let found = runtime.block_on(backend.get_variable("z", &options));
                    assert!(matches!(found, Ok(Lookup::Found { .. })), "{name}");
                });
            });
        }
    }
    group.finish();
}

const SETTINGS: [(&str, Shape); 4] = [
    ("options", ("[core]\n", "option# = value\n", "")),
    ("sections", ("", "[section#]\na = b\n", "[core]\n")),
    ("one value", ("[core]\na = b\n", "  line #\n\n", "")),
    (
        "percent signs",
        ("[core]\nmulti_team = False #", "%%", "\n"),
    ),
];

fn settings(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a folder");
    let environment = [("AIRFLOW_HOME", home.path().to_str().expect("UTF-8"))];
    let environment = environment.into_iter().collect::<Environment>();
    let mut group = criterion.benchmark_group("settings");
    slow(&mut group);
    for (name, (before, piece, behind)) in SETTINGS {
        for megabytes in MEGABYTES {
            let text = [before, &repeated(piece, megabytes * 1_000_000), behind].concat();
            write(home.path(), &text);
            group.throughput(Throughput::Bytes(text.len() as u64));
            let id = BenchmarkId::new(format!("airflow.cfg, {name}"), format!("{megabytes} MB"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let settings = Settings::load(&environment).expect("settings");
                    settings.multi_team().expect("a boolean")
                });
            });
        }
    }
    for megabytes in MEGABYTES {
        let text = repeated("NAME#=value of #\n", megabytes * 1_000_000);
        group.throughput(Throughput::Bytes(text.len() as u64));
        let id = BenchmarkId::new("env file", format!("{megabytes} MB"));
        group.bench_function(id, |bencher| {
            let process = Environment::default();
            bencher.iter(|| process.with_dotenv_raw(".env", &text).expect("a file"));
        });
    }
    group.finish();
}

const CONNECTIONS: [(&str, Shape); 6] = [
    ("URI with a query", ("http://h/?", "a#=%20&", "")),
    ("URI with a password", ("http://u:", "%40x", "@h/")),
    ("URI with colons", ("http://u:", ":/", "@h/")),
    (
        "JSON with members in extra",
        ("{\"extra\": {\"z\": 1", ", \"a#\": 1", "}}"),
    ),
    (
        "JSON with a long text",
        ("{\"password\": \"", "\\u00e9x", "\"}"),
    ),
    (
        "JSON with extra as text",
        ("{\"extra\": \"{\\\"a\\\": \\\"", "x#", "\\\"}\"}"),
    ),
];

fn connections(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("connections");
    slow(&mut group);
    for (name, (before, piece, behind)) in CONNECTIONS {
        for megabytes in MEGABYTES {
            let text = [before, &repeated(piece, megabytes * 1_000_000), behind].concat();
            group.throughput(Throughput::Bytes(text.len() as u64));
            let id = BenchmarkId::new(name, format!("{megabytes} MB"));
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let read = Connection::from_value("id", &text, Dialect::Core);
                    // A password that is not encoded is refused.
                    read.map(|connection| connection.get_uri()).ok()
                });
            });
        }
    }
    group.finish();
}

fn write(home: &Path, airflow_cfg: &str) {
    fs::write(home.join("airflow.cfg"), airflow_cfg).expect("a folder to write to");
}

/// Few samples, since one takes long.
fn slow(group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>) {
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(200));
    group.measurement_time(Duration::from_secs(1));
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

criterion_group!(benches, local_files, settings, connections);
criterion_main!(benches);
