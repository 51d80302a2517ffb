//! `clarity serve` and `clarity dump-server`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use clarity_client::Schema;
use clarity_server::{Config, DATABASE_FILE, RestIds, Server, WebApp, dump_database};
use serde_json::json;

use crate::exit::{CliError, CliResult, ExitKind};
use crate::output::Output;
use crate::pulse;
use crate::signals::stop_signal;

/// Who makes ids.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Ids {
    Client,
    Server,
}

/// Arguments of `clarity serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Folder of the database; made when it does not exist
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Schema whose policies decide, instead of the one that ships
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Let anybody make an account, not only the first one
    #[arg(long)]
    open_sign_up: bool,
    /// A proxy in front makes connections secure: listen beyond this machine
    #[arg(long)]
    behind_proxy: bool,
    /// Folder with the files of a web app to serve from the same address, instead of the app that
    /// is in this program; they are read once, at the start
    #[arg(long, value_name = "FOLDER")]
    app: Option<PathBuf>,
    /// Serve the protocol alone, and no web app
    #[arg(long, conflicts_with = "app")]
    no_app: bool,
    /// Origin of a web app that another address serves, such as `https://pulse.example.org`
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    allow_origins: Vec<String>,
    /// The database was restored from a backup: devices compare what they have with it
    #[arg(long)]
    restored: bool,
    /// Who makes the ids of entities created by REST: the client, or always the server, which then
    /// also answers a change of an older version with 409 instead of 412
    #[arg(long, value_name = "WHO", default_value = "client")]
    rest_ids: Ids,
    /// Keep a record of every change that was ever made, for audits: about 100 bytes each
    #[arg(long)]
    keep_receipts: bool,
}

/// Arguments of `clarity dump-server`.
#[derive(Debug, Args)]
pub(crate) struct DumpArguments {
    /// Folder of the server's database; the server may run meanwhile
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Folder to write server-entities.jsonl and server-receipts.jsonl into
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// Reads a schema file.
pub(crate) fn read_schema(path: &Path) -> CliResult<Schema> {
    let text = std::fs::read_to_string(path).map_err(|error| CliError::file(path, &error))?;
    Schema::from_json(&text)
        .map_err(|error| CliError::usage(format!("{}: {error}", path.display())))
}

/// Runs the server until Ctrl-C or SIGTERM.
pub(crate) fn serve(arguments: ServeArguments, output: Output) -> CliResult {
    let schema = match &arguments.schema {
        Some(path) => read_schema(path)?,
        None => Schema::shipped().map_err(|error| CliError::unexpected(error.to_string()))?,
    };
    let web_app = match (&arguments.app, arguments.no_app) {
        (Some(folder), _) => Some(WebApp::read(folder)).transpose(),
        (None, true) => Ok(None),
        (None, false) => pulse::inside(),
    };
    let web_app = web_app.map_err(|error| CliError::usage(error.to_string()))?;
    let mut config = Config::new(arguments.data, Arc::new(schema));
    config.listen = arguments.listen;
    config.auth.open_sign_up = arguments.open_sign_up;
    config.behind_proxy = arguments.behind_proxy;
    config.web_app = web_app;
    config.allow_origins = arguments.allow_origins;
    config.restored = arguments.restored;
    config.keep_receipts = arguments.keep_receipts;
    config.rest_ids = match arguments.rest_ids {
        Ids::Client => RestIds::Client,
        Ids::Server => RestIds::Server,
    };
    let bound = Server::bind(config)?;
    let address = format!("http://{}", bound.local_addr()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // The signals are listened for before anybody is told that the server is ready.
        let signal = stop_signal()?;
        let stop = async {
            signal.await;
            // Whoever does not see this sees that the process ends.
            let _ = writeln!(std::io::stderr(), "stopping; requests in progress are finished");
        };
        let ready = json!({ "listening": address });
        output.show(&ready, || format!("listening on {address}"))?;
        bound.serve(stop).await?;
        Ok(ExitKind::Done)
    })
}

/// Writes what a server's database holds.
pub(crate) fn dump(arguments: &DumpArguments, output: Output) -> CliResult {
    let database = arguments.data.join(DATABASE_FILE);
    if !database.is_file() {
        let words = format!("there is no server's database in {}", arguments.data.display());
        return Err(CliError::state(words));
    }
    dump_database(&database, &arguments.to)?;
    let to = arguments.to.display().to_string();
    output.show(&json!({ "dumped_to": to }), || format!("written to {to}"))?;
    Ok(ExitKind::Done)
}
