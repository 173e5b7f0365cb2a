//! The name of something in a record: a value of a closed list, or a word that this version's list
//! does not have.

use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::trace::Named;

/// A value by its name. A record holds just the name, known or not: a host tool reads the records
/// of another version's kernel, and writes them again unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name<T> {
    /// One of the list.
    Known(T),
    /// A word that is not in this version's list.
    Other(String),
}

impl<T: Named> Name<T> {
    /// The value; `None` if this version does not know the word.
    pub const fn known(&self) -> Option<T> {
        match self {
            Self::Known(value) => Some(*value),
            Self::Other(_) => None,
        }
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(value) => value.name(),
            Self::Other(word) => word,
        }
    }
}

impl<T: Named> From<T> for Name<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: Named> From<String> for Name<T> {
    fn from(word: String) -> Self {
        T::by_name(&word).map_or(Self::Other(word), Self::Known)
    }
}

impl<T: Named> From<&str> for Name<T> {
    fn from(word: &str) -> Self {
        T::by_name(word).map_or_else(|| Self::Other(word.into()), Self::Known)
    }
}

impl<T: Named> PartialEq<T> for Name<T> {
    fn eq(&self, value: &T) -> bool {
        self.known() == Some(*value)
    }
}

impl<T: Named> fmt::Display for Name<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: Named> Serialize for Name<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Named> Deserialize<'de> for Name<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::trace::{Mark, Phase, StepName};

    fn in_json<T: Named>(word: &str) -> Name<T> {
        serde_json::from_str(&std::format!("\"{word}\"")).expect("a string")
    }

    fn all_survive<T: Named + fmt::Debug>() {
        for &value in T::ALL {
            assert_eq!(in_json::<T>(value.name()), Name::Known(value));
        }
    }

    #[test]
    fn a_known_word_is_its_value_and_another_one_is_kept() {
        all_survive::<Mark>();
        all_survive::<Phase>();
        all_survive::<StepName>();
        let other: Name<StepName> = in_json("console:online");
        assert_eq!(other, Name::Other("console:online".into()));
        assert_eq!((other.known(), other.as_str()), (None, "console:online"));
        assert_eq!(serde_json::to_string(&other).unwrap(), "\"console:online\"");
        let known = Name::from(StepName::CpuCheck);
        assert!(other != StepName::CpuCheck && known == StepName::CpuCheck);
    }

    #[test]
    fn a_name_fills_its_column_like_a_word() {
        assert_eq!(std::format!("{:<6}|", Name::Known(Phase::Off)), "off   |");
        assert_eq!(std::format!("{:<6}|", Name::<Phase>::from("x")), "x     |");
    }
}
