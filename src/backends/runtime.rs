//! The Tokio runtime that clients of servers need.

use std::{
    cell::Cell,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    panic::catch_unwind,
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::sleep,
};

thread_local! {
    /// The last runtime that this thread checked, and whether it has I/O and timers.
    static LAST: Cell<Option<(Id, bool)>> = const { Cell::new(None) };
}

/// Checks, at the start of a lookup, that it runs inside a Tokio runtime with I/O and timers. Without
/// them the client would panic.
///
/// # Errors
/// When it does not: the remedy.
pub(super) fn check() -> Result<(), &'static str> {
    let is_usable = Handle::try_current().is_ok_and(|runtime| is_usable(&runtime));
    is_usable.then_some(()).ok_or(
        "the lookup needs a Tokio runtime with I/O and timers: make it inside a runtime that was \
         built with `enable_all()`, as `#[tokio::main]` does",
    )
}

/// Whether `runtime`, the current one, has I/O and timers.
fn is_usable(runtime: &Handle) -> bool {
    let id = runtime.id();
    if let Some((_, is_usable)) = LAST.get().filter(|(last, _)| *last == id) {
        return is_usable;
    }
    let is_usable = has_drivers();
    LAST.set(Some((id, is_usable)));
    is_usable
}

/// Whether the current runtime has both.
///
/// Tokio reports a missing one only by a panic. So each is tried once for each thread and runtime, and
/// the panic is caught. Where one is missing, the program's panic hook runs once, which by default
/// prints Tokio's own advice; a program built with `panic = "abort"` ends, as it would without this
/// check. In a runtime with both nothing panics.
fn has_drivers() -> bool {
    catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
        && catch_unwind(|| drop(registered_socket())).is_ok()
}

/// A socket that the runtime watches and that is never used; `None` where the system refuses one.
fn registered_socket() -> Option<tokio::net::UdpSocket> {
    let any_port = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ];
    let socket = UdpSocket::bind(any_port.as_slice()).ok()?;
    socket.set_nonblocking(true).ok()?;
    tokio::net::UdpSocket::from_std(socket).ok()
}
