//! What becomes of a lookup when its source's server, or the network before it, fails: of each fault in
//! each room the outcome, the message and the time, and that the next lookup is right. What comes out is
//! `docs/faults.md`.
#![allow(
    clippy::duplicate_mod,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::match_bool,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::string_slice,
    clippy::unnecessary_wraps,
    clippy::unwrap_used
)]

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod astro_platform;
    pub(crate) mod authority;
    pub(crate) mod drongo;
    pub(crate) mod execution_api;
    pub(crate) mod google;
    pub(crate) mod https;
    pub(crate) mod key_vault;
    pub(crate) mod kubernetes;
    pub(crate) mod moto;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
    pub(crate) mod servers;
    pub(crate) mod token_authority;
    pub(crate) mod toxiproxy;
    pub(crate) mod wire;
}
#[path = "../../support/mariadb.rs"]
#[allow(dead_code)]
mod mariadb;
#[path = "../../support/postgres.rs"]
#[allow(dead_code)]
mod postgres;
#[path = "../../support/servers.rs"]
#[allow(dead_code)]
mod servers;

mod answers;
mod asking;
mod network;
mod page;
mod rooms;

use futures_util::{StreamExt as _, future::LocalBoxFuture, stream};
use support::ports;

use self::{
    page::{Cell, Page},
    rooms::Rooms,
};

/// How many cells are tried at once: most of their time is spent waiting.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_comes_to_what_the_page_of_faults_says() {
    let rooms = Rooms::open().await;
    let mut cells: Vec<LocalBoxFuture<'_, Cell>> = network::cells(&rooms);
    cells.extend(answers::cells());
    let cells = stream::iter(cells).buffered(AT_ONCE);
    let cells: Vec<Cell> = cells.collect().await;
    Page::of(&cells).compare_or_write();
}
