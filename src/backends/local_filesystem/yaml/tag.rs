//! What kind of value a node is said to be.

use super::super::value::Unsupported;

/// The tags that PyYAML's safe loader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Seq,
    Map,
    /// The plain scalar `<<`.
    Merge,
    /// The plain scalar `=`.
    Default,
    Unknown,
    Unsupported(Unsupported),
}

impl Tag {
    pub(super) fn named(tag: &str) -> Self {
        match tag.strip_prefix("tag:yaml.org,2002:") {
            Some("null") => Self::Null,
            Some("bool") => Self::Bool,
            Some("int") => Self::Int,
            Some("float") => Self::Float,
            Some("binary") => Self::Unsupported(Unsupported::Binary),
            Some("timestamp") => Self::Unsupported(Unsupported::Timestamp),
            Some("omap") => Self::Unsupported(Unsupported::Omap),
            Some("pairs") => Self::Unsupported(Unsupported::Pairs),
            Some("set") => Self::Unsupported(Unsupported::Set),
            Some("str") => Self::Str,
            Some("seq") => Self::Seq,
            Some("map") => Self::Map,
            Some("merge") => Self::Merge,
            Some("value") => Self::Default,
            _ => Self::Unknown,
        }
    }
}
