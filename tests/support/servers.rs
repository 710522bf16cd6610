//! Servers that a test binary starts for itself: on free ports, as a user without privileges, and
//! gone when the binary is.

#[path = "watched.rs"]
mod watched;

use std::{
    fs,
    io::{self, Read},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use self::watched::watched;

/// A program that was installed with a Debian package.
pub(crate) fn program(name: &str, folders: &[&str]) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.map(|version| version.unwrap().path().join("bin"));
    folders
        .iter()
        .map(PathBuf::from)
        .chain(versions)
        .chain(path.split(':').map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("{name} is not installed; run scripts/install-tools"))
}

/// A folder for a server's files, which belongs to the user that the server runs as.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix(&format!("airflow-secrets-{name}-"))
        .tempdir()
        .unwrap()
        .keep();
    give(&folder);
    folder
}

/// Gives a file to the user that servers run as.
pub(crate) fn give(path: &Path) {
    if is_root() {
        chown(path, Some(user_id("-u")), Some(user_id("-g"))).unwrap();
    }
}

fn is_root() -> bool {
    id("-u", None) == 0
}

/// The number of the user `nobody`, or of its group.
fn user_id(flag: &str) -> u32 {
    id(flag, Some("nobody"))
}

fn id(flag: &str, user: Option<&str>) -> u32 {
    let output = Command::new("id").arg(flag).args(user).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

/// A command that runs as `nobody` where this is root, since servers refuse to run as root.
pub(crate) fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(self::program("setpriv", &[]));
    command
        .arg(format!("--reuid={}", user_id("-u")))
        .arg(format!("--regid={}", user_id("-g")))
        .args(["--clear-groups", "--"])
        .arg(program);
    command
}

/// Runs `command` to its end, which must be a good one.
pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A running server. Killed when it is dropped, and also when this process ends in any other way.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Server {
    /// Starts `command`, and waits until somebody listens on `port`. It is stopped
    /// with `signal`, and `folder` is removed then.
    pub(crate) fn start(command: &Command, signal: &str, port: u16, folder: Option<&Path>) -> Self {
        let mut shell = watched(command, signal, folder);
        shell.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                let mut output = String::new();
                child
                    .stderr
                    .take()
                    .unwrap()
                    .read_to_string(&mut output)
                    .unwrap();
                panic!("{command:?} ended with {status}: {output}");
            }
            assert!(Instant::now() < deadline, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        // What it writes from now on is of no interest, but must go somewhere.
        let mut output = child.stderr.take().unwrap();
        thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Self { child, port }
    }

    /// Stops the server, and waits until it has gone.
    pub(crate) fn stop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
