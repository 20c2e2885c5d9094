//! Where a value stands: `q`, `items[2].name`, `user[$ne]#name`.
//!
//! Most values have nothing wrong with them, and nobody asks for their place. So a place is a chain of borrowed steps that costs
//! nothing to make, and is written out when it is asked for. Bounds: [`NAME_BYTES_MAX`] of each name, [`PLACE_BYTES_MAX`] of the whole
//! (what is longer keeps its beginning), and as many steps as a document may be deep.

use std::fmt;

/// Longest place that is written out whole.
const PLACE_BYTES_MAX: usize = 256;

/// What is kept of a longer one.
const PLACE_CHARS_KEPT: usize = 64;

/// Longest name that is written out whole.
const NAME_BYTES_MAX: usize = 256;

/// A place within a part of the request.
#[derive(Debug, Copy, Clone)]
pub enum Place<'a> {
    /// The part has no places: a text, a parameter without a name.
    Whole,
    /// A segment of a path.
    Segment(usize),
    /// A member of what stands at a place.
    Member(&'a Place<'a>, &'a str),
    /// An item of the list at a place.
    Item(&'a Place<'a>, usize),
    /// The name at a place, not the value.
    NameOf(&'a Place<'a>),
    /// The name of the file at a place.
    FilenameOf(&'a Place<'a>),
}

impl<'a> Place<'a> {
    /// A field, a parameter or a cookie.
    pub const fn named(name: &'a str) -> Self {
        Self::Member(&Place::Whole, name)
    }

    /// The place, written out and shortened.
    pub fn text(&self) -> String {
        let whole = self.to_string();
        if whole.len() <= PLACE_BYTES_MAX {
            return whole;
        }
        whole.chars().take(PLACE_CHARS_KEPT).chain(['…']).collect()
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Segment(index) => write!(formatter, "{index}"),
            Self::Member(Place::Whole, name) => formatter.write_str(&shortened(name)),
            Self::Member(parent, name) => write!(formatter, "{parent}.{}", shortened(name)),
            Self::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
            Self::NameOf(place) => write!(formatter, "{place}#name"),
            Self::FilenameOf(place) => write!(formatter, "{place}#filename"),
        }
    }
}

fn shortened(name: &str) -> std::borrow::Cow<'_, str> {
    if name.len() <= NAME_BYTES_MAX {
        return name.into();
    }
    name.chars().take(PLACE_CHARS_KEPT).chain(['…']).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_its_steps() {
        let items = Place::named("items");
        let second = Place::Item(&items, 2);
        assert_eq!(Place::Member(&second, "name").text(), "items[2].name");
        assert_eq!(Place::Item(&Place::Whole, 0).text(), "[0]");
        assert_eq!(Place::NameOf(&Place::named("user[$ne]")).text(), "user[$ne]#name");
        assert_eq!(Place::FilenameOf(&Place::named("photo")).text(), "photo#filename");
        assert_eq!((Place::Whole.text(), Place::Segment(3).text()), (String::new(), "3".to_owned()));
    }

    #[test]
    fn a_long_place_keeps_its_beginning() {
        let long = "é".repeat(200);
        assert_eq!(Place::NameOf(&Place::named(&long)).text(), format!("{}…#name", "é".repeat(64)));
        let name = "n".repeat(200);
        let outer = Place::named(&name);
        assert_eq!(Place::Member(&outer, &name).text(), format!("{}…", "n".repeat(64)));
    }
}
