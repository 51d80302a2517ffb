//! Hearing that the process is asked to stop.

use crate::exit::CliResult;

/// Ready when the process is asked to stop.
#[cfg(unix)]
pub(crate) fn stop_signal() -> CliResult<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Ready when the process is asked to stop.
#[cfg(not(unix))]
pub(crate) fn stop_signal() -> CliResult<impl Future<Output = ()>> {
    Ok(async {
        // Without a way to hear of it, the process ends as the system ends it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
