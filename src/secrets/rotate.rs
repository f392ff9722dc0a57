//! Changing the keyring while it is in use: on disk first, then for everybody at once.

use super::{
    Keyring, Purpose, file,
    keyring::{Held, Ring},
};
use crate::{clock::Time, error::Result};
use std::sync::{Arc, PoisonError};

/// The end of a key that stays until nothing is sealed with it.
pub const UNTIL_UNUSED: Time = Time(253_370_764_800_000);

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    pub purpose: Purpose,
    pub current: Arc<str>,
    /// The key that was current before.
    pub before: Arc<str>,
    pub created_at: Time,
}

impl Keyring {
    /// Makes a new current key. The one before it verifies and decrypts until `retiring`; without that it is gone at
    /// once, and so are those that were retiring.
    pub fn rotate(&self, purpose: Purpose, retiring: Option<Time>) -> Result<Rotated> {
        let now = self.0.clock.now();
        let fresh = file::make(purpose, now)?;
        let mut rotated = None;
        self.change(|held| {
            for old in held.iter_mut().filter(|held| held.purpose == purpose && held.retiring_until.is_none()) {
                let (current, before) = (fresh.key.id.clone(), old.key.id.clone());
                rotated = Some(Rotated { purpose, current, before, created_at: now });
                old.retiring_until = Some(retiring.unwrap_or(now));
            }
            if retiring.is_none() {
                held.retain(|held| held.purpose != purpose);
            }
            held.push(fresh.clone());
        })?;
        Ok(rotated.expect("there is a current key for each purpose"))
    }

    /// Removes retiring keys, those of these ids alone; answers with the ids that were there.
    pub fn remove(&self, ids: &[Arc<str>]) -> Result<Vec<Arc<str>>> {
        let mut removed = Vec::new();
        if ids.is_empty() {
            return Ok(removed);
        }
        self.change(|held| {
            held.retain(|held| {
                let goes = held.retiring_until.is_some() && ids.contains(&held.key.id);
                if goes {
                    removed.push(held.key.id.clone());
                }
                !goes
            });
        })?;
        Ok(removed)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Held>)) -> Result<()> {
        let _one_at_a_time = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut held = self.0.ring.load().held.clone();
        change(&mut held);
        file::write(&self.0.folder, &held)?;
        self.0.ring.store(Arc::new(Ring::of(held)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn what_was_sealed_before_a_rotation_opens_after_it_and_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::movable();
        let ring = Keyring::open_or_create(folder.path(), &clock).unwrap();
        let sealed = ring.seal(Purpose::Fields, "user:1", b"secret").unwrap();
        let rotated = ring.rotate(Purpose::Fields, Some(UNTIL_UNUSED)).unwrap();
        assert_eq!(ring.current(Purpose::Fields).id, rotated.current);
        clock.advance(1_000_000_000_000);
        let again = Keyring::open_or_create(folder.path(), &clock).unwrap();
        for ring in [&ring, &again] {
            assert_eq!(**ring.unseal(Purpose::Fields, "user:1", &sealed, clock.now()).unwrap(), *b"secret");
            assert_eq!(ring.current(Purpose::Fields).id, rotated.current);
        }
        assert_eq!(ring.remove(&[rotated.current, "unknown".into()]).unwrap(), Vec::<Arc<str>>::new());
        assert_eq!(ring.remove(std::slice::from_ref(&rotated.before)).unwrap(), [rotated.before]);
        assert!(ring.unseal(Purpose::Fields, "user:1", &sealed, clock.now()).is_err());
    }

    #[test]
    fn without_an_overlap_every_older_key_of_the_purpose_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::movable();
        let ring = Keyring::open_or_create(folder.path(), &clock).unwrap();
        let first = ring.rotate(Purpose::Jwt, Some(clock.now().plus(std::time::Duration::from_secs(60)))).unwrap();
        assert!(ring.find(Purpose::Jwt, &first.before, clock.now()).is_some());
        let presign = ring.current(Purpose::Presign).id;
        let second = ring.rotate(Purpose::Jwt, None).unwrap();
        for gone in [first.before, first.current] {
            assert!(ring.find(Purpose::Jwt, &gone, clock.now()).is_none());
        }
        assert_eq!(ring.current(Purpose::Jwt).id, second.current);
        assert_eq!(ring.current(Purpose::Presign).id, presign);
    }
}
