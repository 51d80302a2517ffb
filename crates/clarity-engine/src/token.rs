//! Tokens: renewed once for everything that waits, before they end, and never the end of anything.

use clarity_model::LocalTime;
use clarity_protocol::Tokens;
use clarity_store::StoreError;

use crate::context::Context;
use crate::drive;
use crate::event::{Effect, TokenResult};
use crate::schedule::{Pause, Schedule};

/// How many renewals in a row may be refused again before a person is asked.
const RENEWALS_MAX: u32 = 2;
/// How long before its end an access token is renewed at most, in milliseconds; of a short-lived
/// one, a fifth of its life.
const RENEW_AHEAD_MS: i64 = 60_000;
/// How long an access token is used at least before it is renewed ahead of its end, in
/// milliseconds, so that a server which gives tokens without a life is not asked all the time.
const RENEW_AFTER_MS_MIN: i64 = 30_000;

impl Schedule {
    /// Whether the next request needs a new token first. The end of a token is known as a duration
    /// since it came: a clock that jumps makes one renewal more or one request that is refused.
    pub(crate) fn must_renew(&self, now: LocalTime) -> bool {
        self.renew_at.is_some_and(|at| at <= now)
    }
}

/// Asks for new tokens, once for everything that waits.
pub(crate) fn renew(schedule: &mut Schedule, effects: &mut Vec<Effect>) {
    // A renewal that fails is not asked for again and again: what is sent next asks for another.
    schedule.renew_at = None;
    schedule.renewing_ahead = true;
    schedule.refreshing = true;
    effects.push(Effect::RefreshToken { round: schedule.token });
}

/// The access token was refused: one refresh for everything that waits. A new token that is
/// refused as well is for a person to look at.
pub(crate) fn refused(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    message: &str,
) -> Result<Vec<Effect>, StoreError> {
    if schedule.refreshing {
        return Ok(Vec::new());
    }
    let expires_at = context.tx.credentials()?.and_then(|known| known.access_expires_at);
    if expires_at.is_some_and(|end| end <= context.now) {
        // It ran out before it was of use, as on a network that lets little through: that says
        // nothing against the next one.
        schedule.refusals = 0;
    }
    if schedule.refusals >= RENEWALS_MAX {
        schedule.pause(Pause::AuthRequired, context.now, message);
        return Ok(Vec::new());
    }
    schedule.refreshing = true;
    Ok(vec![Effect::RefreshToken { round: schedule.token }])
}

/// A person asks for a sync although a server wanted them to sign in. It may have been another one
/// at the same address, or one that has its accounts back: as long as there are tokens, they are
/// tried once more.
pub(crate) fn ask_again(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
) -> Result<(), StoreError> {
    const REFUSALS: [Pause; 2] = [Pause::AuthRequired, Pause::AccessRemoved];
    let refused = REFUSALS.iter().any(|pause| schedule.pauses.contains_key(pause));
    let known = context.tx.credentials()?;
    let has_tokens = known.is_some_and(|known| known.refresh_token.is_some());
    if refused && has_tokens && schedule.may_hurry(context.now) {
        schedule.pauses.retain(|pause, _| !REFUSALS.contains(pause));
        context.noted.status = true;
    }
    Ok(())
}

/// A token refresh has ended. One that was asked before a person signed in was about tokens that
/// are worth nothing since: it says nothing of the new ones.
pub(crate) fn result(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    round: u64,
    result: TokenResult,
) -> Result<(), StoreError> {
    if !schedule.refreshing || round != schedule.token {
        return Ok(());
    }
    schedule.refreshing = false;
    let ahead = std::mem::take(&mut schedule.renewing_ahead);
    context.noted.status = true;
    match result {
        TokenResult::Renewed(tokens) => {
            if keep(context, schedule, tokens)? {
                schedule.refusals += u32::from(!ahead);
            }
        }
        TokenResult::Refused => {
            let message = "please sign in again; everything is kept on this device";
            schedule.pause(Pause::AuthRequired, context.now, message);
        }
        TokenResult::Failed(failure) => drive::note_failure(context, schedule, None, &failure),
    }
    Ok(())
}

/// A person signed in.
pub(crate) fn signed_in(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    tokens: Tokens,
) -> Result<(), StoreError> {
    context.noted.status = true;
    if keep(context, schedule, tokens)? {
        schedule.refreshing = false;
        schedule.renewing_ahead = false;
        schedule.refusals = 0;
        schedule.pull_wanted = true;
    }
    Ok(())
}

/// Keeps new tokens and goes on with them; not those of another account.
fn keep(
    context: &mut Context<'_, '_>,
    schedule: &mut Schedule,
    tokens: Tokens,
) -> Result<bool, StoreError> {
    if is_of_another_account(context, &tokens)? {
        let message = "the server gave tokens of another account; please sign in again";
        schedule.pause(Pause::AuthRequired, context.now, message);
        return Ok(false);
    }
    let before = context.tx.credentials()?;
    let expires_in = i64::try_from(tokens.access_expires_in_ms).unwrap_or(i64::MAX);
    let mut credentials = before.unwrap_or_default();
    credentials.access_token = Some(tokens.access_token);
    credentials.access_expires_at = Some(context.now.plus_ms(expires_in));
    credentials.refresh_token = Some(tokens.refresh_token);
    context.tx.put_credentials(&credentials)?;
    context.tx.bind_account(&tokens.account_id, &tokens.device_id)?;
    schedule.token += 1;
    schedule.renew_after_ms = renew_after_ms(expires_in);
    schedule.renew_at = Some(context.now.plus_ms(schedule.renew_after_ms));
    schedule.pauses.remove(&Pause::AuthRequired);
    schedule.pauses.remove(&Pause::AccessRemoved);
    schedule.hurry(context.now);
    Ok(true)
}

fn renew_after_ms(life_ms: i64) -> i64 {
    (life_ms - RENEW_AHEAD_MS.min(life_ms / 5)).max(RENEW_AFTER_MS_MIN)
}

fn is_of_another_account(context: &Context<'_, '_>, tokens: &Tokens) -> Result<bool, StoreError> {
    let bound = context.tx.meta()?.account_id;
    Ok(bound.is_some_and(|account| account != tokens.account_id))
}
