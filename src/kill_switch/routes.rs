//! `/kill-switch`: see it, switch it on and off. People prove who they are once more.

use super::{
    state::{Scope, State},
    switch::{Activation, KillSwitch},
};
use crate::{
    clock::{Clock, Time},
    data::entity_types::EntityTypes,
    error::{Code, Error, Faults, Result},
    identity::{Identity, Password, not_right},
    permit::{
        Allowed, Caller, Route,
        rights::{ReadKillSwitch, WriteKillSwitch},
    },
    web::{Body, LONGEST_REASON, Valid},
};
use actix_web::web::{Data, Json};
use serde::Deserialize;

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/kill-switch", "What the kill switch says", show).gives::<State>(200).under_kill_switch(),
        Route::put("/kill-switch", "Switch it on or off", flip).gives::<State>(200).under_kill_switch(),
    ]
}

async fn show(_: Allowed<ReadKillSwitch>, switch: Data<KillSwitch>) -> Json<State> {
    Json(switch.state())
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Flip {
    active: bool,
    scope: Option<Scope>,
    reason: Option<String>,
    expires_at: Option<Time>,
    password: Option<Password>,
}

impl Body for Flip {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        let reason = self.reason.as_deref().map_or("", str::trim);
        if self.active && reason.is_empty() {
            faults.push("/reason", "required", "Say why; everyone who is refused reads it.");
        }
        if reason.chars().count() > LONGEST_REASON {
            faults.push("/reason", "too_long", format!("A reason has at most {LONGEST_REASON} characters."));
        }
    }
}

async fn flip(
    allowed: Allowed<WriteKillSwitch>,
    body: Valid<Flip>,
    switch: Data<KillSwitch>,
    identity: Data<Identity>,
    clock: Data<Clock>,
    types: Data<EntityTypes>,
) -> Result<Json<State>> {
    let Flip { active, scope, reason, expires_at, password } = body.0;
    if active && expires_at.is_some_and(|end| end <= clock.now()) {
        return Err(Error::invalid_at("/expires_at", "out_of_range", "The end must be in the future."));
    }
    if let Some(fault) = scope.as_ref().and_then(|scope| unknown_type(scope, &types)) {
        return Err(Error::invalid_at("/scope", "unknown", fault));
    }
    confirm(allowed.caller(), password, active, &identity).await?;
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if active {
        let activation =
            Activation { scope: scope.unwrap_or(Scope::All), reason: reason.unwrap_or_default(), expires_at };
        let (state, pending) = switch.engage(&allowed.actor(), activation);
        tokio::task::spawn_blocking(move || pending.is_kept()).await.map_err(Error::internal)?;
        return Ok(Json(state));
    }
    let (switch, actor) = (KillSwitch::clone(&switch), allowed.actor());
    let opened = tokio::task::spawn_blocking(move || switch.deactivate(&actor, reason.as_deref()));
    opened.await.map_err(Error::internal)?.map(Json)
}

/// What is wrong with closing a type that is not there: a slip of the pen must not look like a closed door.
pub fn unknown_type(scope: &Scope, types: &EntityTypes) -> Option<String> {
    match scope {
        Scope::Type(name) if types.get(name).is_none() => Some(format!("There is no entity type {name}.")),
        _ => None,
    }
}

/// A key that may flip the switch is enough, and so is an elevation, which took a proof; an open browser is not.
async fn confirm(caller: &Caller, password: Option<Password>, active: bool, identity: &Identity) -> Result<()> {
    let again = |detail: &'static str| Error::new(Code::ReauthenticationRequired, detail);
    let principal = caller.principal.as_ref().ok_or_else(|| again("Sign in with an account to use the switch."))?;
    if principal.key.is_some() || principal.elevated.is_some() {
        return Ok(());
    }
    let password = password.ok_or_else(|| again("Send your password once more, as `password`."))?;
    let outcome = match identity.confirm_password(principal, password.clone(), caller).await {
        // Closing must work when the disk takes nothing, not even the note that a password was tried.
        Err(error) if active && is_of_the_disk(&error) => identity.confirm_password_offline(principal, password).await,
        outcome => outcome,
    };
    outcome.map_err(not_right)
}

fn is_of_the_disk(error: &Error) -> bool {
    matches!(error.code(), Code::StorageFull | Code::Unavailable | Code::Internal)
}
