//! Making, checking and removing backups.

use super::{
    Backups,
    archive::{self, Contents, DATABASE, Manifest},
    catalogue,
    check::{self, Good},
    envelope::{Head, Opener, Sealed, unwritten},
    housekeeping::VERIFY,
    model::{Backup, Named},
    quiet::{Paced, aside},
    recovery::{RecoveryKey, RecoveryPublic},
    scratch::Scratch,
};
use crate::{
    actor::Actor,
    audit::{Event, Outcome},
    clock::Time,
    error::{Code, Result},
    jobs::NewJob,
    priority, storage,
};
use serde_json::json;
use std::{
    io::BufWriter,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Two at a time would clear away each other's beginnings.
static MAKING: Mutex<()> = Mutex::new(());
/// From here on the copy takes no rest.
const LARGE_LOG: u64 = 256 << 20;
const DAY: Duration = Duration::from_secs(86_400);

/// Hears how far it is, and may end it with an error.
pub(super) type Watch<'w> = &'w mut dyn FnMut(u64, u64, &str) -> Result<()>;

/// Who makes it, and what follows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Scheduled,
    ByJob,
    /// Whoever asked checks it at once.
    AtOnce,
}

impl Backups {
    /// Makes the recovery key where there is none yet; nothing shows it again.
    pub fn first_recovery_key(&self, actor: &Actor) -> Result<Option<RecoveryKey>> {
        match RecoveryPublic::read(self.folder.path())? {
            Some(_) => Ok(None),
            None => self.new_recovery_key(actor).map(Some),
        }
    }

    /// Backups from now on are made for a new recovery key; those before still need the one before.
    pub fn new_recovery_key(&self, actor: &Actor) -> Result<RecoveryKey> {
        let key = RecoveryKey::new()?;
        let (public, folder) = (key.public()?, self.folder.clone());
        let id = public.id();
        self.ledger.change_blocking(actor, move |_| {
            public.write(folder.path())?;
            Ok(((), Event::new("recovery_key.made", "recovery_key", &id)))
        })?;
        Ok(key)
    }

    /// [`Backups::verify`] for whoever waits for it.
    pub fn check(&self, actor: &Actor, name: &str, key: Option<&RecoveryKey>) -> Result<Backup> {
        self.verify(actor, name, key, &mut |_, _, _| Ok(()))
    }

    /// Makes one and checks it, for whoever waits for it.
    pub fn create(&self, actor: &Actor, mut watch: impl FnMut(u64, u64, &str)) -> Result<Backup> {
        let mut watch = |done: u64, total: u64, note: &str| {
            watch(done, total, note);
            Ok(())
        };
        let name = self.make(actor, How::AtOnce, &mut watch)?;
        self.verify(actor, &name, None, &mut watch)
    }

    pub(super) fn make(&self, actor: &Actor, how: How, watch: Watch<'_>) -> Result<String> {
        let _turn = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        let now = self.ledger.clock().now();
        let name = self.place.free_name(now)?;
        let written = aside(watch, |watch| self.write(&name, now, watch));
        if let Err(error) = written {
            let _ = self.place.clear();
            return Err(error);
        }
        self.record(actor, &name, now, how, began.elapsed())?;
        self.prune()?;
        Ok(name)
    }

    fn write(&self, name: &str, now: Time, watch: Watch<'_>) -> Result<()> {
        let scratch = Scratch::new(self.folder.path())?;
        let copy = scratch.path().join(DATABASE);
        self.ledger.db().copy_to(&copy, |done, total| {
            watch(done, total, "Copying the database")?;
            // The log cannot begin anew while the copy goes on.
            if self.ledger.db().sizes().1 < LARGE_LOG {
                priority::make_way();
            }
            Ok(())
        })?;
        let mut manifest = Manifest::count(&storage::open_copy(&copy)?)?;
        manifest.files_held = !self.files_elsewhere();
        let files = Contents::gather(self.folder.path(), &copy, &self.configuration())?;
        let contents = Contents { manifest, files };
        let recovery = RecoveryPublic::read(self.folder.path())?;
        let of = (now, storage::latest_migration());
        let (head, key) = Head::new(name.to_owned(), of, &self.keyring, recovery.as_ref())?;
        let draft = self.place.begin(name, scratch.path())?;
        let mut file = BufWriter::with_capacity(256 << 10, Paced::new(&draft.file));
        let bound = head.write(&mut file)?;
        let total = contents.bytes();
        let sealed = Sealed::new(file, &key, bound)?;
        let sealed = archive::pack(&contents, sealed, |done| watch(done.min(total), total, "Encrypting"))?;
        let file = sealed.finish().map_err(unwritten)?;
        file.into_inner().map_err(|cause| unwritten(cause.into_error()))?;
        watch(total, total, "Putting it in its place")?;
        self.place.keep(name, &draft)
    }

    fn record(&self, actor: &Actor, name: &str, created_at: Time, how: How, took: Duration) -> Result<()> {
        let size = self.find(name)?.size;
        let (name, clock) = (name.to_owned(), self.ledger.clock().clone());
        self.ledger.change_blocking(actor, move |tx| {
            let now = clock.now();
            catalogue::insert(tx, &name, created_at, (how == How::Scheduled, Some(took)), now)?;
            if how != How::AtOnce {
                NewJob::new(VERIFY).about(&name).enqueue(tx, &Named { name: name.clone() }, now, now)?;
            }
            let after = json!({ "name": name, "size": size, "took_ms": took.as_millis() as u64 });
            Ok(((), Event::new("backup.created", "backup", &name).after(&after)))
        })
    }

    /// Puts it into a scratch place and checks it there, by the keyring or by the recovery key; what was found is
    /// kept. One that cannot be trusted is an error, too.
    pub(super) fn verify(
        &self,
        actor: &Actor,
        name: &str,
        key: Option<&RecoveryKey>,
        watch: Watch<'_>,
    ) -> Result<Backup> {
        let size = self.place.find(name)?.size;
        let checked = aside(watch, |watch| {
            let (fetched, unpacked) = (Scratch::new(self.folder.path())?, Scratch::new(self.folder.path())?);
            let path = self.place.fetch(name, fetched.path(), &mut |done| watch(done, size, "Fetching"))?;
            let opener = key.map_or(Opener::Keyring(&self.keyring), Opener::Recovery);
            check::check(&path, &opener, unpacked.path(), || watch(0, 1, "Decrypting and checking"))
        });
        self.note(actor, name, &checked)?;
        checked?;
        watch(1, 1, "Checked")?;
        self.find(name)
    }

    fn note(&self, actor: &Actor, name: &str, checked: &Result<Good>) -> Result<()> {
        let (name, clock) = (name.to_owned(), self.ledger.clock().clone());
        let found = match checked {
            Ok(good) => Ok(good.clone()),
            Err(error) if error.code() == Code::Conflict => Err(error.to_string()),
            // That says nothing about the backup.
            Err(_) => return Ok(()),
        };
        self.ledger.change_blocking(actor, move |tx| {
            let now = clock.now();
            let event = Event::new("backup.verified", "backup", &name);
            let event = match &found {
                Ok(good) => {
                    catalogue::note_good(tx, &name, good, now)?;
                    let took = good.took.as_millis() as u64;
                    event.after(&json!({ "name": name, "rows": good.rows, "events": good.events, "took_ms": took }))
                }
                Err(why) => {
                    catalogue::note_bad(tx, &name, why, now)?;
                    event.outcome(Outcome::Failed).after(&json!({ "name": name, "reason": why }))
                }
            };
            Ok(((), event))
        })
    }

    pub fn remove(&self, actor: &Actor, name: &str) -> Result<()> {
        let size = self.place.find(name)?.size;
        let event = |outcome| Event::new("backup.deleted", "backup", name).outcome(outcome);
        let told = json!({ "name": name, "size": size });
        let (gone, deleted) = (name.to_owned(), event(Outcome::Success).before(&told));
        // The event first: nothing is lost that it does not tell of.
        self.ledger.change_blocking(actor, move |tx| {
            catalogue::forget(tx, &gone)?;
            Ok(((), deleted.clone()))
        })?;
        let removed = match self.place.remove(name) {
            Err(error) if error.code() == Code::NotFound => Ok(()),
            removed => removed,
        };
        if let Err(error) = &removed {
            let failed = event(Outcome::Failed).after(&json!({ "name": name, "reason": error.to_string() }));
            self.ledger.change_blocking(actor, move |_| Ok(((), failed.clone())))?;
        }
        removed
    }

    /// Removes what is too much or too old; never the newest that is known to be good.
    pub(super) fn prune(&self) -> Result<()> {
        let listing = self.list()?;
        let oldest = listing.keep_days.map(|days| self.ledger.clock().now().minus(DAY * days));
        let good = listing.items.iter().find(|backup| backup.verified).map(|backup| backup.name.clone());
        for (place, backup) in listing.items.iter().enumerate() {
            let surplus = place >= listing.keep as usize || oldest.is_some_and(|oldest| backup.created_at < oldest);
            if surplus && place > 0 && good.as_ref() != Some(&backup.name) {
                self.remove(&Actor::system("backups are kept by number and age"), &backup.name)?;
            }
        }
        Ok(())
    }
}
