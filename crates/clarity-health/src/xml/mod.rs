//! Tags and attributes from a stream that may be damaged anywhere.

mod attributes;
mod scanner;

pub(crate) use attributes::{Attributes, element_name};
pub(crate) use scanner::{Breakage, Scanner, Token};
