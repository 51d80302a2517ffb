//! The laws of the model, and the tables that people read to understand it.

mod fold_laws;
mod fold_table;
mod identifiers;
mod merge_laws;
mod merge_table;
mod migration_laws;
mod migration_table;
mod schema_file;
mod secrecy;
mod strategies;
mod text_laws;
mod validation;
