//! One room per source of secrets.

#[cfg(feature = "vault")]
pub mod vault;
