//! A server's process that ends with the test.

#[path = "watched.rs"]
mod watched;

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::Mutex,
    time::{Duration, Instant},
};

use self::watched::watched;

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
        let child = watched(Command::new(program).args(arguments), "TERM", None)
            .current_dir(folder)
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
    // The tests and the benches are packages in folders of their own.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join(".tools").join(path))
        .find(|tool| tool.exists())
        .unwrap_or_else(|| panic!(".tools/{path} is missing: run scripts/install-tools"))
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
