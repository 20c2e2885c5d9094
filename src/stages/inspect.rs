//! What are they sending?

pub mod detectors;
pub mod inspector;
pub mod lexer;
pub mod model;
pub mod phrase;
