//! What the most dangerous acts take: a proof anew of who somebody is, and everybody's sessions at once.

use super::{Identity, Password, elevations, sessions};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
    params,
    permit::Caller,
    refusal::Check,
    storage::Tx,
};

impl Identity {
    /// A key that may do it is enough, and so is an elevation, which took a proof; an open browser is not.
    pub async fn confirm_caller(&self, caller: &Caller, password: Option<Password>) -> Result<()> {
        let again = |detail: &'static str| Error::new(Code::ReauthenticationRequired, detail);
        let principal = caller.principal.as_ref().ok_or_else(|| again("Sign in with an account to do this."))?;
        if principal.key.is_some() || principal.elevated.is_some() {
            return Ok(());
        }
        let password = password.ok_or_else(|| again("Send your password once more, as `password`."))?;
        self.confirm_password(principal, password, caller).await.map_err(not_right)
    }

    /// Ends the sessions of everybody with the change under way, with whatever was elevated; how many.
    pub fn end_every_session(&self, tx: &Tx<'_>) -> Result<usize> {
        let ended = sessions::end_everybodys(tx, self.clock().now())?;
        elevations::elevated_users(tx)?.into_iter().try_for_each(|user| self.forget_principal(tx, user))?;
        let principals = self.roles.principals().clone();
        tx.after_commit(move || principals.bump_all());
        Ok(ended)
    }
}

/// A wrong password of somebody who is known, as a refusal that leaves them signed in.
pub fn not_right(error: Error) -> Error {
    match error.code() {
        Code::InvalidCredentials => Error::new(Code::ReauthenticationRequired, "The password is not right.")
            .because(Check::Credentials, "The password that was sent once more is wrong."),
        _ => error,
    }
}

/// Closes, in a restored database, what somebody may have had in hand when its snapshot was taken: every session,
/// elevation and one-time link. How many sessions.
pub fn end_with_a_restore(tx: &Tx<'_>, now: Time) -> Result<usize> {
    tx.execute(
        "UPDATE elevations SET ended_at = ?1, end_cause = 'session_ended' WHERE ended_at IS NULL",
        params![now],
    )?;
    tx.execute("DELETE FROM one_time_links", &[])?;
    sessions::end_everybodys(tx, now)
}
