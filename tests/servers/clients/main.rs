//! The clients, with the drivers that they are for.
