//! A backend of one's own: variables from the files of a folder, as Kubernetes and Docker mount
//! secrets. It passes the conformance suite, and Airflow's settings can name it.
//!
//! ```sh
//! cargo run --example own_backend
//! ```
#![allow(clippy::print_stdout)]

use std::{error::Error, io, path::PathBuf};

use airflow_secrets::{
    ConfigurationError, Environment, Failure, Lookup, Resolver, Secret, SecretsBackend,
    backend::{LookupOptions, SkipReason, async_trait},
    settings::BackendSetup,
    testing::Conformance,
};

/// Variable `colour` is the text of the file `colour` in the folder.
#[derive(Debug)]
struct FolderBackend(PathBuf);

impl FolderBackend {
    fn from_setup(mut setup: BackendSetup<'_>) -> Result<Self, ConfigurationError> {
        let folder = setup.kwargs.required("folder")?;
        setup.kwargs.deny_unknown()?;
        Ok(Self(folder.value.into()))
    }
}

#[async_trait]
impl SecretsBackend for FolderBackend {
    fn name(&self) -> &'static str {
        "folder"
    }

    async fn get_variable(&self, key: &str, _: &LookupOptions) -> Result<Lookup<Secret>, Failure> {
        // An id must not leave the folder.
        if key.len() > 255 || key.starts_with('.') || key.contains(['/', '\\', '\0']) {
            let reason = SkipReason::InvalidId("not the name of a file".into());
            return Ok(Lookup::skipped(reason));
        }
        let path = self.0.join(key);
        let native_key = path.display().to_string();
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => Ok(Lookup::found(Secret::from(text), native_key)),
            // Where the folder itself is gone, nothing is known about its files.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.is_dir() => {
                Ok(Lookup::missing(native_key))
            }
            Err(error) => Err(Failure::unavailable(error.to_string()).at(native_key)),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("own-backend-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("colour"), "a shade of blue")?;

    Conformance::of(FolderBackend(folder.clone()))
        .variable("colour", "a shade of blue")
        .unreachable(FolderBackend(folder.join("gone")))
        .run()
        .await?;
    println!("the backend conforms");

    let path = folder.display().to_string();
    let settings = Resolver::from_environment(Environment::from_iter([
        ("AIRFLOW_HOME", &*path),
        ("AIRFLOW__SECRETS__BACKEND", "acme.FolderBackend"),
        ("AIRFLOW__SECRETS__BACKEND_KWARG__FOLDER", &*path),
    ]));
    let settings = settings.register("acme.FolderBackend", FolderBackend::from_setup);
    let colour = settings.build().await?.get_variable("colour").await?;
    println!("{:?} from {}", colour.expose(), colour.source());
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
