//! Tests of the program `clarity`, on real processes.

mod device;
mod errors;
mod import;
mod json;
mod processes;
mod support;
mod tour;
