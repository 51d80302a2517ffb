//! Showing something again each time that it changes.

use clarity_client::{ClientError, Live};

use crate::device::account::runtime;
use crate::exit::{CliResult, ExitKind};
use crate::output::Output;

/// Shows what is watched until Ctrl-C: a person at a terminal sees the newest in place of what was
/// before, a program one object a line.
pub(crate) fn follow<T>(
    mut live: Live<T>,
    output: Output,
    mut show: impl FnMut(Output, &T) -> CliResult<()>,
) -> CliResult {
    runtime()?.block_on(async {
        loop {
            let next: Option<Result<T, ClientError>> = tokio::select! {
                next = live.next() => next,
                signal = tokio::signal::ctrl_c() => {
                    signal?;
                    None
                }
            };
            let Some(value) = next.transpose()? else { return Ok(ExitKind::Done) };
            output.redraw()?;
            show(output, &value)?;
        }
    })
}
