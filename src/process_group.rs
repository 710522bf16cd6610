//! A program with all that it starts, which end together: a program that is ended does not end those
//! that it started.

use std::process::Command;

/// The processes of a program that was started in [a group of its own](own_group). They end when this
/// is dropped. Nothing ends on Windows, which has no such groups.
pub(crate) struct ProcessGroup(Option<u32>);

/// Lets `command` start its program in a group of its own.
#[cfg_attr(not(unix), allow(unused_variables))]
pub(crate) fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

impl ProcessGroup {
    /// The group of the program with this process id, which nobody may have waited for yet.
    pub(crate) fn led_by(process: Option<u32>) -> Self {
        Self(process)
    }

    /// Lets those go on that the program has left behind: it has ended by itself.
    pub(crate) fn leave(mut self) {
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.and_then(|process| i32::try_from(process).ok())
            && let Some(group) = rustix::process::Pid::from_raw(group)
        {
            // They may have ended by themselves.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(test)]
#[cfg(unix)]
pub(crate) mod tests {
    use std::{
        fs::File,
        io::Read as _,
        path::PathBuf,
        sync::mpsc::{self, Receiver},
        thread,
        time::Duration,
    };

    use super::*;

    /// A FIFO that processes hold open.
    pub(crate) struct Watched {
        path: PathBuf,
        let_go: Receiver<usize>,
    }

    impl Watched {
        pub(crate) fn new(name: &str) -> Self {
            let name = format!("airflow-secrets-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            let (sender, let_go) = mpsc::channel();
            let fifo = path.clone();
            thread::spawn(move || {
                let read = File::open(fifo).unwrap().read_to_end(&mut Vec::new());
                sender.send(read.unwrap()).unwrap();
            });
            Self { path, let_go }
        }

        pub(crate) fn path(&self) -> &str {
            self.path.to_str().unwrap()
        }

        /// Returns once none of those that had it open is left.
        pub(crate) fn wait_until_let_go(self) {
            let read = self.let_go.recv_timeout(Duration::from_secs(20));
            assert_eq!(read, Ok(0));
            std::fs::remove_file(&self.path).unwrap();
        }
    }
}
