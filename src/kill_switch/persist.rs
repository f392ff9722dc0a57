//! Keeps flips and their events. Switching on does not wait for a disk that is full or slow: a thread goes on
//! trying, and the event says that it was written late.

use super::{
    state::{self, Scope, State},
    switch::Shared,
};
use crate::{
    actor::Actor,
    audit::Event,
    error::{Error, Result},
    storage::Tx,
};
use serde::Serialize;
use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

/// The longest that switching on waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// A flip on its way to the disk.
pub struct Pending(Option<mpsc::Receiver<bool>>);

impl Pending {
    /// Waits for the first try, not for long: whether the flip is on disk.
    pub fn is_kept(&self) -> bool {
        self.0.as_ref().is_some_and(|first| first.recv_timeout(PATIENCE).unwrap_or(false))
    }
}

/// The state, and what else the event says about it.
#[derive(Clone, Serialize)]
struct Told {
    #[serde(flatten)]
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    off_because: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    late: bool,
}

fn told(state: State) -> Told {
    Told { state, off_because: None, late: false }
}

fn event(action: &'static str, before: &State, after: &Told) -> Event {
    let event = Event::new(action, "kill_switch", "kill_switch").before(before).after(after);
    if after.late { Event { at: after.state.activated_at, ..event } } else { event }
}

/// Writes that the switch was set to `state`.
/// What is kept is what holds by then: a late write must not close again what was opened meanwhile.
pub(super) fn activation(shared: &Arc<Shared>, actor: Actor, before: State, state: State) -> Pending {
    let stop_gap = (state.scope == Some(Scope::All)).then(|| state.clone());
    persist(shared, actor, stop_gap, move |shared, tx, late| {
        state::store(tx, &shared.by_switch())?;
        Ok(event("kill_switch.activated", &before, &Told { late, ..told(state.clone()) }))
    })
}

/// Writes that the `KILL` file came or went. The file itself is what is kept.
pub(super) fn by_file(shared: &Arc<Shared>, before: State, after: State) {
    let action = if after.active { "kill_switch.activated" } else { "kill_switch.deactivated" };
    persist(shared, Actor::system("KILL file"), None, move |_, _, late| {
        Ok(event(action, &before, &Told { late, ..told(after.clone()) }))
    });
}

/// Writes in the background until it is written. What is a `stop_gap` is kept by the
/// `KILL` file until then, so that it outlives the process.
fn persist(
    shared: &Arc<Shared>,
    actor: Actor,
    stop_gap: Option<State>,
    change: impl Fn(&Shared, &Tx<'_>, bool) -> Result<Event> + Send + Sync + 'static,
) -> Pending {
    let (report, first) = mpsc::channel();
    let (weak, change) = (Arc::downgrade(shared), Arc::new(change));
    let spawned = thread::Builder::new().name("kill-switch".into()).spawn(move || {
        let (mut late, mut left) = (false, false);
        while let Some(shared) = weak.upgrade() {
            let (inside, change) = (weak.clone(), change.clone());
            let outcome = shared.ledger.change_blocking(&actor, move |tx| {
                let shared = inside.upgrade().ok_or_else(|| Error::internal("the kill switch is gone"))?;
                Ok(((), change(&shared, tx, late)?))
            });
            let Err(error) = outcome else {
                let _ = report.send(true);
                if left && let Err(error) = shared.remove_file() {
                    tracing::warn!(?error, "the kill switch is written, but its stop-gap is still there");
                }
                return;
            };
            if !late {
                left = stop_gap.as_ref().is_some_and(|state| shared.leave_file(state));
                tracing::error!(?error, "the kill switch took effect but could not be written yet; trying on");
                let _ = report.send(false);
            }
            drop(shared);
            late = true;
            thread::sleep(TRY_AGAIN);
        }
    });
    Pending(spawned.is_ok().then_some(first))
}

/// Writes that the switch is off, and opens the gate with the commit.
pub(super) fn deactivation(shared: &Arc<Shared>, actor: &Actor, before: &State, reason: Option<&str>) -> Result<()> {
    let after = Told { off_because: reason.map(str::to_owned), ..told(State::default()) };
    let (inside, before) = (Arc::downgrade(shared), before.clone());
    shared.ledger.change_blocking(actor, move |tx| {
        if !before.active {
            return Ok(((), None));
        }
        let shared = inside.upgrade().ok_or_else(|| Error::internal("the kill switch is gone"))?;
        state::store(tx, &State::default())?;
        let times = shared.times();
        tx.after_commit(move || shared.opened(times));
        Ok(((), Some(event("kill_switch.deactivated", &before, &after))))
    })
}

/// Writes that the switch ended by itself.
pub(super) fn expired(shared: &Arc<Shared>) -> Result<()> {
    let state = shared.by_switch();
    deactivation(shared, &Actor::system("the kill switch expired"), &state, Some("It expired."))
}
