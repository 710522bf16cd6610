//! How files are read, everywhere in this crate: regular files alone, and no more than 16 MiB of one.
//!
//! A path in a setting can name anything. Opening a FIFO waits for whoever writes to it, and
//! `/dev/zero` has no end.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use secrecy::zeroize::Zeroizing;

use crate::Secret;

/// The size of the largest file that is read, in bytes.
pub(crate) const MAX_SIZE: usize = 16 * 1024 * 1024;

/// Users name this one where they mean an empty file.
const NO_FILE: &str = "/dev/null";

/// The content of the regular file at `path`, wiped when it is dropped. Blocks the thread.
///
/// # Errors
/// That of the system; [`InvalidInput`](io::ErrorKind::InvalidInput) where it is not a regular file,
/// [`FileTooLarge`](io::ErrorKind::FileTooLarge) where it is larger than [`MAX_SIZE`]. Its text says
/// which, and does not name the file.
pub(crate) fn read(path: impl AsRef<Path>) -> io::Result<Zeroizing<Vec<u8>>> {
    let path = path.as_ref();
    if path == Path::new(NO_FILE) {
        return Ok(Zeroizing::default());
    }
    // Before it is opened: that alone would wait for the other end of a FIFO.
    let size = checked_size(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    // With room for one byte more, the end of the file is found without another allocation.
    let mut content = Zeroizing::new(Vec::with_capacity(size + 1));
    let bound = u64::try_from(MAX_SIZE + 1).unwrap_or(u64::MAX);
    file.take(bound).read_to_end(&mut content)?;
    if content.len() > MAX_SIZE {
        return Err(too_large());
    }
    Ok(content)
}

/// [`read`], as text.
///
/// # Errors
/// As [`read`]; [`InvalidData`](io::ErrorKind::InvalidData) where the file is not UTF-8.
pub(crate) fn read_text(path: impl AsRef<Path>) -> io::Result<Secret> {
    let content = read(path)?;
    let text = std::str::from_utf8(&content);
    text.map(Secret::from)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// [`read`], on a thread where it may block. Needs a Tokio runtime.
///
/// # Errors
/// As [`read`].
#[cfg(feature = "_https")]
pub(crate) async fn read_in_background(path: impl AsRef<Path>) -> io::Result<Zeroizing<Vec<u8>>> {
    let path = path.as_ref().to_owned();
    tokio::task::spawn_blocking(move || read(&path)).await?
}

/// [`read_text`], on a thread where it may block. Needs a Tokio runtime.
///
/// # Errors
/// As [`read_text`].
#[cfg(feature = "_https")]
#[allow(dead_code, reason = "which providers use it depends on the features")]
pub(crate) async fn read_text_in_background(path: impl AsRef<Path>) -> io::Result<Secret> {
    let path = path.as_ref().to_owned();
    tokio::task::spawn_blocking(move || read_text(&path)).await?
}

/// The size of what is a regular file, and not too large.
fn checked_size(file: &fs::Metadata) -> io::Result<usize> {
    if file.is_dir() {
        let problem = "it is a directory";
        return Err(io::Error::new(io::ErrorKind::IsADirectory, problem));
    }
    if !file.is_file() {
        let problem = "it is not a regular file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    let size = usize::try_from(file.len()).ok();
    size.filter(|size| *size <= MAX_SIZE).ok_or_else(too_large)
}

fn too_large() -> io::Error {
    io::Error::new(
        io::ErrorKind::FileTooLarge,
        "it is larger than 16 MiB, the most that is read",
    )
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;

    use super::*;

    fn said(path: impl AsRef<Path>) -> (io::ErrorKind, String) {
        let error = read(path).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn only_a_regular_file_of_at_most_16_mib_is_read() {
        let name = format!("airflow-secrets-files-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let sized =
            |name: &str, size: u64| File::create(path(name)).unwrap().set_len(size).unwrap();
        let largest = u64::try_from(MAX_SIZE).unwrap();
        sized("largest", largest);
        sized("larger", largest + 1);
        sized("sparse", 1 << 40);
        fs::write(path("small"), "text").unwrap();
        std::os::unix::fs::symlink(path("small"), path("link")).unwrap();
        let made = Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());

        assert_eq!(read(path("largest")).unwrap().len(), MAX_SIZE);
        assert_eq!(**read(path("link")).unwrap(), *b"text");
        assert_eq!(**read("/dev/null").unwrap(), *b"");
        let too_large = (
            io::ErrorKind::FileTooLarge,
            "it is larger than 16 MiB, the most that is read".to_owned(),
        );
        assert_eq!(said(path("larger")), too_large);
        assert_eq!(said(path("sparse")), too_large);
        let not_regular = (
            io::ErrorKind::InvalidInput,
            "it is not a regular file".to_owned(),
        );
        assert_eq!(said(path("fifo")), not_regular);
        assert_eq!(said("/dev/zero"), not_regular);
        assert_eq!(
            said(&folder),
            (io::ErrorKind::IsADirectory, "it is a directory".to_owned())
        );
        assert_eq!(said(path("absent")).0, io::ErrorKind::NotFound);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_of_unknown_size_is_read_whole() {
        let status = read_text("/proc/self/status");
        let is_linux = cfg!(target_os = "linux");
        assert_eq!(
            status.is_ok_and(|text| text.expose().contains("Uid:")),
            is_linux
        );
    }
}
