//! SQLite: one thread that opens the file read-only at the first lookup, and closes it when no
//! lookup came for a while.
//!
//! The thread keeps blocking work away from the caller's runtime, of any kind. Airflow puts
//! its SQLite databases in WAL mode, where even a reader would create files beside the database;
//! as long as nobody writes to it, the file is therefore read as an immutable one.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_channel::oneshot;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags, params_from_iter, types::ValueRef};
use zeroize::Zeroizing;

use super::{
    driver::{Driver, Fault, FaultKind, Select, Table},
    limits::Limits,
    row::{Cell, Row},
    sql::{self, Syntax},
    url::{DatabaseUrl, invalid_option},
};

/// How long an idle file stays open.
const KEEP_OPEN: Duration = Duration::from_secs(10);

/// How often a read is repeated because the file changed under it.
const ATTEMPTS: usize = 5;

/// Options that tell Python's `sqlite3` how to write, or how to use threads and caches.
const PYTHON_OPTIONS: [&str; 4] = [
    "isolation_level",
    "detect_types",
    "check_same_thread",
    "cached_statements",
];

/// What stays as it is in the path of a `file:` URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// A SQLite database.
pub(super) struct Sqlite {
    file: DatabaseFile,
    schema: Option<String>,
    thread: Mutex<Option<mpsc::Sender<Job>>>,
}

/// A statement to run, and where its rows go.
struct Job {
    table: Table,
    sql: String,
    parameters: Vec<String>,
    reply: oneshot::Sender<Result<Vec<Row>, Fault>>,
}

impl Sqlite {
    /// The database that `url` names; a relative path starts at the working directory. A file
    /// that another process has locked is waited for as long as `limits.connect_timeout`, or as the
    /// URL's `timeout` says, in seconds.
    pub(super) fn from_url(
        url: &DatabaseUrl,
        schema: Option<&str>,
        limits: Limits,
        ignored: &mut Vec<String>,
    ) -> Result<Self, String> {
        url.refuse_repeats(&[])?;
        let mut busy_timeout = limits.connect_timeout;
        for option in &url.options {
            match option.name.as_str() {
                "timeout" => {
                    let seconds = option.value.trim().parse().ok();
                    busy_timeout = seconds
                        .and_then(|seconds: f64| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
                        .ok_or_else(|| invalid_option("timeout", "a number of seconds"))?;
                }
                name if PYTHON_OPTIONS.contains(&name) => {}
                _ => ignored.push(option.ignored()?),
            }
        }
        let path = url.database.as_deref().filter(|path| *path != ":memory:");
        Ok(Self {
            file: DatabaseFile {
                path: path.map(Path::new).map(Arc::from),
                busy_timeout,
            },
            schema: schema.map(|schema| format!("\"{}\"", schema.replace('"', "\"\""))),
            thread: Mutex::new(None),
        })
    }

    /// Hands `job` to the thread, which is started if it does not run.
    fn submit(&self, job: Job) -> Result<(), Fault> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let job = match thread.as_ref() {
            None => job,
            Some(jobs) => match jobs.send(job) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(job)) => job,
            },
        };
        let (sender, jobs) = mpsc::channel();
        let file = self.file.clone();
        thread::Builder::new()
            .name("airflow-secrets-sqlite".to_owned())
            .spawn(move || serve(&file, &jobs))
            .map_err(|error| Fault::unavailable(format!("cannot start a thread: {error}")))?;
        let sent = sender.send(job);
        *thread = Some(sender);
        sent.map_err(|_| stopped())
    }
}

#[async_trait]
impl Driver for Sqlite {
    async fn select(&self, select: &Select<'_>) -> Result<Vec<Row>, Fault> {
        let mut parameters = QuestionMarks(Vec::new());
        let sql = sql::statement(select, self.schema.as_deref(), &mut parameters);
        let (reply, rows) = oneshot::channel();
        self.submit(Job {
            table: select.table,
            sql,
            parameters: parameters.0,
            reply,
        })?;
        rows.await.unwrap_or_else(|_| Err(stopped()))
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.file.path)
            .finish_non_exhaustive()
    }
}

fn stopped() -> Fault {
    Fault::unavailable("the thread that reads the SQLite database has stopped")
}

/// Parameters written as `?`.
struct QuestionMarks(Vec<String>);

impl Syntax for QuestionMarks {
    fn parameter(&mut self, sql: &mut String, value: &str) {
        sql.push('?');
        self.0.push(value.to_owned());
    }
}

/// Runs jobs until nobody can send one any more.
fn serve(file: &DatabaseFile, jobs: &mpsc::Receiver<Job>) {
    let mut open = None;
    loop {
        let job = if open.is_some() {
            match jobs.recv_timeout(KEEP_OPEN) {
                Ok(job) => job,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    open = None;
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        } else {
            match jobs.recv() {
                Ok(job) => job,
                Err(mpsc::RecvError) => return,
            }
        };
        let rows = read(file, &mut open, &job);
        // The caller may have gone; then nobody needs the answer.
        let _ = job.reply.send(rows);
    }
}

/// Runs one job on a file that is open and unchanged when its rows have been read.
fn read(file: &DatabaseFile, open: &mut Option<OpenFile>, job: &Job) -> Result<Vec<Row>, Fault> {
    for _ in 0..ATTEMPTS {
        let state = file.state()?;
        let current = match open.take() {
            Some(current) if current.state == state => open.insert(current),
            _ => open.insert(file.open(state)?),
        };
        let rows = run(&current.connection, job);
        // What was read as immutable counts only if nobody wrote in the meantime.
        if !current.state.is_immutable() || file.state()? == current.state {
            return rows.map_err(|error| file.fault(job.table, &error));
        }
    }
    Err(Fault::unavailable(format!(
        "the SQLite database {} kept changing while it was read; try again",
        file.name()
    )))
}

/// Runs the statement and reads its rows.
fn run(connection: &Connection, job: &Job) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(&job.sql)?;
    let mut rows = statement.query(params_from_iter(&job.parameters))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cells = (0..job.table.columns().len())
            .map(|column| row.get_ref(column).map(cell))
            .collect::<rusqlite::Result<_>>()?;
        found.push(Row::new(cells));
    }
    Ok(found)
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Cell::Text(Zeroizing::new(text.to_owned())),
            Err(_) => Cell::Bytes,
        },
        ValueRef::Blob(_) => Cell::Bytes,
    }
}

/// An open file, and what it was when it was opened.
struct OpenFile {
    connection: Connection,
    state: FileState,
}

/// What the file system says about a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FileState {
    /// SQLite's own locks keep reads consistent; this is the file to read.
    Locked(FileId),
    /// In WAL mode and not in use: as long as it is unchanged, it can be read without a trace.
    Immutable(FileId, Option<SystemTime>, u64),
}

impl FileState {
    fn is_immutable(&self) -> bool {
        matches!(self, Self::Immutable(..))
    }
}

/// The file's identity, whatever its name: device and inode, on Unix.
type FileId = (u64, u64);

/// A database file, which may not exist.
#[derive(Debug, Clone)]
struct DatabaseFile {
    path: Option<Arc<Path>>,
    busy_timeout: Duration,
}

impl DatabaseFile {
    fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "in memory".to_owned(),
        }
    }

    fn path(&self) -> Result<&Path, Fault> {
        self.path.as_deref().ok_or_else(|| {
            Fault::configuration(
                "the SQLite database is in memory, where no other process can see it; name a file, as in sqlite:////absolute/path/airflow.db",
            )
        })
    }

    /// The file's state now.
    fn state(&self) -> Result<FileState, Fault> {
        let path = self.path()?;
        let unreadable = |error: &io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::PermissionDenied => FaultKind::AccessDenied,
                _ => FaultKind::Unavailable,
            };
            let message = format!(
                "cannot read the SQLite database {}: {error}; check the path and that this user \
                 may read it (nothing is ever created there)",
                self.name()
            );
            Fault::new(kind, message)
        };
        let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
        if !metadata.is_file() {
            return Err(Fault::configuration(format!(
                "the SQLite database {} is not a file; correct its path",
                self.name()
            )));
        }
        let id = file_id(&metadata);
        // Bytes 18 and 19 say how the file is written and read; 2 stands for WAL.
        let mut header = [0; 20];
        let is_wal = File::open(path)
            .map_err(|error| unreadable(&error))?
            .read_exact(&mut header)
            .is_ok()
            && header.ends_with(&[2, 2]);
        if is_wal && !has_wal(path) {
            Ok(FileState::Immutable(
                id,
                metadata.modified().ok(),
                metadata.len(),
            ))
        } else {
            Ok(FileState::Locked(id))
        }
    }

    /// Opens the file for reading only.
    fn open(&self, state: FileState) -> Result<OpenFile, Fault> {
        let path = percent_encode(self.path()?.as_os_str().as_encoded_bytes(), PATH).to_string();
        // Without the empty host, a path that begins with two slashes would begin with a host.
        let host = if path.starts_with('/') { "//" } else { "" };
        let uri = match state {
            FileState::Locked(_) => format!("file:{host}{path}?mode=ro"),
            FileState::Immutable(..) => format!("file:{host}{path}?mode=ro&immutable=1"),
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(uri, flags)
            .and_then(|connection| {
                connection.busy_timeout(self.busy_timeout)?;
                Ok(connection)
            })
            .map_err(|error| self.fault(Table::Connection, &error))?;
        Ok(OpenFile { connection, state })
    }

    /// The fault for an `error` in a query of `table`.
    fn fault(&self, table: Table, error: &rusqlite::Error) -> Fault {
        let name = self.name();
        let text = error.to_string();
        match missing(&text) {
            Some(Missing::Column) => {
                let message = format!("the SQLite database {name}: {text}");
                return Fault::new(FaultKind::UndefinedColumn, message);
            }
            Some(Missing::Table) => {
                return Fault::configuration(format!(
                    "the SQLite database {name} has no table `{}`: check that it is Airflow's, and \
                     that `airflow db migrate` was run",
                    table.name()
                ));
            }
            None => {}
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Fault::unavailable(format!(
                    "the SQLite database {name} was locked by another process for longer than \
                     {:?}; try again",
                    self.busy_timeout
                ))
            }
            Some(ErrorCode::NotADatabase) => {
                Fault::configuration(format!("{name} is not a SQLite database; correct its path"))
            }
            _ => Fault::unavailable(format!("cannot read the SQLite database {name}: {text}")),
        }
    }
}

/// What a query names and the database lacks.
#[derive(Debug, PartialEq, Eq)]
enum Missing {
    Column,
    Table,
}

/// SQLite says it only in its text: the code is the same for every error in a query.
fn missing(text: &str) -> Option<Missing> {
    if text.contains("no such column") {
        return Some(Missing::Column);
    }
    text.contains("no such table").then_some(Missing::Table)
}

/// Whether a write-ahead log that is not empty lies beside the file.
fn has_wal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    fs::metadata(name).is_ok_and(|log| log.len() > 0)
}

#[cfg(unix)]
fn file_id(metadata: &fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn file_id(_: &fs::Metadata) -> FileId {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_still_says_what_is_missing_in_these_words() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.execute_batch("CREATE TABLE t (a)").unwrap();
        let missing = |query| {
            let error = database.prepare(query).unwrap_err();
            missing(&error.to_string())
        };
        assert_eq!(missing("SELECT b FROM t"), Some(Missing::Column));
        assert_eq!(missing("SELECT a FROM u"), Some(Missing::Table));
        assert_eq!(missing("SELECT"), None);
    }
}
