//! A real Redis for a test binary.

use std::path::Path;

use crate::{
    ports::free_port,
    servers::{Server, folder, program, unprivileged},
};

/// A Redis whose default user has `password`; it ends when the server is dropped.
pub(crate) fn redis(password: &str) -> Server {
    let (folder, port) = (folder("redis"), free_port());
    start(password, port, &["--port", &port.to_string()], &folder)
}

/// The same over TLS alone, with the certificates that are in `files`; it asks for the client's too.
#[allow(dead_code)] // Some tests need no TLS.
pub(crate) fn redis_with_tls(password: &str, files: &Path) -> Server {
    let (folder, port) = (folder("redis"), free_port());
    let file = |name: &str| files.join(name).display().to_string();
    let arguments = [
        ["--port", "0"],
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &file("server.pem")],
        ["--tls-key-file", &file("server.key")],
        ["--tls-ca-cert-file", &file("ca.pem")],
        ["--tls-auth-clients", "optional"],
    ];
    start(password, port, arguments.as_flattened(), &folder)
}

fn start(password: &str, port: u16, arguments: &[&str], folder: &Path) -> Server {
    let mut command = unprivileged(&program("redis-server", &[]));
    command.args(["--bind", "127.0.0.1", "--save", ""]);
    command.args(["--dir", &folder.display().to_string()]);
    command.args(["--requirepass", password]).args(arguments);
    Server::start(&command, "TERM", port, Some(folder))
}
