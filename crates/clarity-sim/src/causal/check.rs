//! The checker.
//!
//! For each client it keeps the least that every register may hold from now on, and why. Whoever
//! sees the number of a transaction must see, at the same moment, everything that its writer had
//! seen and written before. That is all of causal consistency for registers that keep the largest
//! number, and it takes one pass over the history.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use super::history::{History, Register, Snapshot, Transaction, Value};

/// What did not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Clause {
    /// A client sees what it wrote before.
    ReadYourWrites,
    /// A client never sees less than it saw before.
    MonotonicReads,
    /// Whoever sees a write sees what its client wrote before it.
    MonotonicWrites,
    /// Whoever sees a write sees what its client had seen before it.
    WritesFollowReads,
    /// What is written at once is seen at once.
    AtomicReads,
    /// Nobody sees what nobody had written.
    NothingFromNowhere,
    /// In the end all hold the same.
    EqualFinalState,
    /// In the end every acknowledged write is there.
    NothingLost,
}

impl Clause {
    /// The clause in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic reads",
            Self::MonotonicWrites => "monotonic writes",
            Self::WritesFollowReads => "writes follow reads",
            Self::AtomicReads => "atomic reads",
            Self::NothingFromNowhere => "nothing from nowhere",
            Self::EqualFinalState => "equal final state",
            Self::NothingLost => "nothing lost",
        }
    }
}

/// Something that may not be seen was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What did not hold.
    pub clause: Clause,
    /// What was seen, in words.
    pub words: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.clause.words(), self.words)
    }
}

/// The least that a register may hold, and why not less.
type Bounds = BTreeMap<Register, (Value, Clause)>;

/// What somebody who sees a transaction must see with it.
type Demands = BTreeMap<(Register, Value), Bounds>;

/// Looks for what may not be seen, in the order of the history.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut sessions: BTreeMap<usize, Bounds> = BTreeMap::new();
    let mut demands = Demands::new();
    for (position, transaction) in history.transactions.iter().enumerate() {
        let session = sessions.entry(transaction.client).or_default();
        let who = format!("client {} in transaction {position}", transaction.client);
        if let Some(read) = &transaction.read {
            look(read, session, &demands, &who, &mut violations);
            raise_all(session, values(read), Clause::MonotonicReads);
        }
        note_writes(transaction, session, &mut demands);
    }
    let mut acknowledged = Bounds::new();
    for transaction in history.transactions.iter().filter(|one| one.acknowledged) {
        let written = transaction.written.iter().map(|(register, value)| (*register, *value));
        raise_all(&mut acknowledged, written, Clause::NothingLost);
    }
    for (name, end) in &history.ends {
        look(end, &acknowledged, &demands, name, &mut violations);
        let (first, expected) = &history.ends[0];
        if end != expected {
            let words = format!("{name} holds {end:?}, {first} holds {expected:?}");
            violations.push(Violation { clause: Clause::EqualFinalState, words });
        }
    }
    violations
}

fn values(snapshot: &Snapshot) -> impl Iterator<Item = (Register, Value)> {
    snapshot.iter().copied().enumerate()
}

fn raise(bounds: &mut Bounds, register: Register, value: Value, clause: Clause) {
    let bound = bounds.entry(register).or_insert((0, clause));
    if value > bound.0 {
        *bound = (value, clause);
    }
}

fn raise_all(bounds: &mut Bounds, values: impl Iterator<Item = (Register, Value)>, clause: Clause) {
    for (register, value) in values {
        raise(bounds, register, value, clause);
    }
}

/// Compares what somebody saw with the least that they had to see.
fn look(
    seen: &Snapshot,
    session: &Bounds,
    demands: &Demands,
    who: &str,
    violations: &mut Vec<Violation>,
) {
    let mut least = session.clone();
    for (register, value) in values(seen).filter(|(_, value)| *value > 0) {
        match demands.get(&(register, value)) {
            Some(demanded) => {
                for (register, (value, clause)) in demanded {
                    raise(&mut least, *register, *value, *clause);
                }
            }
            None => {
                let words = format!("{who} saw {value} in register {register}");
                violations.push(Violation { clause: Clause::NothingFromNowhere, words });
            }
        }
    }
    for (register, (value, clause)) in least {
        let found = seen.get(register).copied().unwrap_or_default();
        if found < value {
            let words = format!("{who} saw {found} in register {register}, not yet {value}");
            violations.push(Violation { clause, words });
        }
    }
}

/// Notes what must be seen with a transaction, and what its client must see from now on.
fn note_writes(transaction: &Transaction, session: &mut Bounds, demands: &mut Demands) {
    let written = || transaction.written.iter().map(|(register, value)| (*register, *value));
    let mut demanded = Bounds::new();
    for (register, (value, clause)) in session.iter() {
        let clause = match clause {
            Clause::ReadYourWrites => Clause::MonotonicWrites,
            _ => Clause::WritesFollowReads,
        };
        raise(&mut demanded, *register, *value, clause);
    }
    raise_all(&mut demanded, written(), Clause::AtomicReads);
    for write in written() {
        demands.insert(write, demanded.clone());
    }
    if transaction.acknowledged {
        raise_all(session, written(), Clause::ReadYourWrites);
    }
}
