//! Bugs planted on purpose, one at a time, to show that the checks find them.
//!
//! None of them is in the product: each is a mistake of the driver, the network or the server's
//! operator in this simulation, where the real one would make it.

use std::str::FromStr;

/// A planted bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The driver tells the app that a write is kept before the transaction is committed.
    AcknowledgeBeforeCommit,
    /// The server forgets the receipt of an operation that it has applied.
    DropReceipt,
    /// The driver commits the cursor of a page apart from its rows, and before them.
    CursorBeforeRows,
    /// After a lost answer the driver sends the operation again under a new number.
    ResendUnderNewId,
    /// The transport takes any answer with status 200 for the server's.
    AcceptHtml,
    /// Housekeeping removes the row of an entity that has waiting operations.
    PrunePendingRow,
}

impl Plant {
    /// Every planted bug.
    pub const ALL: [Self; 6] = [
        Self::AcknowledgeBeforeCommit,
        Self::DropReceipt,
        Self::CursorBeforeRows,
        Self::ResendUnderNewId,
        Self::AcceptHtml,
        Self::PrunePendingRow,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeCommit => "acknowledge-before-commit",
            Self::DropReceipt => "drop-receipt",
            Self::CursorBeforeRows => "cursor-before-rows",
            Self::ResendUnderNewId => "resend-under-new-id",
            Self::AcceptHtml => "accept-html",
            Self::PrunePendingRow => "prune-pending-row",
        }
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|plant| plant.name() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("there is no planted bug of this name; known are {known}")
        })
    }
}
