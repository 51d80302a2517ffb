//! Questions to the server beside the sync, with the same tokens.

use clarity_engine::Event;
use clarity_engine::protocol::{Failure, FailureClass, Tokens};

use crate::client::Client;
use crate::error::ClientError;
use crate::http::HttpTransport;
use crate::storing::now;
use crate::transport::{Refreshed, Transport};

impl Client {
    /// Asks the server something with the access token, and once more with a new one when that has
    /// expired. New tokens are durable before their first use. Should the driver renew them at the
    /// same time, the server gives both the same refresh token, and the first that is stored stays.
    ///
    /// # Errors
    /// Those of `ask`; with [`FailureClass::Auth`] when a person must sign in again.
    pub async fn with_access_token<T>(
        &self,
        transport: &HttpTransport,
        ask: impl AsyncFn(String) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let credentials = self.credentials()?.unwrap_or_default();
        match ask(credentials.access_token.unwrap_or_default()).await {
            Err(ClientError::Server(failure)) if failure.class == FailureClass::Auth => {}
            other => return other,
        }
        let tokens = match transport.refresh(credentials.refresh_token.clone()).await {
            Refreshed::Tokens(tokens) => tokens,
            Refreshed::Refused => {
                let words = "the server does not accept this device any more; sign in again";
                return Err(Failure::new(FailureClass::Auth, words).into());
            }
            Refreshed::Failed(failure) => return Err(failure.into()),
        };
        let token = tokens.access_token.clone();
        self.renewed(credentials.refresh_token, tokens)?;
        ask(token).await
    }

    /// Keeps tokens that were given for `asked_with`, unless others came meanwhile.
    fn renewed(&self, asked_with: Option<String>, tokens: Tokens) -> Result<(), ClientError> {
        self.worker().run(move |device| {
            let transaction = device.store().begin()?;
            let known = transaction.credentials()?.and_then(|known| known.refresh_token);
            drop(transaction);
            if known != asked_with {
                return Ok(());
            }
            let event = Event::SignedIn(tokens);
            device.handle_as_drain(vec![event], now())
        })?
    }
}
