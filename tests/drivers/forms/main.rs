//! The forms of the feature `clients`, read by the parsers of the drivers that they are written for: what
//! a parser reads is what went in, for any text in any field.

// A test may panic: so it fails.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod any;
mod http;
mod libpq;
mod mysql;
mod object_store;
mod redis;
mod sqlx_postgres;
mod tokio_postgres;
