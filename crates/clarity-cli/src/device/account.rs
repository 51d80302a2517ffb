//! Accounts: signing up, signing in, and the account's devices.

use std::io::{BufRead, IsTerminal, Write};

use clap::Args;
use clarity_client::engine::protocol::model::Incarnation;
use clarity_client::engine::protocol::{DeviceList, Tokens, path};
use clarity_client::{Client, ClientError, HttpTransport, KnownAccount};
use serde_json::json;
use tokio::runtime::Runtime;

use crate::device::store::Place;
use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::{Output, table};

/// The environment variable that holds the password.
const PASSWORD_VARIABLE: &str = "CLARITY_PASSWORD";

/// Arguments of `clarity device sign-up` and `login`.
#[derive(Debug, Args)]
#[command(after_help = "The password is asked for; or comes from --password-stdin or the \
environment variable CLARITY_PASSWORD. There is no option for it: other people of the machine can \
read a command's options.")]
pub(crate) struct SignInArguments {
    /// The server's address
    #[arg(long, value_name = "URL")]
    server: String,
    /// The account's name
    #[arg(long)]
    name: String,
    /// What this device is called in the list of devices [default: the machine's name]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Read the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

/// Arguments of `clarity device devices`.
#[derive(Debug, Args)]
pub(crate) struct DevicesArguments {
    /// Take this device's access away; what it has not sent stays on it
    #[arg(long, value_name = "ID")]
    revoke: Option<String>,
}

/// A runtime for the commands that use the network.
pub(crate) fn runtime() -> CliResult<Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// The way to the server that this store is signed in to.
pub(crate) fn transport(client: &Client) -> CliResult<HttpTransport> {
    let credentials = client.credentials()?.filter(|there| there.refresh_token.is_some());
    let Some(credentials) = credentials else {
        let words = "this store is not signed in; sign in with `clarity device login`";
        return Err(CliError::new(ExitKind::SignIn, words));
    };
    Ok(HttpTransport::new(&credentials.server)?)
}

/// Makes an account.
pub(crate) fn sign_up(place: &Place, arguments: &SignInArguments, output: Output) -> CliResult {
    sign_in_with(place, arguments, output, true)
}

/// Signs in to an account.
pub(crate) fn login(place: &Place, arguments: &SignInArguments, output: Output) -> CliResult {
    sign_in_with(place, arguments, output, false)
}

fn sign_in_with(
    place: &Place,
    arguments: &SignInArguments,
    output: Output,
    new: bool,
) -> CliResult {
    let transport = HttpTransport::new(&arguments.server)?;
    let password = password(arguments, new)?;
    let device_name = arguments.device_name.clone().unwrap_or_else(machine_name);
    let mut chosen = store_for(place, &transport, &arguments.name)?;
    let mut client = chosen.open_or_make()?;
    let sign_in = async |client: &Client, new: bool| {
        let incarnation = client.meta()?.incarnation;
        ask(&transport, &arguments.name, &password, &device_name, incarnation, new).await
    };
    let runtime = runtime()?;
    let mut tokens = runtime.block_on(sign_in(&client, new))?;
    let accounts = place.accounts();
    let known = accounts.find_by_id(&tokens.account_id)?;
    if let Some(known) = known.filter(|known| known.folder != chosen.folder()) {
        // It is an account that this device knows under another name or address.
        drop(client);
        chosen = place.within(&known.folder);
        client = chosen.open_or_make()?;
        tokens = runtime.block_on(sign_in(&client, false))?;
    }
    let account = KnownAccount {
        server: transport.address().to_owned(),
        name: arguments.name.clone(),
        account_id: tokens.account_id.clone(),
    };
    let device = tokens.device_id.clone();
    client.signed_in(transport.address(), &arguments.name, tokens)?;
    accounts.note(chosen.folder(), &account)?;
    accounts.switch_to(chosen.folder())?;
    let folder = chosen.folder().display().to_string();
    let object = json!({
        "server": account.server,
        "name": account.name,
        "account_id": account.account_id,
        "device_id": device,
        "device_name": device_name,
        "store": folder,
    });
    output.show(&object, || {
        format!(
            "Signed in to {} as {}; this device is called {device_name}. `clarity device sync` \
             sends what waits and reads what is there.",
            account.server, account.name
        )
    })?;
    Ok(ExitKind::Done)
}

/// The store that a sign-in is for: the one in use where nobody or this account has signed in, the
/// account's own where it was here before, and a new one otherwise.
fn store_for(place: &Place, transport: &HttpTransport, name: &str) -> CliResult<Place> {
    let accounts = place.accounts();
    if let Some(known) = accounts.find(transport.address(), name)? {
        return Ok(place.within(&known.folder));
    }
    let client = place.open_or_make()?;
    let is_same = client.credentials()?.is_some_and(|known| {
        known.server == transport.address() && known.name.eq_ignore_ascii_case(name)
    });
    if is_same || client.meta()?.account_id.is_none() {
        return Ok(place.within(place.folder()));
    }
    let other = place.within(&accounts.make_folder()?);
    // Who encrypts one store of a device wants none to be readable.
    other.keys().choose_like(&place.keys(), &place.options_without_key()?)?;
    Ok(other)
}

async fn ask(
    transport: &HttpTransport,
    name: &str,
    password: &str,
    device_name: &str,
    incarnation: Incarnation,
    new: bool,
) -> Result<Tokens, ClientError> {
    if new {
        transport.sign_up(name, password, device_name, incarnation).await
    } else {
        transport.sign_in(name, password, device_name, incarnation).await
    }
}

fn password(arguments: &SignInArguments, new: bool) -> CliResult<String> {
    if arguments.password_stdin {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    if !std::io::stdin().is_terminal() {
        let words = "there is no terminal to ask for the password; \
                     use --password-stdin or CLARITY_PASSWORD";
        return Err(CliError::usage(words));
    }
    let asked = |prompt: &str| -> CliResult<String> {
        write!(std::io::stderr(), "{prompt}")?;
        std::io::stderr().flush()?;
        Ok(rpassword::read_password()?)
    };
    let password = asked("Password: ")?;
    if new && asked("The same password again: ")? != password {
        return Err(CliError::usage("the two passwords are not the same; nothing was done"));
    }
    Ok(password)
}

/// The machine's name, or a word for it where the system does not tell.
fn machine_name() -> String {
    let told = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told.or_else(|| std::env::var("HOSTNAME").ok());
    let told = told.or_else(|| std::env::var("COMPUTERNAME").ok());
    let name = told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| "terminal".to_owned())
}

/// Shows or revokes the account's devices.
pub(crate) fn devices(place: &Place, arguments: &DevicesArguments, output: Output) -> CliResult {
    let client = place.open()?;
    let transport = transport(&client)?;
    let runtime = runtime()?;
    if let Some(id) = &arguments.revoke {
        let resource = format!("{}/{id}", path::DEVICES);
        runtime.block_on(client.with_access_token(&transport, async |token: String| {
            transport.delete(&resource, &token).await
        }))?;
        output.show(&json!({ "revoked": id }), || {
            "Revoked: it must sign in again with the password. What it has not sent stays on it."
                .to_owned()
        })?;
        return Ok(ExitKind::Done);
    }
    let list: DeviceList =
        runtime.block_on(client.with_access_token(&transport, async |token: String| {
            transport.get(path::DEVICES, &token).await
        }))?;
    output.show(&list, || {
        let mut shown = table(["device", "name", "last heard", ""]);
        for device in &list.devices {
            let note = match (device.current, device.revoked) {
                (true, _) => "this device",
                (false, true) => "revoked",
                (false, false) => "",
            };
            let heard = ago(device.last_seen_at.0);
            shown.add_row([device.id.as_str(), &device.name, &heard, note]);
        }
        shown.to_string()
    })?;
    Ok(ExitKind::Done)
}

/// How long ago a time was, in words.
pub(crate) fn ago(at_ms: i64) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
    let seconds = now_ms.saturating_sub(at_ms).max(0) / 1_000;
    let (number, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "minute"),
        3_600..86_400 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}
