//! One room per source of secrets.
