//! Why there is no connection, in our own words: the server's contain the user's name.

use std::{error::Error as _, io};

use tokio_postgres::{Error, error::SqlState};

use super::{
    super::driver::{Fault, FaultKind},
    hosts::Host,
    options::Mode,
    wire::{BeforeTls, Excess},
};

/// Whether the connection may succeed with TLS where it failed without, or the reverse.
pub(super) fn blames_tls(error: &Error) -> bool {
    match error.as_db_error() {
        // `pg_hba.conf` may ask for TLS, or for none.
        Some(answer) => *answer.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        None => Step::that_failed(error) == Step::Tls,
    }
}

/// A step of connecting.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Connect,
    Tls,
    LogIn,
}

impl Step {
    /// The driver's kinds of error are private; only its text says which.
    fn that_failed(error: &Error) -> Self {
        let text = error.to_string();
        if broke_before_tls(error).is_some() {
            Self::LogIn
        } else if text.starts_with("error performing TLS handshake") {
            Self::Tls
        } else if text.starts_with("error connecting to server") {
            Self::Connect
        } else {
            Self::LogIn
        }
    }
}

/// Why a connection could not be made.
pub(super) fn connect_fault(error: &Error, host: &Host, mode: Mode) -> Fault {
    match error.as_db_error() {
        Some(answer) => refusal(answer.code(), answer.message(), host, mode),
        None => broken(error, host),
    }
}

/// What broke the connection before TLS began, if that failed.
fn broke_before_tls(error: &Error) -> Option<&io::Error> {
    let BeforeTls(broken) = error.source()?.downcast_ref()?;
    Some(broken)
}

/// Why a connection ended before the server said anything about the login.
fn broken(error: &Error, host: &Host) -> Fault {
    let cause = error.source();
    let io = cause.and_then(|cause| cause.downcast_ref::<io::Error>());
    let io = io.or(broke_before_tls(error));
    let excess = io.and_then(|io| io.get_ref()?.downcast_ref::<Excess>());
    if let Some(excess) = excess {
        return Fault::unavailable(format!("the answer of {host} {excess}"));
    }
    Fault::unavailable(match (Step::that_failed(error), io, cause) {
        (Step::Tls, _, Some(cause)) => format!("no TLS connection to {host}: {cause}"),
        (Step::Tls, _, None) => format!("no TLS connection to {host}"),
        (Step::Connect, Some(io), _) => return unreachable(host, io),
        (Step::LogIn, Some(_), _) => format!(
            "{host} closed the connection during the login; check that a PostgreSQL server \
             listens there"
        ),
        // The driver's own words, such as that there is no password.
        (Step::LogIn, None, Some(cause)) => {
            return Fault::configuration(format!("cannot log in at {host}: {cause}"));
        }
        (_, None, Some(cause)) => format!("cannot connect to {host}: {cause}"),
        (_, None, None) => format!("cannot connect to {host}: {error}"),
    })
}

/// Why the server refused the login.
fn refusal(code: &SqlState, text: &str, host: &Host, mode: Mode) -> Fault {
    let (kind, message) = match *code {
        _ if code == &SqlState::INVALID_PASSWORD || has_pgbouncer_refused_the_login(text) => (
            FaultKind::AccessDenied,
            format!("{host} refused the user or its password; check both in the URL"),
        ),
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => (
            FaultKind::AccessDenied,
            format!(
                "{host} refused this user's login from here {}: no such user exists, or the \
                 server's pg_hba.conf does not allow it",
                match mode {
                    Mode::Plain => "without TLS",
                    Mode::TlsIfOffered | Mode::Tls => "with TLS, if it has any",
                }
            ),
        ),
        SqlState::INSUFFICIENT_PRIVILEGE => (
            FaultKind::AccessDenied,
            format!(
                "{host} does not let this user connect to the URL's database; GRANT CONNECT on it \
                 to the user"
            ),
        ),
        _ if code == &SqlState::INVALID_CATALOG_NAME || text.starts_with("no such database") => (
            FaultKind::Configuration,
            format!("{host} has no database of the name that the URL gives; correct the URL"),
        ),
        // PgBouncer's word for everything it refuses; only the parameter's name is passed on.
        _ if text.starts_with("unsupported startup parameter: options") => (
            FaultKind::Configuration,
            format!(
                "{host} is a PgBouncer that refuses the URL's `options`; add `options` to its \
                 ignore_startup_parameters, or set the search path for the role"
            ),
        ),
        SqlState::TOO_MANY_CONNECTIONS => (
            FaultKind::Unavailable,
            format!("{host} has too many connections; close some, or raise the server's limit"),
        ),
        SqlState::CANNOT_CONNECT_NOW => (
            FaultKind::Unavailable,
            format!("{host} is starting, stopping or recovering"),
        ),
        _ => (
            FaultKind::Unavailable,
            format!(
                "{host} refused the connection (SQLSTATE {}); check user, password and database",
                code.code()
            ),
        ),
    };
    Fault::new(kind, message)
}

/// PgBouncer has one SQLSTATE for all that it refuses; its text says what.
fn has_pgbouncer_refused_the_login(text: &str) -> bool {
    [
        "password authentication failed",
        "SASL authentication failed",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// No connection to `host`, in words without the number of the operating system's error.
pub(super) fn unreachable(host: &Host, error: &io::Error) -> Fault {
    let reason = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "no such socket".to_owned(),
        _ => error.to_string(),
    };
    Fault::unavailable(format!(
        "cannot connect to {host}: {reason}; check host and port, and that the server runs"
    ))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
    };

    use tokio_postgres::{
        Config,
        config::{SslMode, SslNegotiation},
    };

    use super::{
        super::{super::tls::TlsOptions, wire::Connector},
        *,
    };

    /// The step that fails in `mode` where a server gives `answer` to the first message and hangs up.
    async fn failed_step(answer: Option<&'static [u8]>, mode: Mode) -> Step {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        if let Some(answer) = answer {
            std::thread::spawn(move || {
                let (mut client, _) = server.accept().unwrap();
                client.read_exact(&mut [0; 8]).unwrap();
                client.write_all(answer).unwrap();
            });
        } else {
            drop(server);
        }
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user("u");
        config
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        let tls = TlsOptions::unchecked().config().await.unwrap();
        let connected = config.connect(Connector::new(mode, false, tls)).await;
        Step::that_failed(&connected.err().unwrap())
    }

    #[tokio::test]
    async fn the_driver_still_says_which_step_failed_in_these_words() {
        assert_eq!(failed_step(None, Mode::Tls).await, Step::Connect);
        assert_eq!(failed_step(Some(b"N"), Mode::Tls).await, Step::Tls);
        assert_eq!(failed_step(Some(b"S"), Mode::Tls).await, Step::Tls);
        assert_eq!(failed_step(Some(b""), Mode::Tls).await, Step::LogIn);
        assert_eq!(failed_step(Some(b""), Mode::Plain).await, Step::LogIn);
    }
}
