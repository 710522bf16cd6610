//! A member of a JSON object, read by itself, so that one of an odd shape makes nothing else unreadable.

use std::fmt;

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::Failure;

/// A member. `null` is as one that is not there.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Member<T> {
    #[default]
    NotSet,
    Is(T),
    /// Something else is there than its [`Shape`].
    Odd,
}

/// What a member has to be.
pub(super) trait Shape: DeserializeOwned {
    /// After *is not*.
    const IS: &'static str;

    /// Whether `json` may be one. Structures are read from objects alone: `serde` takes lists for them too.
    fn may_be(_json: &str) -> bool {
        true
    }
}

/// For [`Shape::may_be`] of a structure.
pub(super) fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

impl Shape for String {
    const IS: &'static str = "a text";
}

impl Shape for i64 {
    const IS: &'static str = "a whole number";
}

impl Shape for bool {
    const IS: &'static str = "true or false";
}

impl Shape for Vec<String> {
    const IS: &'static str = "a list of texts";
}

impl<T: Shape> Shape for Vec<Member<T>> {
    const IS: &'static str = "a list of objects";
}

/// The member that is odd, and why. It shows no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Odd {
    member: String,
    why: String,
}

impl Odd {
    pub(super) fn is_not(member: &str, shape: &str) -> Self {
        Self {
            member: member.to_owned(),
            why: format!("is not {shape}"),
        }
    }

    pub(super) fn is_not_set(member: &str) -> Self {
        Self {
            member: member.to_owned(),
            why: "is not set".to_owned(),
        }
    }

    /// The same within the member `outer`.
    pub(super) fn within(mut self, outer: &str) -> Self {
        self.member = format!("{outer}.{}", self.member);
        self
    }

    /// The failure for the object's own key.
    pub(super) fn failure(&self) -> Failure {
        let Self { member, why } = self;
        Failure::invalid_value(format!(
            "the object cannot be read: its {member} {why}; save it again in Astro's Environment Manager, or \
             report it to Astro's support"
        ))
    }
}

impl<T: Shape> Member<T> {
    /// What the member `name` is, if it is set.
    ///
    /// # Errors
    /// When it is odd.
    pub(super) fn get(self, name: &str) -> Result<Option<T>, Odd> {
        match self {
            Self::NotSet => Ok(None),
            Self::Is(value) => Ok(Some(value)),
            Self::Odd => Err(Odd::is_not(name, T::IS)),
        }
    }

    /// As [`get`](Self::get).
    pub(super) fn read(&self, name: &str) -> Result<Option<&T>, Odd> {
        match self {
            Self::NotSet => Ok(None),
            Self::Is(value) => Ok(Some(value)),
            Self::Odd => Err(Odd::is_not(name, T::IS)),
        }
    }
}

impl<T> Member<T> {
    /// What it is, where it can be read.
    pub(super) fn readable(&self) -> Option<&T> {
        match self {
            Self::Is(value) => Some(value),
            Self::NotSet | Self::Odd => None,
        }
    }
}

impl<'de, T: Shape> Deserialize<'de> for Member<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if json == "null" {
            return Ok(Self::NotSet);
        }
        let value = T::may_be(json).then(|| serde_json::from_str(json).ok());
        Ok(value.flatten().map_or(Self::Odd, Self::Is))
    }
}

/// Shows no value.
impl<T> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSet => "NotSet",
            Self::Is(_) => "Is(***)",
            Self::Odd => "Odd",
        })
    }
}
