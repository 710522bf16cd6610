//! Clients: from a connection to what a driver reads, **with the parameters that Airflow's own hook would
//! give its driver**. Feature `clients`.
//!
//! ```
//! use airflow_secrets::Connection;
//!
//! let connection = Connection::builder("warehouse")
//!     .conn_type("postgres")
//!     .host("db.example.com")
//!     .login("app")
//!     .password("p/w@rd")
//!     .schema("orders")
//!     .extra(r#"{"sslmode": "verify-full", "connect_timeout": 10}"#)
//!     .build()?;
//! let warehouse = connection.postgres()?;
//! assert_eq!(warehouse.sslmode(), Some("verify-full"));
//! assert_eq!(warehouse.params().get("connect_timeout"), Some(&10.into()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `params()` are the hook's own parameters, by its names, in clear: what the hook gives `psycopg`,
//!   `mysqlclient`, `requests`, `redis-py`, `boto3`, `google-auth`, `azure-storage-blob`, `paramiko`,
//!   `confluent-kafka` or Snowflake's connector.
//! - A form that a driver in Rust reads is made from them, and refused where it would weaken TLS or lose
//!   who logs in. `docs/clients.md` lists them, and shows five drivers at work.
//! - [`ClientError`] names the connection, the field and the reason. Where the hook refuses, so do we.
//! - `warnings()` are likely mistakes that the hook takes, such as the text `"false"` where any text counts
//!   as yes. They are logged too.
//! - `not_carried()` names what the connection sets and the client does not carry.

mod aws;
mod azure_blob;
mod error;
mod extra;
mod forms;
mod generic;
mod google;
mod http;
mod kafka;
mod macros;
mod mysql;
mod params;
mod pem;
mod postgres;
mod redis;
mod snowflake;
mod ssh;

pub use self::{
    aws::Aws,
    azure_blob::AzureBlob,
    error::{ClientError, ClientWarning},
    forms::{Form, HttpHeaders, Pairs, PostgresTls, RedisTls},
    generic::Generic,
    google::Google,
    http::Http,
    kafka::Kafka,
    mysql::MySql,
    params::Params,
    postgres::{IamToken, Postgres},
    redis::Redis,
    snowflake::Snowflake,
    ssh::Ssh,
};

use crate::Connection;

/// The clients of a connection (feature `clients`). No hook looks at `conn_type`, and neither do these, but
/// for a warning.
///
/// # Errors
/// All give a [`ClientError`] where Airflow's hook refuses the connection, and where only its driver would
/// and TLS or who logs in depends on it.
impl Connection {
    /// PostgreSQL or Redshift: `PostgresHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn postgres(&self) -> Result<Postgres, ClientError> {
        postgres::read(self)
    }

    /// MySQL or MariaDB: `MySqlHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn mysql(&self) -> Result<MySql, ClientError> {
        mysql::read(self)
    }

    /// An HTTP service: `HttpHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn http(&self) -> Result<Http, ClientError> {
        http::read(self)
    }

    /// A service of AWS, by boto3's name for it, such as `s3`: `AwsBaseHook(client_type=service)`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn aws(&self, service: &str) -> Result<Aws, ClientError> {
        aws::read(self, service)
    }

    /// [`aws`](Self::aws) for S3.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn aws_s3(&self) -> Result<Aws, ClientError> {
        aws::read(self, "s3")
    }

    /// Google Cloud: `GoogleBaseHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn google(&self) -> Result<Google, ClientError> {
        google::read(self)
    }

    /// Azure Blob Storage: `WasbHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn azure_blob(&self) -> Result<AzureBlob, ClientError> {
        azure_blob::read(self)
    }

    /// Redis: `RedisHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn redis(&self) -> Result<Redis, ClientError> {
        redis::read(self)
    }

    /// SSH or SFTP: `SSHHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn ssh(&self) -> Result<Ssh, ClientError> {
        ssh::read(self)
    }

    /// Apache Kafka: `KafkaBaseHook`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn kafka(&self) -> Result<Kafka, ClientError> {
        kafka::read(self)
    }

    /// Snowflake: `SnowflakeHook`. Reads the file of a private key, and so may block.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn snowflake(&self) -> Result<Snowflake, ClientError> {
        snowflake::read(self)
    }

    /// The parts of a connection of any kind.
    ///
    /// # Errors
    /// [`ClientError`] where `extra` is no JSON object.
    pub fn generic(&self) -> Result<Generic, ClientError> {
        generic::read(self)
    }
}
