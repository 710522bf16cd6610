//! A program that prints every log record, of all levels and all libraries, and asks for secrets as
//! its environment says: `host-that-logs log` has no `tracing` subscriber, and `tracing` gives the
//! records to the `log` crate; `host-that-logs subscriber` has one.

// It prints, and may panic: so it fails.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use airflow_secrets::{Environment, Resolver};
use log::{LevelFilter, Log, Metadata, Record};
use tokio::runtime::Builder;
use tracing_subscriber::util::SubscriberInitExt as _;

struct Printer;

impl Log for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        println!("{} {}: {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}

async fn ask() {
    let resolver = Resolver::from_environment(Environment::process());
    let resolver = resolver.build().await.unwrap();
    println!("{:?}", resolver.get_variable("x").await);
    println!("{:?}", resolver.get_connection("x").await);
    println!("{:?}", resolver.get_variables(["x", "y"]).await);
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("log") {
        log::set_logger(&Printer).unwrap();
        log::set_max_level(LevelFilter::Trace);
    } else {
        let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
        subscriber.with_ansi(false).finish().init();
    }
    tracing::info!("a record before");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ask());
    tracing::info!("a record after");
    // Its peak of memory is a line of this, where the system has it.
    print!(
        "{}",
        std::fs::read_to_string("/proc/self/status").unwrap_or_default()
    );
}
