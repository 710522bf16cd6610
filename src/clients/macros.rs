//! What all clients have in common.

/// The methods that every client has.
macro_rules! client {
    ($name:ident, $method:ident) => {
        impl $name {
            /// The id of the connection.
            #[must_use]
            pub fn conn_id(&self) -> &str {
                &self.made.conn_id
            }

            /// The parameters that the hook would give its driver, by its names, in clear.
            #[must_use]
            pub fn params(&self) -> &$crate::clients::Params {
                &self.made.params
            }

            /// What is most likely a mistake, though the hook takes it.
            #[must_use]
            pub fn warnings(&self) -> &[$crate::clients::ClientWarning] {
                &self.made.warnings
            }

            /// What the connection sets and this client does not carry: members of `extra` that the hook
            /// drops, and those that only Python can use.
            #[must_use]
            pub fn not_carried(&self) -> &[String] {
                &self.made.not_carried
            }
        }

        impl TryFrom<&$crate::Connection> for $name {
            type Error = $crate::clients::ClientError;

            fn try_from(connection: &$crate::Connection) -> Result<Self, Self::Error> {
                connection.$method()
            }
        }
    };
}

pub(super) use client;
