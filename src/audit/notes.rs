//! Refusals, coalesced, so that a flood of them writes a bounded number of events: of each kind (who or from
//! where, which action, on what) the first in a minute is written and the rest are counted; once many kinds
//! came up in a minute, further new ones are only counted by action. The first of an action is always written,
//! so that a flood of one drowns no other.

use super::event::{Event, Outcome};
use crate::{
    actor::{Actor, ActorKind, network},
    clock::Time,
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Kinds that are told apart in a minute.
const KINDS: usize = 60;

#[derive(Default)]
pub(super) struct Notes {
    hasher: RandomState,
    window: Mutex<Window>,
}

#[derive(Default)]
struct Window {
    number: u64,
    begun: Option<Time>,
    kinds: HashMap<u64, Counted>,
    actions: HashSet<Act>,
    overflow: HashMap<Act, u64>,
}

type Act = (Cow<'static, str>, Outcome);

struct Counted {
    actor: Actor,
    event: Event,
    /// Beyond the first, which was written.
    further: u64,
}

pub(super) struct Taken {
    /// To be written now.
    pub fresh: bool,
    /// What an earlier minute left to write.
    pub settled: Vec<(Actor, Event)>,
    /// The window that this began; somebody has to settle it when it ends.
    pub begun: Option<u64>,
}

impl Notes {
    pub fn take(&self, now: Time, actor: &Actor, event: &Event) -> Taken {
        let kind = self.hasher.hash_one((
            actor.kind,
            (actor.id, actor.elevation),
            actor.id.is_none().then(|| actor.ip.map(network)),
            &event.action,
            event.outcome,
            &event.target_type,
            &event.target_id,
        ));
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let over = window.begun.is_none_or(|begun| now < begun || now.since(begun) >= WINDOW);
        let settled = if over { window.end() } else { Vec::new() };
        if over {
            window.begun = Some(now);
        }
        let begun = over.then_some(window.number);
        let fresh = window.count(kind, actor, event);
        Taken { fresh, settled, begun }
    }

    /// Ends the window of that number, or whichever there is.
    pub fn settle(&self, number: Option<u64>) -> Vec<(Actor, Event)> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if number.is_some_and(|number| number != window.number) { Vec::new() } else { window.end() }
    }
}

impl Window {
    fn count(&mut self, kind: u64, actor: &Actor, event: &Event) -> bool {
        if let Some(counted) = self.kinds.get_mut(&kind) {
            counted.further += 1;
            return false;
        }
        let act = (event.action.clone(), event.outcome);
        let is_first = self.actions.insert(act.clone());
        if self.kinds.len() >= KINDS && !is_first {
            *self.overflow.entry(act).or_default() += 1;
            return false;
        }
        self.kinds.insert(kind, Counted { actor: actor.clone(), event: event.clone(), further: 0 });
        true
    }

    fn end(&mut self) -> Vec<(Actor, Event)> {
        self.number += 1;
        self.begun = None;
        self.actions.clear();
        let count = |event: Event, count: u64| event.after(&serde_json::json!({ "count": count }));
        let repeated = self.kinds.drain().filter(|(_, counted)| counted.further > 0).map(|(_, mut counted)| {
            counted.actor.request_id = None;
            counted.event.before = None;
            (counted.actor, count(counted.event, counted.further))
        });
        let various = self.overflow.drain().map(|((action, outcome), number)| {
            let actor = Actor::new(ActorKind::Anonymous, None, "various callers");
            (actor, count(Event::bare(action).outcome(outcome), number))
        });
        repeated.chain(various).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::{Ledger, verify},
        clock::Clock,
        storage::{Options, open},
    };
    use std::net::{IpAddr, Ipv4Addr};

    fn denied() -> Event {
        Event::new("request.denied", "route", "/users").outcome(Outcome::Denied)
    }

    fn from(address: u32) -> Actor {
        Actor::anonymous().from_request(Some(IpAddr::V4(Ipv4Addr::from_bits(address))), Some("abc".into()))
    }

    /// The event texts, after everything posted is on disk.
    fn written(ledger: &Ledger) -> Vec<serde_json::Value> {
        ledger.unrecorded_blocking("wait for what was posted", |_| Ok(())).unwrap();
        let all = "SELECT event FROM audit_events ORDER BY seq";
        let texts = ledger.db().read(|r| r.query_all(all, &[], |row| row.get::<String>(0))).unwrap();
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        (folder, Ledger::new(db, writer, Clock::movable()))
    }

    #[test]
    fn the_first_is_written_at_once_and_the_rest_as_one_event() {
        let (_folder, ledger) = ledger();
        for _ in 0..50 {
            ledger.note(&from(1), denied());
        }
        let events = written(&ledger);
        assert_eq!(events.len(), 1);
        assert_eq!((&events[0]["outcome"], &events[0]["request_id"]), (&"denied".into(), &"abc".into()));
        ledger.clock().advance(61_000);
        ledger.note(&from(1), denied());
        let events = written(&ledger);
        assert_eq!(events.len(), 3);
        assert_eq!(events[1]["changes"]["after"], serde_json::json!({"count": 49}));
    }

    #[test]
    fn a_flood_from_everywhere_writes_few_events_and_loses_no_count() {
        const FLOOD: u32 = 200_000;
        let (_folder, ledger) = ledger();
        for address in 0..FLOOD {
            ledger.note(&from(address), denied());
        }
        ledger.settle_notes();
        let events = written(&ledger);
        assert_eq!(events.len(), KINDS + 1);
        let counted: u64 = events.iter().map(|event| event["changes"]["after"]["count"].as_u64().unwrap_or(1)).sum();
        assert_eq!(counted, u64::from(FLOOD));
        assert!(verify(ledger.db(), None).unwrap().valid);
    }

    #[test]
    fn a_flood_drowns_no_other_action() {
        let (_folder, ledger) = ledger();
        for address in 0..1_000 {
            ledger.note(&from(address), denied());
        }
        let other = || Event::new("login.spray_seen", "network", "10.0.0.1").outcome(Outcome::Failed);
        ledger.note(&from(1), other());
        assert_eq!(written(&ledger).last().unwrap()["target"]["id"], "10.0.0.1");
    }

    #[test]
    fn the_end_of_a_minute_settles_that_minute_alone() {
        let notes = Notes::default();
        let now = Time(0);
        let first = notes.take(now, &from(1), &denied());
        assert!(first.fresh && first.begun.is_some());
        let second = notes.take(now.plus(WINDOW), &from(1), &denied());
        assert!(second.fresh && second.settled.is_empty() && second.begun != first.begun);
        assert!(!notes.take(now.plus(WINDOW), &from(1), &denied()).fresh);
        assert!(notes.settle(first.begun).is_empty());
        assert_eq!(notes.settle(second.begun).len(), 1);
    }
}
