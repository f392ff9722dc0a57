//! A known caller's password once more while the disk takes no writes, so that attempts cannot be reserved
//! there: few tries for the whole instance, counted in memory.

use super::{Email, Identity, Password, Verified, sessions::wrong_credentials, users};
use crate::{
    clock::Time,
    error::{Code, Error, Result},
    permit::Principal,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

const TRIES: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// When the last tries were made.
#[derive(Default)]
pub(super) struct OfflineTries(Mutex<Vec<Time>>);

impl OfflineTries {
    fn take(&self, now: Time) -> Result<()> {
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|at| now.since(*at) < WINDOW && *at <= now);
        if tries.len() >= TRIES {
            let wait = WINDOW.saturating_sub(now.since(tries[0]));
            return Err(Error::new(Code::LoginDelayed, "Too many attempts. Wait before the next.").retry_after(wait));
        }
        tries.push(now);
        Ok(())
    }
}

impl Identity {
    /// [`Identity::confirm_password`] for what must work with a full or read-only disk.
    pub async fn confirm_password_offline(&self, principal: &Principal, password: Password) -> Result<()> {
        self.offline.take(self.clock().steady())?;
        let key = Email::key_of(&principal.email);
        let account = self.db().read(|reader| users::account(reader, &key))?;
        let account = account.filter(|account| account.user.id == principal.user_id && account.user.may_sign_in());
        let hashed = account.as_ref().and_then(|account| account.password.clone());
        match self.hasher.verify(self.hasher.place()?, password, hashed).await? {
            Verified::Right | Verified::Rehashed(_) if account.is_some() => Ok(()),
            _ => Err(wrong_credentials()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_are_few() {
        let (tries, now) = (OfflineTries::default(), Time(1_000_000));
        (0..TRIES).for_each(|_| tries.take(now).unwrap());
        assert!(tries.take(now.plus(Duration::from_secs(59))).is_err());
        tries.take(now.plus(WINDOW)).unwrap();
    }
}
