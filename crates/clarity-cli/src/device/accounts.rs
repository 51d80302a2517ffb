//! Several accounts on one device, and signing out of one.

use std::path::PathBuf;

use clap::Args;
use clarity_client::{AccountStore, Revocation, WouldBeLost};
use serde_json::json;

use crate::device::account::{runtime, transport};
use crate::device::export::export_to;
use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, counted, table};

/// Arguments of `clarity device accounts`.
#[derive(Debug, Args)]
pub(crate) struct AccountsArguments {
    /// Use the store of this account from now on
    #[arg(long = "use", value_name = "NAME")]
    name: Option<String>,
    /// The account's server, where two accounts have one name
    #[arg(long, value_name = "URL", requires = "name")]
    server: Option<String>,
}

/// Shows the accounts of this device, or chooses one.
pub(crate) fn accounts(place: &Place, arguments: &AccountsArguments, output: Output) -> CliResult {
    let accounts = place.accounts();
    if let Some(name) = &arguments.name {
        let chosen = choose(accounts.list()?, name, arguments.server.as_deref())?;
        accounts.switch_to(&chosen.folder)?;
    }
    let stores = accounts.list()?;
    output.show_all(&stores, || {
        let mut shown = table(["account", "server", "store", ""]);
        for store in &stores {
            let account = store.account.as_ref();
            let name = account.map_or("(nobody has signed in)", |account| account.name.as_str());
            let server = account.map_or("", |account| account.server.as_str());
            let folder = store.folder.display().to_string();
            shown.add_row([name, server, &folder, if store.current { "in use" } else { "" }]);
        }
        shown.to_string()
    })?;
    Ok(ExitKind::Done)
}

fn choose(stores: Vec<AccountStore>, name: &str, server: Option<&str>) -> CliResult<AccountStore> {
    let is_it = |store: &AccountStore| {
        store.account.as_ref().is_some_and(|account| {
            account.name.eq_ignore_ascii_case(name)
                && server.is_none_or(|server| account.server == server.trim_end_matches('/'))
        })
    };
    let mut found: Vec<AccountStore> = stores.into_iter().filter(is_it).collect();
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(CliError::usage("several accounts have this name; add --server")),
        (None, _) => {
            let words = "no account of this name has signed in here: `clarity device login`";
            Err(CliError::state(words))
        }
    }
}

/// Arguments of `clarity device sign-out`.
#[derive(Debug, Args)]
#[command(after_help = "Without --confirm nothing is done: it shows what only this device has. \
`clarity device sync` sends what can be sent; --export writes all entities first.")]
pub(crate) struct SignOutArguments {
    /// Sign out and erase this device's store, losing so many changes: the number that was shown
    #[arg(long, value_name = "CHANGES")]
    confirm: Option<u64>,
    /// Before that, write all entities as JSON lines, with the changes that would be lost
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// Also when the server cannot be told: the device then stays in the account's list
    #[arg(long)]
    offline: bool,
}

/// Shows what signing out would lose, and signs out when that number is confirmed.
pub(crate) fn sign_out(place: &Place, arguments: &SignOutArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let lost = client.would_be_lost()?;
    let exported = match &arguments.export {
        Some(path) => Some(export_to(&client, path)?),
        None => None,
    };
    let Some(confirmed) = arguments.confirm else {
        let object = json!({
            "signed_out": false, "would_be_lost": lost, "exported": exported
        });
        output.show(&object, || words(&lost))?;
        return Ok(ExitKind::Done);
    };
    if confirmed != lost.total {
        let words = format!(
            "{} would be lost, not {confirmed}; nothing was done",
            counted(lost.total, "change", "changes")
        );
        return Err(CliError::state(words));
    }
    let transport = transport(&client)?;
    let how = if arguments.offline { Revocation::IfReachable } else { Revocation::Required };
    let ended = runtime()?.block_on(client.sign_out(&transport, &lost, how))?;
    place.keys().forget()?;
    place.accounts().forget(place.folder())?;
    let object = json!({
        "signed_out": true, "revoked": ended.revoked, "lost": lost, "exported": exported
    });
    output.show(&object, || {
        let told = if ended.revoked {
            "the server lets this device in no more"
        } else {
            "the server could not be told; take the device out of the list with \
             `clarity device devices --revoke` on another one"
        };
        format!("Signed out, and the store of this device is erased; {told}.")
    })?;
    Ok(ExitKind::Done)
}

fn words(lost: &WouldBeLost) -> String {
    let mut lines = vec![match lost.total {
        0 => "Nothing would be lost: the server has everything.".to_owned(),
        total => format!("{} only here:", counted(total, "change is", "changes are")),
    }];
    let parts =
        [("not sent", &lost.unsent), ("refused", &lost.failed), ("in conflict", &lost.conflicts)];
    for (what, types) in parts {
        for (entity_type, count) in types {
            lines.push(format!(
                "  {} of {entity_type}, {what}",
                counted(*count, "change", "changes")
            ));
        }
    }
    let total = lost.total;
    lines.push(format!(
        "`clarity device sign-out --confirm {total}` takes this device's access away and erases \
         its store; --export FILE writes everything to a file first."
    ));
    lines.join("\n")
}
