//! How a module's code lies, by what its requests run through: which functions stand together, and which way branches mostly go.
//!
//! An engine that compiles a module ahead of time knows neither. V8, which Envoy has, puts the code of functions where they follow one another in the
//! module, and the blocks of a function as they are written, unless a branch is said to go mostly one way: then what is rare
//! lies behind the rest of its function, and registers are saved there alone. Most branches of a filter are checks that hold, so a small request
//! otherwise runs through twice as many cache lines as it has code.
//!
//! Both are found out by running requests through an [instrumented] module, written down as a [`Profile`], and put into each build
//! ([`arrange`]). It changes where code lies and never what it does: of a function that has changed since, the profile is passed over.
//!
//! Bounds: `if` and `br_if` alone carry hints; functions are known by their names, so a module without a name section stays as it is.

mod arrange;
mod function;
mod instrument;
mod profile;

pub use arrange::{arrange, without_names};
pub use function::{functions, Function};
pub use instrument::instrumented;
pub use profile::{Hint, Known, Profile};
