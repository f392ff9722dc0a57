//! Who saw what should not be seen unnoticed: reads of sensitive fields, coalesced by caller, kind of record and
//! minute. What was seen waits in a bounded room until it is on disk; while that is full, further such reads are
//! refused.

use super::{Event, Ledger};
use crate::{
    actor::{Actor, ActorKind},
    clock::Time,
    error::{Error, Result},
    ids::Id,
    storage::Tx,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

const WINDOW: Duration = Duration::from_secs(60);
/// Callers and kinds of record that wait for the disk, at most.
const ROOM: usize = 10_000;
/// Records that one event names; of the others it tells how many they were.
const NAMED: usize = 20;

/// A kind of record, with the fields whose reading is recorded.
#[derive(Debug)]
pub struct Watched {
    pub name: Arc<str>,
    /// As JSON pointers; 256 of them at most.
    pub fields: Vec<String>,
}

/// Some of the fields of a [`Watched`], by their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields([u64; 4]);

impl Fields {
    pub fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|word| self.0[word] | other.0[word]))
    }

    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word & (1 << (place % 64)) != 0)
    }
}

/// What one caller saw of one kind of record and is not on its way to the disk yet.
#[derive(Default)]
struct Tally {
    fields: Fields,
    count: u64,
    ids: Vec<Id>,
}

struct Slot {
    actor: Actor,
    watched: Arc<Watched>,
    /// What this minute's events name so far.
    told: Fields,
    tally: Tally,
}

struct Leaving {
    seen: Vec<(Actor, Event)>,
    /// It was tried, and the disk did not take it.
    failed: bool,
}

#[derive(Default)]
pub(super) struct Reads {
    hasher: RandomState,
    room: Mutex<Room>,
}

#[derive(Default)]
struct Room {
    begun: Option<Time>,
    window: u64,
    slots: HashMap<u64, Slot>,
    leaving: BTreeMap<u64, Leaving>,
    /// How many are leaving.
    waiting: usize,
    next: u64,
}

/// What is to be done after something was seen.
#[derive(Default)]
struct Due {
    /// To be written now.
    leaving: Vec<u64>,
    /// The window that this began; somebody has to end it.
    begun: Option<u64>,
}

impl Reads {
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(
        &self,
        now: Time,
        actor: &Actor,
        watched: &Arc<Watched>,
        fields: Fields,
        count: u64,
        id: impl FnOnce() -> Option<Id>,
    ) -> Result<Due> {
        let kind = self.hasher.hash_one((actor.kind, actor.id, actor.elevation, Arc::as_ptr(watched)));
        let mut due = Due::default();
        let mut room = self.room();
        if room.begun.is_none_or(|begun| now < begun || now.since(begun) >= WINDOW) {
            due.leaving = room.turn();
            room.begun = Some(now);
            due.begun = Some(room.window);
        }
        if room.slots.len() + room.waiting >= ROOM && !room.slots.contains_key(&kind) {
            return Err(Error::unavailable("Reads of sensitive fields cannot be recorded now. Try again in a minute."));
        }
        let Room { slots, .. } = &mut *room;
        let slot = slots.entry(kind).or_insert_with(|| Slot {
            actor: actor.clone(),
            watched: watched.clone(),
            told: Fields::default(),
            tally: Tally::default(),
        });
        slot.tally.add(fields, count, id);
        // The first of a minute is written at once, and so is the first of each field.
        if slot.told.and(fields) != slot.told {
            slot.told = slot.told.and(fields);
            slot.actor.request_id.clone_from(&actor.request_id);
            slot.actor.ip = actor.ip;
            if let Some(seen) = slot.leave() {
                due.leaving.push(room.leave(vec![seen]));
            }
        }
        Ok(due)
    }

    fn end(&self, window: Option<u64>) -> Vec<u64> {
        let mut room = self.room();
        if window.is_some_and(|window| window != room.window) { Vec::new() } else { room.turn() }
    }
}

impl Room {
    fn leave(&mut self, seen: Vec<(Actor, Event)>) -> u64 {
        self.next += 1;
        self.waiting += seen.len();
        self.leaving.insert(self.next, Leaving { seen, failed: false });
        self.next
    }

    fn left(&mut self, number: u64) {
        self.waiting -= self.leaving.remove(&number).map_or(0, |leaving| leaving.seen.len());
    }

    /// Ends the minute: what it left, and what earlier ones could not write.
    fn turn(&mut self) -> Vec<u64> {
        self.window += 1;
        self.begun = None;
        let again = self.leaving.iter_mut().filter_map(|(number, leaving)| {
            let failed = std::mem::take(&mut leaving.failed);
            failed.then_some(*number)
        });
        let mut due: Vec<u64> = again.collect();
        let seen = std::mem::take(&mut self.slots).into_values().filter_map(|mut slot| {
            slot.actor.request_id = None;
            slot.leave()
        });
        let seen: Vec<_> = seen.collect();
        if !seen.is_empty() {
            due.push(self.leave(seen));
        }
        due
    }
}

impl Slot {
    fn leave(&mut self) -> Option<(Actor, Event)> {
        let Tally { fields, count, ids } = std::mem::take(&mut self.tally);
        if count == 0 {
            return None;
        }
        let names = self.watched.fields.iter().enumerate().filter(|(place, _)| fields.contains(*place));
        let names: Vec<&str> = names.map(|(_, name)| name.as_str()).collect();
        let seen = json!({"fields": names, "count": count, "ids": ids});
        Some((self.actor.clone(), Event::new("entities.read", "entity_type", &self.watched.name).after(&seen)))
    }
}

impl Tally {
    fn add(&mut self, fields: Fields, count: u64, id: impl FnOnce() -> Option<Id>) {
        self.fields = self.fields.and(fields);
        self.count += count;
        if self.ids.len() < NAMED
            && let Some(id) = id().filter(|id| !self.ids.contains(id))
        {
            self.ids.push(id);
        }
    }
}

impl Ledger {
    /// Records that `actor` is shown `fields` of `count` records, without making them wait. An error where that cannot
    /// be recorded: then they must not be shown.
    pub fn saw(
        &self,
        actor: &Actor,
        watched: &Arc<Watched>,
        fields: Fields,
        count: u64,
        id: impl FnOnce() -> Option<Id>,
    ) -> Result<()> {
        if fields.is_empty() || actor.kind == ActorKind::System {
            return Ok(());
        }
        let due = self.reads.take(self.clock.now(), actor, watched, fields, count, id)?;
        due.leaving.into_iter().for_each(|number| self.write_seen(number));
        if let (Some(window), Ok(runtime)) = (due.begun, tokio::runtime::Handle::try_current()) {
            let ledger = self.clone();
            runtime.spawn(async move {
                tokio::time::sleep(WINDOW).await;
                ledger.reads.end(Some(window)).into_iter().for_each(|number| ledger.write_seen(number));
            });
        }
        Ok(())
    }

    /// Writes what [`Ledger::saw`] has counted so far; for the end of the process.
    pub fn settle_reads(&self) {
        self.reads.end(None).into_iter().for_each(|number| self.write_seen(number));
    }

    /// It stays in the room until it is on disk.
    fn write_seen(&self, number: u64) {
        let ledger = self.clone();
        let write = move |tx: &Tx<'_>| {
            let seen = ledger.reads.room().leaving.get(&number).map(|leaving| leaving.seen.clone());
            for (actor, event) in seen.into_iter().flatten() {
                ledger.also(tx, &actor, event);
            }
            let reads = ledger.reads.clone();
            tx.after_commit(move || reads.room().left(number));
            Ok(())
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return self.writer.post(write) };
        let (writer, reads) = (self.writer.clone(), self.reads.clone());
        runtime.spawn(async move {
            if let Err(error) = writer.write(write).await {
                tracing::error!(?error, "reads of sensitive fields could not be recorded; tried again in a minute");
                if let Some(leaving) = reads.room().leaving.get_mut(&number) {
                    leaving.failed = true;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(number: u8) -> Actor {
        Actor::new(ActorKind::User, Some(id(number)), "somebody")
    }

    fn id(number: u8) -> Id {
        format!("01980000-0000-7000-8000-0000000000{number:02x}").parse().unwrap()
    }

    fn field(place: usize) -> Fields {
        let mut fields = Fields::default();
        fields.insert(place);
        fields
    }

    fn watched() -> Arc<Watched> {
        Arc::new(Watched { name: "customers".into(), fields: vec!["/iban".into(), "/income".into()] })
    }

    fn said(reads: &Reads, number: u64) -> Vec<serde_json::Value> {
        let room = reads.room();
        let after = |event: &Event| serde_json::from_str(event.after.as_ref().unwrap().get()).unwrap();
        room.leaving[&number].seen.iter().map(|(_, event)| after(event)).collect()
    }

    #[test]
    fn a_minute_of_reads_is_two_events_and_one_more_for_each_further_field() {
        let (reads, watched) = (Reads::default(), watched());
        let now = Time(0);
        let first = reads.take(now, &caller(1), &watched, field(0), 1, || Some(id(7))).unwrap();
        assert_eq!(said(&reads, first.leaving[0]), [json!({"fields": ["/iban"], "count": 1, "ids": [id(7)]})]);
        for _ in 0..100 {
            let due = reads.take(now, &caller(1), &watched, field(0), 1, || Some(id(8))).unwrap();
            assert!(due.leaving.is_empty() && due.begun.is_none());
        }
        let further = reads.take(now, &caller(1), &watched, field(1), 1, || None).unwrap();
        let said_then = json!({"fields": ["/iban", "/income"], "count": 101, "ids": [id(8)]});
        assert_eq!(said(&reads, further.leaving[0]), [said_then]);
        reads.take(now, &caller(1), &watched, field(1), 30, || None).unwrap();
        let next = reads.take(now.plus(WINDOW), &caller(1), &watched, field(0), 1, || None).unwrap();
        assert_eq!(said(&reads, next.leaving[0]), [json!({"fields": ["/income"], "count": 30, "ids": []})]);
        assert_eq!(next.leaving.len(), 2);
    }

    #[test]
    fn a_full_room_refuses_newcomers_until_the_disk_took_what_waits() {
        let (reads, now) = (Reads::default(), Time(0));
        let kinds: Vec<_> = (0..ROOM).map(|_| watched()).collect();
        let mut taken = 0;
        for watched in &kinds {
            match reads.take(now, &caller(1), watched, field(0), 1, || None) {
                Ok(_) => taken += 1,
                Err(error) => assert_eq!(error.code(), crate::error::Code::Unavailable),
            }
        }
        assert_eq!(taken, ROOM / 2, "each waits once to be written and once for the end of the minute");
        assert!(reads.take(now, &caller(1), &kinds[0], field(0), 1, || None).is_ok(), "who is known goes on");
        assert!(reads.take(now.plus(WINDOW), &caller(2), &kinds[0], field(0), 1, || None).is_ok());
        let numbers: Vec<u64> = reads.room().leaving.keys().copied().collect();
        for number in numbers {
            reads.room().left(number);
        }
        assert!(reads.take(now, &caller(2), &kinds[1], field(0), 1, || None).is_ok());
    }

    #[test]
    fn what_could_not_be_written_is_tried_again() {
        let (reads, watched) = (Reads::default(), watched());
        let first = reads.take(Time(0), &caller(1), &watched, field(0), 1, || None).unwrap().leaving[0];
        assert!(reads.end(None).is_empty(), "it is on its way");
        reads.room().leaving.get_mut(&first).unwrap().failed = true;
        assert_eq!(reads.end(None), [first]);
    }
}
