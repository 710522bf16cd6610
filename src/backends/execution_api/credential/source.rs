//! Where the token comes from.

use std::{
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use crate::{Failure, Secret, files};

type Answer = Pin<Box<dyn Future<Output = Result<Secret, Failure>> + Send>>;

/// The token that the Execution API is asked with: a task's own, which its executor got in the workload.
///
/// Airflow has no setting and no environment variable for it: it hands the token to the supervisor in
/// the workload. `Debug` shows no token.
///
/// ```
/// use airflow_secrets::backends::execution_api::ExecutionApiCredential;
///
/// let credential = ExecutionApiCredential::file("/run/airflow/token");
/// assert_eq!(format!("{credential:?}"), "File(\"/run/airflow/token\")");
/// ```
#[derive(Clone)]
pub struct ExecutionApiCredential(pub(super) Source);

#[derive(Clone)]
pub(super) enum Source {
    Token(Secret),
    File(PathBuf),
    Callback(Arc<dyn Fn() -> Answer + Send + Sync>),
}

impl ExecutionApiCredential {
    /// This token. Once it has ended, and the server has given no other, lookups are denied.
    #[must_use]
    pub fn token(token: impl Into<Secret>) -> Self {
        Self(Source::Token(token.into()))
    }

    /// The token in this file, white space around it left out. The file is read at the first lookup, and
    /// again when the server denies one.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The token that `ask` gives. It is called at the first lookup, and again when the server denies
    /// one.
    ///
    /// ```
    /// use airflow_secrets::{Secret, backends::execution_api::ExecutionApiCredential};
    ///
    /// let credential = ExecutionApiCredential::callback(|| async { Ok(Secret::from("…")) });
    /// ```
    #[must_use]
    pub fn callback<F, Fut>(ask: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Secret, Failure>> + Send + 'static,
    {
        Self(Source::Callback(Arc::new(move || Box::pin(ask()))))
    }
}

impl Source {
    /// What the source gives now.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn read(&self) -> Result<Secret, Failure> {
        match self {
            Self::Token(token) => Ok(token.clone()),
            Self::File(path) => read_file(path).await,
            Self::Callback(ask) => ask().await,
        }
    }

    /// Whether it may give another one later.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self, Self::Token(_))
    }

    /// The source as messages name it, with "the token" before it.
    pub(super) fn named(&self) -> String {
        match self {
            Self::Token(_) => "the token".to_owned(),
            Self::File(path) => format!("the token in {}", path.display()),
            Self::Callback(_) => "the token that the program's callback gave".to_owned(),
        }
    }
}

async fn read_file(path: &Path) -> Result<Secret, Failure> {
    let unusable = |why: &str| {
        Failure::configuration(format!(
            "the file of the Execution API's token, {}, cannot be used: {why}",
            path.display()
        ))
    };
    let text = files::read_text_in_background(path).await;
    let text = text.map_err(|error| unusable(&error.to_string()))?;
    match text.expose().trim() {
        "" => Err(unusable("it is empty")),
        token => Ok(Secret::from(token)),
    }
}

impl fmt::Debug for ExecutionApiCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => f.debug_tuple("Token").field(token).finish(),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Callback(_) => f.write_str("Callback"),
        }
    }
}
