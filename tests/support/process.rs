//! A server's process that ends with the test, however the test ends.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Runs the program, and ends it when nobody holds its other end of the pipe any more: when this
/// is dropped, or when the test itself is gone.
const WATCHER: &str = r#"exec 3<&0; "$@" </dev/null 3<&- & pid=$!
    (cat <&3 >/dev/null; kill $pid) 2>/dev/null & watcher=$!
    exec 3<&-; wait $pid; status=$?; kill $watcher; exit $status"#;

/// A program that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Mutex<Child>,
    log: PathBuf,
}

impl Process {
    /// Starts `program`, which logs into a file in `folder`.
    pub(crate) fn start(program: &Path, arguments: &[&str], folder: &Path) -> Self {
        let log = folder.join("log.txt");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = Command::new("sh")
            .args(["-c", WATCHER, "sh"])
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let child = Mutex::new(child);
        Self { child, log }
    }

    /// Asks until the answer is yes, as long as the program runs; `what` is waited for.
    pub(crate) async fn until(&self, what: &str, mut ask: impl AsyncFnMut() -> bool) {
        until(what, async || {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{what}: {ended:?} before that\n{}",
                self.log()
            );
            ask().await
        })
        .await;
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap();
        drop(child.stdin.take());
        let _ = child.wait();
    }
}

/// A tool that `scripts/install-tools` installs.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(".tools")
        .join(path);
    assert!(
        tool.exists(),
        "{} is missing: run scripts/install-tools",
        tool.display()
    );
    tool
}

/// A program of a Debian package, which may lie outside of an ordinary PATH.
pub(crate) fn system_program(name: &str) -> PathBuf {
    ["/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("{name} is missing: run scripts/install-tools"))
}

/// Asks until the answer is yes; `what` is waited for, two minutes at most.
pub(crate) async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !ask().await {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{what}: not within 2 min"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
