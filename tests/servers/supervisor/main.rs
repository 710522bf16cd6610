//! Native tasks that a real supervisor runs: `supervise_task` of the Task SDK, through
//! `ExecutableCoordinator`, with a real API server behind it.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used
)]

mod conversation;
mod native_task;
mod readme;
mod side_by_side;
mod turns;
mod worker;

#[allow(dead_code)]
#[path = "../../support"]
mod support {
    pub(crate) mod conversation;
    pub(crate) mod example;
    pub(crate) mod openbao;
    pub(crate) mod ports;
    pub(crate) mod process;
}
