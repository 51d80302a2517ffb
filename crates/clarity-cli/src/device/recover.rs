//! Recovering a damaged store.

use clap::Args;
use clarity_client::{Client, ErrorKind, Recovery};
use serde_json::json;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, grouped};

/// Arguments of `clarity device recover`.
#[derive(Debug, Args)]
pub(crate) struct RecoverArguments {
    /// Also when no damage is found, for a store that holds what nobody can have written
    #[arg(long)]
    force: bool,
}

/// Recovers the store. It ends with 0 when nothing was lost, and with 9 when a person should look.
pub(crate) fn run(place: &Place, arguments: &RecoverArguments, output: Output) -> CliResult {
    place.must_be_there()?;
    let recovered = Client::recover(&place.options()?, arguments.force).map_err(|error| {
        if error.kind() == ErrorKind::Busy {
            let words = "another process has the store open; end it, such as `clarity device \
                         watch`, and try again";
            return CliError::state(words);
        }
        error.into()
    });
    let Some(recovery) = recovered? else {
        output.show(&json!({ "damaged": false }), || {
            "The store is sound; nothing was changed.".to_owned()
        })?;
        return Ok(ExitKind::Done);
    };
    let lost_nothing = recovery.lost_nothing();
    let object = json!({
        "damaged": true, "lost_nothing": lost_nothing, "recovery": recovery
    });
    output.show(&object, || words(&recovery))?;
    let all_well = lost_nothing && recovery.operations.for_a_person == 0;
    Ok(if all_well { ExitKind::Done } else { ExitKind::Attention })
}

fn words(recovery: &Recovery) -> String {
    let Recovery { salvaged, operations, .. } = recovery;
    let mut lines = vec![format!("The damaged store is now {}", salvaged.moved_to.display())];
    for (name, table) in &salvaged.tables {
        if table.saved == 0 && table.complete {
            continue;
        }
        let rest = match (table.complete, table.unreadable) {
            (true, _) => "",
            (false, 0) => ", and some may be lost",
            (false, _) => ", and some are lost",
        };
        lines.push(format!("saved    {}: {}{rest}", name, counted(table.saved, "row", "rows")));
    }
    if let Some(counted) = salvaged.operations_counted {
        let saved = salvaged.tables.get("operation").map_or(0, |table| table.saved);
        lines.push(format!("queue    {} of {} operations", grouped(saved), grouped(counted)));
    }
    if operations.rebuilt > 0 {
        let rebuilt = counted(operations.rebuilt, "operation", "operations");
        lines.push(format!("made     {rebuilt} anew, from what the app last showed"));
    }
    if operations.for_a_person > 0 {
        let waiting = counted(operations.for_a_person, "operation", "operations");
        lines.push(format!("to do    look at {waiting}: `clarity device failed`"));
    }
    lines.push(if !salvaged.account_known {
        "to do    it is not known whose store this was: `clarity device login`".to_owned()
    } else if recovery.lost_nothing() {
        "Nothing was lost.".to_owned()
    } else {
        "What the server has is read again by the next `clarity device sync`.".to_owned()
    });
    lines.join("\n")
}
