//! Bugs planted on purpose, one at a time, to show that the checks find them.
//!
//! None of them is in the product: each is a mistake of the driver, the transport, the server or
//! its operator, made in this simulation where the real one would make it.

use std::str::FromStr;

/// Declares the planted bugs, each with its name on the command line.
macro_rules! plants {
    ($($(#[$words:meta])* $plant:ident $name:literal,)*) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Plant {
            $($(#[$words])* $plant,)*
        }

        impl Plant {
            /// Every planted bug.
            pub const ALL: [Self; 26] = [$(Self::$plant,)*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)*
                }
            }
        }
    };
}

plants! {
    /// The driver tells the app that a write is kept before the transaction is committed.
    AcknowledgeBeforeCommit "acknowledge-before-commit",
    /// The server forgets the receipt of an operation that it has applied.
    DropReceipt "drop-receipt",
    /// The driver commits the cursor of a page apart from its rows, and before them.
    CursorBeforeRows "cursor-before-rows",
    /// After a lost answer the driver sends the operation again under a new number.
    ResendUnderNewId "resend-under-new-id",
    /// The transport takes any answer with status 200 for the server's.
    AcceptHtml "accept-html",
    /// Housekeeping removes the row of an entity that has waiting operations.
    PrunePendingRow "prune-pending-row",
    /// Housekeeping removes a row and leaves no word of it.
    ForgetEvictedRow "forget-evicted-row",
    /// The server reads the log of another account.
    RowsOfAnotherAccount "rows-of-another-account",
    /// The server's log skips a row, as when positions are given out before the commit.
    PageWithoutRow "page-without-row",
    /// The server forgets what was deleted.
    PageWithoutDeletes "page-without-deletes",
    /// The server does not say what it lost when it was restored.
    SilentRestore "silent-restore",
    /// The server gives the fields of an older version under a newer number.
    StaleRow "stale-row",
    /// The server answers before what it answers is durable.
    AnswerBeforeCommit "answer-before-commit",
    /// The server says of what it refused that it was done.
    RefusedAsApplied "refused-as-applied",
    /// Something between device and server repeats a change under a name of its own.
    AppliedTwice "applied-twice",
    /// The server takes the last writer's value for the merge.
    MergeWithoutBase "merge-without-base",
    /// The device says that it has heard of what it only has sent.
    SettledTooFar "settled-too-far",
    /// The server applies a batch but for its last operation.
    TornBatch "torn-batch",
    /// The transport knows only the fields of its own version.
    UnknownFieldsDropped "unknown-fields-dropped",
    /// The driver loses a timer.
    LostTimer "lost-timer",
    /// The driver does not wait for the time of a timer.
    NoBackoff "no-backoff",
    /// The driver loses an answer that has come.
    LostAnswer "lost-answer",
    /// The disk says that it has written what it has not.
    LyingDisk "lying-disk",
    /// The driver keeps tokens without looking whose they are.
    ForeignTokens "foreign-tokens",
    /// The driver gives up an operation whose request ran out of time.
    GivenUp "given-up",
    /// The driver puts the server's row over one with waiting changes.
    PullOverPending "pull-over-pending",
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
