//! What concerns security, as lines of the log with the target `portcullis::security`, once it is committed.

use crate::{
    audit::{Follower, Outcome, Recorded},
    error::Result,
    storage::Tx,
};

/// How the actions begin that are worth a line even when they went well.
const WATCHED: [&str; 9] = [
    "kill_switch.",
    "secret.",
    "elevation.",
    "role.",
    "api_key.",
    "settings.",
    "user.mfa_",
    "session.new_device",
    "login.spray",
];

/// Tells the log of what the audit log hears.
pub struct SecurityLog;

impl Follower for SecurityLog {
    fn recorded(&self, tx: &Tx<'_>, recorded: &Recorded<'_>) -> Result<()> {
        let Recorded { seq, actor, event, .. } = *recorded;
        let refused = event.outcome != Outcome::Success;
        if !refused && !WATCHED.iter().any(|begin| event.action.starts_with(begin)) {
            return Ok(());
        }
        let (actor, action, outcome) = (actor.clone(), event.action.clone(), event.outcome.as_str());
        let target = event.target_type.as_ref().map(|kind| {
            let id = event.target_id.as_deref().unwrap_or_default();
            format!("{kind} {id}")
        });
        tx.after_commit(move || {
            let (id, ip) = (actor.id.map(tracing::field::display), actor.ip.map(tracing::field::display));
            let (kind, request_id) = (actor.kind, actor.request_id.as_deref());
            if refused {
                tracing::warn!(target: "portcullis::security", seq, %action, outcome, object = target, actor = ?kind, actor_id = id, ip, request_id, "security event");
            } else {
                tracing::info!(target: "portcullis::security", seq, %action, outcome, object = target, actor = ?kind, actor_id = id, ip, request_id, "security event");
            }
        });
        Ok(())
    }
}
