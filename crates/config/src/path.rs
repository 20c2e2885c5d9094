//! Where in the document something is written. It becomes a text only when it has to be told.

use crate::ConfigError;
use std::fmt;

/// Where something is written: `identity.issuers[0].audience`. Empty for the document itself.
#[derive(Debug, Copy, Clone)]
pub(crate) struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    /// One name or several; none for an item of a list that is in a list.
    name: &'a str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// What is called so in the document; `""` is the document itself.
    pub(crate) const fn new(name: &'a str) -> Self {
        Self { outer: None, name, index: None }
    }

    /// An item of the list that is called so in the document.
    pub(crate) const fn entry_of(name: &'a str, index: usize) -> Self {
        Self { outer: None, name, index: Some(index) }
    }

    // These are not inlined: they are called from hundreds of places.

    /// What is called so in it.
    #[inline(never)]
    pub(crate) const fn member(&'a self, name: &'a str) -> Self {
        Self { outer: Some(self), name, index: None }
    }

    /// An item of the list that is called so in it.
    #[inline(never)]
    pub(crate) const fn entry(&'a self, name: &'a str, index: usize) -> Self {
        Self { outer: Some(self), name, index: Some(index) }
    }

    /// An item of it.
    #[inline(never)]
    pub(crate) const fn item(&'a self, index: usize) -> Self {
        Self { outer: Some(self), name: "", index: Some(index) }
    }

    const fn is_document(&self) -> bool {
        self.outer.is_none() && self.name.is_empty() && self.index.is_none()
    }
}

/// Compiles a list, each item with its path.
pub(crate) fn each<'w, W, T>(
    written: &'w [W],
    path: &Path<'_>,
    mut compile: impl FnMut(&'w W, &Path<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let mut compiled = Vec::with_capacity(written.len());
    for (index, item) in written.iter().enumerate() {
        compiled.push(compile(item, &path.item(index))?);
    }
    Ok(compiled)
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer.filter(|outer| !outer.is_document()) {
            outer.fmt(formatter)?;
            if !self.name.is_empty() {
                formatter.write_str(".")?;
            }
        }
        formatter.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(formatter, "[{index}]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_in_a_program() {
        let (document, list) = (Path::new(""), Path::entry_of("identity.issuers", 0));
        assert_eq!(document.to_string(), "");
        assert_eq!(document.member("limits").item(2).to_string(), "limits[2]");
        assert_eq!(document.item(1).item(2).member("a").to_string(), "[1][2].a");
        assert_eq!(list.member("audience").to_string(), "identity.issuers[0].audience");
        assert_eq!(list.entry("types", 3).to_string(), "identity.issuers[0].types[3]");
    }
}
