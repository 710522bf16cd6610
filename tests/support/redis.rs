//! A real Redis for a test binary.

use crate::{
    ports::free_port,
    servers::{Server, folder, program, unprivileged},
};

/// A Redis whose default user has `password`; it ends when the server is dropped.
pub(crate) fn redis(password: &str) -> Server {
    let (folder, port) = (folder("redis"), free_port());
    let mut command = unprivileged(&program("redis-server", &[]));
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--save", "", "--dir", &folder.display().to_string()]);
    command.args(["--requirepass", password]);
    Server::start(&command, "TERM", port, Some(&folder))
}
