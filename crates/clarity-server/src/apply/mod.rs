//! Applying a push: each operation at most once, each with its own outcome.
//!
//! One transaction holds a whole request. Operations are decided on a plan in memory and written
//! only when their unit, a single operation or an atomic batch, is settled, so nothing ever needs
//! to be undone. A failing storage fails the request as a whole; a failing operation only itself.
//!
//! *Architecture Invariant:* nothing here knows of HTTP or SQL.

mod contribute;
mod decide;
mod incoming;
mod plan;
mod receipts;
mod single;

use std::collections::{BTreeMap, BTreeSet};

use clarity_model::{
    Counter, EntityType, Epoch, Incarnation, OperationId, Outcome, Schema, Seq, ServerTime,
};
use clarity_protocol::{ContributionAnswer, OperationAnswer, PushRequest};

use crate::storage::{AccountTransaction, DeviceId, StorageError};

use incoming::{Incoming, units};
use plan::Plan;

pub(crate) use plan::wire;
pub(crate) use single::apply_single;
pub use single::{Single, SingleOutcome, Wish};

/// Receipts that one push forgets at most: twice what one can add, so that they never pile up.
const RECEIPTS_PRUNED_MAX: u64 = 4_000;

/// How long the receipt of a single change is kept, in milliseconds: 100 days. Nobody says of these
/// names that they will not come again, and a device may be away for three months.
const SINGLE_RECEIPTS_KEPT_MS: i64 = 100 * 24 * 60 * 60 * 1_000;
/// Receipts of single changes that one request forgets at most.
const SINGLE_RECEIPTS_PRUNED_MAX: u64 = 100;

/// What applying needs to know besides the request.
pub(crate) struct Context<'a> {
    /// Decides how fields merge.
    pub(crate) schema: &'a Schema,
    /// The server's time, one for the whole request.
    pub(crate) now: ServerTime,
    /// A random number for the marks of the positions that this request takes.
    pub(crate) seed: u64,
    /// The life of the database.
    pub(crate) epoch: Epoch,
    /// The device that pushes.
    pub(crate) device: DeviceId,
    /// Whether receipts stay after their devices have heard of them.
    pub(crate) keep_receipts: bool,
}

/// What a push did.
pub(crate) struct Applied {
    /// One answer for each contributed entity.
    pub(crate) contributed: Vec<ContributionAnswer>,
    /// One answer for each operation.
    pub(crate) answers: Vec<OperationAnswer>,
    /// The types of the entities that changed.
    pub(crate) changed: BTreeSet<EntityType>,
}

/// Applies the operations of a request inside a transaction.
pub(crate) fn apply<T: AccountTransaction>(
    transaction: &mut T,
    context: &Context<'_>,
    request: &PushRequest,
) -> Result<Applied, StorageError> {
    let incarnation = request.incarnation;
    let mark =
        transaction.raise_settled_mark(incarnation, context.device, request.settled_below)?;
    let mut session = Session::begin(transaction, context, incarnation, mark)?;
    session.foreign_bases = request.foreign_bases.iter().copied().collect();
    if let Some(contribution) = &request.contribution {
        session.contribution(contribution)?;
    }
    let operations = request.operations.iter().map(|raw| Incoming::read(raw)).collect();
    for unit in units(operations) {
        session.unit(unit)?;
    }
    session.end()
}

/// One request on its way through.
struct Session<'a, T> {
    transaction: &'a mut T,
    context: &'a Context<'a>,
    incarnation: Incarnation,
    /// Below it, an operation without a receipt may have been applied and forgotten.
    mark: Counter,
    /// Above it, no operation has a receipt: most lookups need not be made.
    newest_receipt: Counter,
    /// Operations whose base belongs to another history.
    foreign_bases: BTreeSet<Counter>,
    /// The last position that was given out before this request.
    head_before: Seq,
    /// The last position that was given out.
    head: Seq,
    contributed: Vec<ContributionAnswer>,
    answers: Vec<OperationAnswer>,
    changed: BTreeSet<EntityType>,
}

impl<'a, T: AccountTransaction> Session<'a, T> {
    fn begin(
        transaction: &'a mut T,
        context: &'a Context<'a>,
        incarnation: Incarnation,
        mark: Counter,
    ) -> Result<Self, StorageError> {
        let head = transaction.head()?;
        let newest_receipt = transaction.newest_receipt(incarnation)?;
        Ok(Self {
            transaction,
            context,
            incarnation,
            mark,
            newest_receipt,
            foreign_bases: BTreeSet::new(),
            head_before: head,
            head,
            contributed: Vec::new(),
            answers: Vec::new(),
            changed: BTreeSet::new(),
        })
    }

    /// Moves the log's head, and forgets what nobody asks for any more.
    fn end(self) -> Result<Applied, StorageError> {
        let Self { transaction, context, .. } = self;
        if self.head > self.head_before {
            transaction.advance_head(self.head, context.seed)?;
        }
        if !context.keep_receipts {
            transaction.prune_receipts(self.incarnation, self.mark, RECEIPTS_PRUNED_MAX)?;
            let before = ServerTime(context.now.0.saturating_sub(SINGLE_RECEIPTS_KEPT_MS));
            transaction.prune_single_receipts(before, SINGLE_RECEIPTS_PRUNED_MAX)?;
        }
        let Self { contributed, answers, changed, .. } = self;
        Ok(Applied { contributed, answers, changed })
    }

    /// Settles operations that stand or fall together.
    fn unit(&mut self, unit: Vec<Incoming>) -> Result<(), StorageError> {
        let mut plan = Plan::new(self.head, unit.len() > 1);
        let mut answers = Vec::with_capacity(unit.len());
        let mut fresh = Vec::with_capacity(unit.len());
        let mut blocked_by = None;
        for incoming in unit {
            let (receipt, answer) = match blocked_by {
                None => self.operation(&mut plan, incoming)?,
                Some(blocking) => self.blocked(&mut plan, incoming, blocking)?,
            };
            if !answer.outcome.is_settled() && blocked_by.is_none() {
                blocked_by = Some(answer.id);
            }
            fresh.push(receipt);
            answers.push(answer);
        }
        if let Some(blocking) = blocked_by {
            for (answer, receipt) in answers.iter_mut().zip(&mut fresh) {
                if receipt.is_some() && answer.outcome.is_settled() {
                    *answer = blocked_answer(answer.id, blocking);
                }
            }
            plan = Plan::new(self.head, false);
        }
        for (receipt, answer) in fresh.into_iter().zip(&answers) {
            if let Some(receipt) = receipt {
                self.keep_receipt(receipt, answer)?;
            }
        }
        self.head = plan.head();
        plan.write(self.transaction, &mut self.changed)?;
        self.answers.append(&mut answers);
        Ok(())
    }

    fn name(&self, counter: Counter) -> OperationId {
        OperationId { incarnation: self.incarnation, counter }
    }
}

fn blocked_answer(id: Counter, blocking: Counter) -> OperationAnswer {
    OperationAnswer { blocked_by: Some(blocking), ..plain_answer(id, Outcome::Blocked) }
}

fn plain_answer(id: Counter, outcome: Outcome) -> OperationAnswer {
    OperationAnswer {
        id,
        outcome,
        entity_id: None,
        version: None,
        entity: None,
        fields: BTreeMap::new(),
        rejection: None,
        blocked_by: None,
    }
}
