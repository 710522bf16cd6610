//! Secrets in files, which are read again at each login.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{Failure, Secret, files};

/// A secret, or the file that contains it.
#[derive(Debug, Clone)]
pub(crate) enum InlineOrFile {
    Inline(Secret),
    File(PathBuf),
}

/// Both the secret and the file of it are given.
pub(crate) struct Both;

impl InlineOrFile {
    /// Whichever of the two is given.
    pub(crate) fn one_of(
        secret: Option<Secret>,
        path: Option<String>,
    ) -> Result<Option<Self>, Both> {
        match (secret, path) {
            (Some(_), Some(_)) => Err(Both),
            (Some(secret), None) => Ok(Some(Self::Inline(secret))),
            (None, path) => Ok(path.map(|path| Self::File(path.into()))),
        }
    }

    /// The secret, which errors call `what`.
    pub(super) async fn read(&self, what: &str) -> Result<Secret, Failure> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => read_secret(what, path).await,
        }
    }
}

/// The text of the file at `path`, which errors call the file of `what`, without white space around it.
///
/// # Errors
/// When it cannot be read, or is empty.
pub(super) async fn read_secret(what: &str, path: &Path) -> Result<Secret, Failure> {
    let problem = match files::read_text_in_background(path).await {
        Ok(text) => match text.expose().trim() {
            "" => "it is empty".to_owned(),
            token => return Ok(token.into()),
        },
        Err(error) => error.to_string(),
    };
    Err(Failure::configuration(format!(
        "the {what} file {} cannot be used: {problem}",
        path.display()
    )))
}

/// What differs after a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    modified: SystemTime,
    length: u64,
}

impl FileStamp {
    /// `None` where the file, or its time of change, cannot be read.
    pub(super) async fn of(path: &Path) -> Option<Self> {
        let file = tokio::fs::metadata(path).await.ok()?;
        let modified = file.modified().ok()?;
        Some(Self {
            modified,
            length: file.len(),
        })
    }
}
