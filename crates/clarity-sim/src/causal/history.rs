//! What clients did and saw.

use std::collections::BTreeMap;

/// One of the shared registers, counted from zero.
pub type Register = usize;

/// A number that one transaction writes to one register. Zero is what a register begins with.
pub type Value = u64;

/// All registers as they were at one moment, in their order.
pub type Snapshot = Vec<Value>;

/// What a client did as one: it read all registers at one moment, then wrote some, all or none of
/// them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who did it.
    pub client: usize,
    /// What it read, if it did.
    pub read: Option<Snapshot>,
    /// What it wrote then.
    pub written: BTreeMap<Register, Value>,
    /// Whether the write was acknowledged. One that was not may have happened.
    pub acknowledged: bool,
}

/// The transactions of all clients, in an order in which each client's are as it made them, and
/// each comes after those whose writes it saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// How many registers there are.
    pub registers: usize,
    /// What happened.
    pub transactions: Vec<Transaction>,
    /// What each place held after everything had healed: the clients and the server, by name.
    pub ends: Vec<(String, Snapshot)>,
}

impl History {
    /// A history in which nothing has happened yet.
    #[must_use]
    pub fn new(registers: usize) -> Self {
        Self { registers, ..Self::default() }
    }
}
