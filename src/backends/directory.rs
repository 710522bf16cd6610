//! Secrets that are mounted as files: one file for each connection and each variable.

use std::{
    io,
    path::{Path, PathBuf},
};

use async_trait::async_trait;

use crate::{
    Connection, Failure, Lookup, Secret, SecretsBackend,
    backend::{CheckOutcome, FailureKind, LookupOptions, SkipReason},
    background, files,
};

/// How often a file is looked for anew that was replaced while it was opened.
const TRIES: usize = 8;

/// The longest name of a file, in bytes.
const LONGEST_NAME: usize = 255;

/// The kinds of values, each in a folder of its own.
const CONNECTIONS: &str = "connections";
const VARIABLES: &str = "variables";

/// Reads `connections/<id>` and `variables/<key>` below a folder: secrets that Kubernetes, Docker or Podman
/// mount as files. Airflow has no such backend.
///
/// ```text
/// /run/secrets/airflow/connections/pg        a URI, or a JSON object
/// /run/secrets/airflow/variables/colour      a text
/// ```
///
/// **Docker and Podman** mount each secret as a file of its own below `/run/secrets`, under its name. Its target
/// puts it where it is looked for here:
///
/// ```yaml
/// services:
///   loader:                             # podman run --secret pg,target=connections/pg …
///     secrets:                          # docker service create --secret source=pg,target=connections/pg …
///       - source: pg
///         target: connections/pg        # DirectoryBackend::new("/run/secrets")
///       - source: colour
///         target: variables/colour
/// ```
///
/// A secret without a target stands in `/run/secrets` itself, where no connection and no variable is looked
/// for: its id is *missing*, and the report says why. Neither of the two replaces the secrets of a container
/// that runs. In Windows containers Docker's files are links that lead out of the folder: *access denied*.
///
/// - A file is read at each lookup, so that a change counts at once. Kubernetes replaces all files of a
///   volume at the same time, by its link `..data`: a lookup sees either the old or the new one. Many ids
///   at once are read one after another.
/// - **One line break at the end of a file is taken off** (`\n` or `\r\n`), since most editors and `echo`
///   write one. [`keep_final_newline`](Self::keep_final_newline) leaves it.
/// - Links are followed within the folder alone: Kubernetes' volumes consist of them. One that leads out
///   of it is *access denied*.
/// - An id that cannot be the name of one file there is skipped: what is empty, begins with `..`, is `.`,
///   contains a slash, a backslash, a colon or a control character, or is longer than 255 bytes.
/// - A file has at most 16 MiB and is UTF-8. Teams share the files.
///
/// ```
/// use airflow_secrets::{
///     Lookup, SecretsBackend, backend::LookupOptions, backends::directory::DirectoryBackend,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), airflow_secrets::Failure> {
/// let folder = std::env::temp_dir().join(format!("airflow-secrets-{}", std::process::id()));
/// std::fs::create_dir_all(folder.join("variables")).expect("a folder to write to");
/// let file = folder.join("variables").join("colour");
/// std::fs::write(&file, "blue\n").expect("a folder to write to");
///
/// let backend = DirectoryBackend::new(&folder);
/// assert_eq!(
///     backend.get_variable("colour", &LookupOptions::new()).await?,
///     Lookup::found("blue".into(), file.display().to_string()),
/// );
/// # std::fs::remove_dir_all(folder).expect("the folder just made");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DirectoryBackend {
    folder: PathBuf,
    keeps_final_newline: bool,
}

impl DirectoryBackend {
    /// The name of this backend in reports and logs.
    pub const NAME: &'static str = "directory";

    /// The backend of the files below `folder`, which is looked at in each lookup.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            keeps_final_newline: false,
        }
    }

    /// Takes files as they are, a line break at their end included.
    #[must_use]
    pub fn keep_final_newline(mut self) -> Self {
        self.keeps_final_newline = true;
        self
    }

    async fn look_up(
        &self,
        kind: &'static str,
        ids: &[&str],
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        let this = self.clone();
        let owned = ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
        let read = move || owned.iter().map(|id| this.read(kind, id)).collect();
        let found = background::run(read).await;
        found.unwrap_or_else(|error| {
            let folder = self.folder.display();
            let failure = Failure::unavailable(format!("{folder}: cannot be read: {error}"));
            vec![Err(failure); ids.len()]
        })
    }

    /// Blocks the thread.
    fn read(&self, kind: &str, id: &str) -> Result<Lookup<Secret>, Failure> {
        if !is_name(id) {
            return Ok(Lookup::skipped(SkipReason::InvalidId(
                "it cannot be the name of a file in the folder".into(),
            )));
        }
        let path = self.folder.join(kind).join(id);
        let native_key = path.display().to_string();
        let mut found = self.open(&path);
        for _ in 1..TRIES {
            // The link of a volume led to another folder by the time that its target was opened.
            let was_replaced =
                |error: &Problem| error.is_not_found() && path.symlink_metadata().is_ok();
            if !found.as_ref().is_err_and(was_replaced) {
                break;
            }
            found = self.open(&path);
        }
        match found {
            Ok(value) => Ok(Lookup::found(value, native_key)),
            Err(problem) if problem.is_not_found() => match self.is_whole(&path) {
                Ok(()) => Ok(Lookup::missing(native_key).because(self.why_missing(kind, id))),
                // Nobody knows what the volume would hold.
                Err(error) => Err(unreadable(&self.folder, &error).at(native_key)),
            },
            Err(Problem::LeadsOut) => Err(Failure::access_denied(format!(
                "{native_key}: is a link that leads out of {}: mount the secret there",
                self.folder.display()
            ))
            .at(native_key)),
            Err(Problem::Io(error)) => Err(unreadable(&path, &error).at(native_key)),
        }
    }

    /// Whether a file that is not at `path` is missing for certain.
    ///
    /// # Errors
    /// When the folder is not there, or that into which the link at `path` leads.
    fn is_whole(&self, path: &Path) -> io::Result<()> {
        self.folder.metadata()?;
        let link = path.read_link().ok();
        let target = link.and_then(|link| Some(path.parent()?.join(link.parent()?)));
        target.map_or(Ok(()), |target| target.metadata().map(drop))
    }

    /// What to say of a file that stands beside the folders of the kinds.
    fn why_missing(&self, kind: &str, id: &str) -> Option<String> {
        let metadata = self.folder.join(id).metadata();
        metadata.is_ok_and(|file| file.is_file()).then(|| {
            let folder = self.folder.display();
            format!("{folder} itself has a file of this name: mount it as {kind}/{id}")
        })
    }

    fn open(&self, path: &Path) -> Result<Secret, Problem> {
        let folder = self.folder.canonicalize()?;
        let file = path.canonicalize()?;
        if !file.starts_with(&folder) {
            return Err(Problem::LeadsOut);
        }
        let text = files::read_text(&file)?;
        if self.keeps_final_newline {
            return Ok(text);
        }
        let without = text.expose().strip_suffix('\n').map(|line| {
            let line = line.strip_suffix('\r').unwrap_or(line);
            Secret::from(line)
        });
        Ok(without.unwrap_or(text))
    }
}

/// Why there is no text.
enum Problem {
    LeadsOut,
    Io(io::Error),
}

impl Problem {
    fn is_not_found(&self) -> bool {
        match self {
            Self::LeadsOut => false,
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Whether a file of the folder can have this name. Kubernetes keeps names that begin with `..` for itself.
fn is_name(id: &str) -> bool {
    let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':');
    !id.is_empty()
        && id.len() <= LONGEST_NAME
        && id != "."
        && !id.starts_with("..")
        && !id.contains(is_bad)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::AccessDenied,
        io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => FailureKind::Configuration,
        io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => FailureKind::InvalidValue,
        _ => FailureKind::Unavailable,
    };
    let path = path.display();
    Failure::new(
        kind,
        format!("{path}: cannot be read: {error}; check the volume and who may read it"),
    )
}

fn only<T>(answers: Vec<Result<Lookup<T>, Failure>>) -> Result<Lookup<T>, Failure> {
    let none = || Err(Failure::unavailable("the file was not asked"));
    answers.into_iter().next().unwrap_or_else(none)
}

#[async_trait]
impl SecretsBackend for DirectoryBackend {
    fn name(&self) -> &str {
        Self::NAME
    }

    async fn get_conn_value(
        &self,
        conn_id: &str,
        _: &LookupOptions,
    ) -> Result<Lookup<Secret>, Failure> {
        only(self.look_up(CONNECTIONS, &[conn_id]).await)
    }

    async fn get_variable(&self, key: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        only(self.look_up(VARIABLES, &[key]).await)
    }

    async fn get_connections(
        &self,
        conn_ids: &[&str],
        options: &LookupOptions,
    ) -> Vec<Result<Lookup<Connection>, Failure>> {
        let answers = self.look_up(CONNECTIONS, conn_ids).await;
        std::iter::zip(conn_ids, answers)
            .map(|(id, answer)| answer?.into_connection(id, options.dialect()))
            .collect()
    }

    async fn get_variables(
        &self,
        keys: &[&str],
        _: &LookupOptions,
    ) -> Vec<Result<Lookup<Secret>, Failure>> {
        self.look_up(VARIABLES, keys).await
    }

    /// Asks whether the folder is there.
    async fn check(&self, _: &LookupOptions) -> Result<CheckOutcome, Failure> {
        let folder = self.folder.clone();
        let native_key = folder.display().to_string();
        let listed = background::run(move || std::fs::read_dir(folder).map(drop)).await;
        match listed.and_then(|listed| listed) {
            Ok(()) => Ok(CheckOutcome::reachable(native_key)),
            Err(error) => Err(unreadable(&self.folder, &error).at(native_key)),
        }
    }
}
