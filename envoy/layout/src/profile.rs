//! What is written down of a profile, a line for each function that requests run through: its name, its shape, and for each of its branches a sign.

use crate::function::Function;
use anyhow::{ensure, Context, Result};
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

/// Which way a branch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Mostly taken: the branch of a `br_if`, or what is inside of an `if`.
    Taken,
    /// Hardly ever taken.
    Passed,
    /// Both, or never asked.
    Unknown,
}

impl Hint {
    const SIGNS: [(Self, char); 3] = [(Self::Taken, '+'), (Self::Passed, '-'), (Self::Unknown, '.')];

    fn sign(self) -> char {
        Self::SIGNS.iter().find(|(hint, _)| *hint == self).map_or('.', |(_, sign)| *sign)
    }

    fn of(sign: char) -> Option<Self> {
        Self::SIGNS.iter().find(|(_, known)| *known == sign).map(|(hint, _)| *hint)
    }
}

/// A function that requests run through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// [`Function::name`].
    pub name: String,
    /// [`Function::shape`].
    pub shape: u32,
    /// Of each of its branches.
    pub hints: Vec<Hint>,
}

/// The functions that requests run through, in the order in which they are to lie.
#[derive(Debug, Default)]
pub struct Profile {
    known: Vec<Known>,
    by_name: BTreeMap<String, usize>,
    by_shape: BTreeMap<(String, u32), usize>,
}

impl Profile {
    /// A profile of these; of two with one name and shape the first is kept.
    #[must_use]
    pub fn new(functions: impl IntoIterator<Item = Known>) -> Self {
        let mut profile = Self::default();
        for known in functions {
            let place = profile.known.len();
            if profile.by_shape.contains_key(&(known.name.clone(), known.shape)) {
                continue;
            }
            profile.by_shape.insert((known.name.clone(), known.shape), place);
            profile.by_name.entry(known.name.clone()).or_insert(place);
            profile.known.push(known);
        }
        profile
    }

    /// All of them.
    #[must_use]
    pub fn functions(&self) -> &[Known] {
        &self.known
    }

    /// Where a function is to lie among those that are listed.
    #[must_use]
    pub fn place(&self, function: &Function) -> Option<usize> {
        let exact = self.by_shape.get(&(function.name.clone(), function.shape));
        exact.or_else(|| self.by_name.get(&function.name)).copied()
    }

    /// Which way its branches go, where it is still the function that the profile is about.
    #[must_use]
    pub fn hints(&self, function: &Function) -> Option<&[Hint]> {
        let place = self.by_shape.get(&(function.name.clone(), function.shape))?;
        let hints = self.known.get(*place)?.hints.as_slice();
        (hints.len() == function.branches).then_some(hints)
    }
}

impl Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Known { name, shape, hints } in &self.known {
            let signs: String = hints.iter().copied().map(Hint::sign).collect();
            writeln!(f, "{name} {shape:08x} {signs}")?;
        }
        Ok(())
    }
}

impl FromStr for Profile {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known: Result<Vec<Known>> = text.lines().map(known).collect();
        Ok(Self::new(known?))
    }
}

fn known(line: &str) -> Result<Known> {
    let mut words = line.split(' ');
    let name = words.next().filter(|name| !name.is_empty()).context("a line without a name")?.to_owned();
    let shape = words.next().and_then(|word| u32::from_str_radix(word, 16).ok());
    let shape = shape.with_context(|| format!("{name}: its shape is no number"))?;
    let hints: Option<Vec<Hint>> = words.next().unwrap_or_default().chars().map(Hint::of).collect();
    let hints = hints.with_context(|| format!("{name}: a branch is +, - or ."))?;
    ensure!(words.next().is_none(), "{name}: more than a name, a shape and branches");
    Ok(Known { name, shape, hints })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written() {
        let text = "proxy_on_log 0000beef +-.\nplain 00000001 \n";
        assert_eq!(text.parse::<Profile>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_profile_is_refused() {
        for text in ["name", "name xyz +", "name 1 +x", "name 1 + more", "\n"] {
            assert!(text.parse::<Profile>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_function_that_has_changed_keeps_its_place_and_loses_its_hints() {
        let profile: Profile = "first 1 +\nsecond 2 -\n".parse().unwrap();
        let second = |shape, branches| Function { name: "second".into(), shape, branches };
        assert_eq!(profile.place(&second(3, 1)), Some(1));
        assert_eq!(profile.hints(&second(2, 1)), Some([Hint::Passed].as_slice()));
        assert_eq!(profile.hints(&second(3, 1)), None);
        assert_eq!(profile.hints(&second(2, 2)), None);
    }
}
