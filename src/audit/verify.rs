//! Checks the whole chain: that no event was changed, removed, put in between, swapped or renumbered,
//! that the index columns say what the hashed text says, and that the end is where a checkpoint says it is.

use super::{
    beside::{Replaced, misnamed},
    chain::{GENESIS, link},
    details::Rewritten,
};
use crate::{
    clock::Time,
    error::{Error, Result},
    ids::Id,
    params,
    storage::{Db, Row},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::{borrow::Cow, str::FromStr};

/// Events read at a time. Each portion is a read of its own, so that a long check holds no snapshot
/// that would keep the write-ahead log from starting anew.
const PORTION: i64 = 2_000;

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Verdict {
    pub valid: bool,
    /// Events that were found good, from the first on.
    pub checked: i64,
    pub head_seq: i64,
    pub head_hash: String,
    pub first_broken_seq: Option<i64>,
    /// What is wrong there, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

/// An end of the chain that was written down elsewhere: `SEQ:HASH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub seq: i64,
    pub hash: String,
}

impl FromStr for Checkpoint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid_at(
                "head",
                "malformed",
                "A checkpoint is SEQ:HASH, such as head_seq and head_hash of an earlier check, joined by a colon.",
            )
        };
        let (seq, hash) = text.split_once(':').ok_or_else(malformed)?;
        let seq = seq.parse().ok().filter(|seq| *seq > 0).ok_or_else(malformed)?;
        if hash.len() != 64 || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(malformed());
        }
        Ok(Self { seq, hash: hash.to_ascii_lowercase() })
    }
}

/// The last event's number and hash; zero and the genesis hash when there is none.
pub fn head(db: &Db) -> Result<(i64, String)> {
    let last = "SELECT seq, hash FROM audit_events ORDER BY seq DESC LIMIT 1";
    let found = db.read(|r| r.query_one(last, &[], |row| Ok((row.get(0)?, row.get(1)?))))?;
    Ok(found.unwrap_or_else(|| (0, GENESIS.to_owned())))
}

/// Checks every event there is when the check begins. It takes as long as there are events: not for an event loop.
pub fn verify(db: &Db, checkpoint: Option<&Checkpoint>) -> Result<Verdict> {
    let (head_seq, head_hash) = head(db)?;
    let stray = "SELECT seq FROM audit_events WHERE seq < 1 ORDER BY seq LIMIT 1";
    let stray = db.read(|r| r.query_one(stray, &[], |row| row.get::<i64>(0)))?;
    let broken = stray.map(|seq| (seq, "this event stands before the first"));
    let walk = Walk { seq: 0, prev: GENESIS.to_owned(), broken, checkpoint, beside: Replaced::default() };
    walk.run_on(db, head_seq, head_hash)
}

/// Checks the events behind `seq`, which is believed as it stands.
pub fn verify_from(db: &Db, seq: i64) -> Result<Verdict> {
    let (head_seq, head_hash) = head(db)?;
    let sql = "SELECT hash FROM audit_events WHERE seq = ?1";
    let prev = db.read(|r| r.query_one(sql, params![seq], |row| row.get::<String>(0)))?;
    let broken = prev.is_none().then_some((seq, "this event is missing"));
    let walk = Walk { seq, prev: prev.unwrap_or_default(), broken, checkpoint: None, beside: Replaced::default() };
    let verdict = walk.run_on(db, head_seq, head_hash)?;
    Ok(Verdict { checked: verdict.checked - seq, ..verdict })
}

struct Walk<'a> {
    /// The last good event.
    seq: i64,
    prev: String,
    broken: Option<(i64, &'static str)>,
    checkpoint: Option<&'a Checkpoint>,
    beside: Replaced,
}

impl Walk<'_> {
    fn run_on(mut self, db: &Db, head_seq: i64, head_hash: String) -> Result<Verdict> {
        while self.broken.is_none() && self.seq < head_seq {
            let before = self.seq;
            db.read(|r| {
                r.query_each(
                    "SELECT seq, event, prev_hash, hash, at, actor_id, action, target_type, target_id, outcome, request_id,
                            elevation_id, changes, salt
                     FROM audit_events WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
                    params![before, head_seq, PORTION],
                    |row| {
                        self.step(row);
                        Ok(())
                    },
                )
            })?;
            if self.seq == before && self.broken.is_none() {
                self.broken = Some((before + 1, "this event is missing"));
            }
        }
        if let Some(seq) = self.beside.first_unnamed().filter(|_| self.broken.is_none()) {
            self.broken = Some((seq, "what this event tells was changed, and no later event says so"));
            self.seq = seq - 1;
        }
        if self.broken.is_none()
            && let Some(seq) = misnamed(db)?
        {
            self.broken = Some((seq, "the name of who did this was changed"));
            self.seq = seq - 1;
        }
        if self.broken.is_none() && self.checkpoint.is_some_and(|checkpoint| checkpoint.seq > head_seq) {
            self.broken = Some((head_seq + 1, "this event and those up to the checkpoint are missing"));
        }
        Ok(Verdict {
            valid: self.broken.is_none(),
            checked: self.seq,
            head_seq,
            head_hash,
            first_broken_seq: self.broken.map(|(seq, _)| seq),
            reason: self.broken.map(|(_, reason)| reason),
        })
    }

    fn step(&mut self, row: &Row<'_>) {
        if self.broken.is_some() {
            return;
        }
        match self.check(row) {
            Ok(hash) => {
                self.seq += 1;
                self.prev = hash;
            }
            Err(reason) => self.broken = Some((self.seq + 1, reason)),
        }
    }

    fn check(&mut self, row: &Row<'_>) -> Result<String, &'static str> {
        const TYPES: &str = "a column of this event holds another type than it should";
        let expected = self.seq + 1;
        let seq: i64 = row.get(0).map_err(|_| TYPES)?;
        if seq != expected {
            return Err("this event is missing");
        }
        let (event, prev) = (row.text(1).map_err(|_| TYPES)?, row.text(2).map_err(|_| TYPES)?);
        if prev != self.prev {
            return Err("this event does not point back to the one before");
        }
        let hash = link(&self.prev, event);
        if row.text(3).map_err(|_| TYPES)? != hash {
            return Err("the hash of this event does not fit its text");
        }
        let said: Said<'_> = serde_json::from_str(event).map_err(|_| "the text of this event is not an event")?;
        if said.seq != seq {
            return Err("this event was renumbered");
        }
        if !said.is_indexed_by(row).map_err(|_| TYPES)? {
            return Err("the columns that index this event do not say what its text says");
        }
        self.beside.take(seq, said.changes, &said.rewritten, (12, row)).map_err(|_| TYPES)?;
        match self.checkpoint {
            Some(checkpoint) if checkpoint.seq == seq && checkpoint.hash != hash => {
                Err("this event is not the one that the checkpoint names")
            }
            _ => Ok(hash),
        }
    }
}

/// The parts of an event's text that columns repeat.
#[derive(Deserialize)]
struct Said<'a> {
    seq: i64,
    at: Time,
    actor: Who,
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    target: Target<'a>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
    elevation_id: Option<Id>,
    #[serde(default)]
    rewritten: Rewritten,
    #[serde(borrow)]
    changes: &'a RawValue,
}

#[derive(Deserialize)]
struct Who {
    id: Option<Id>,
}

#[derive(Deserialize)]
struct Target<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
}

impl Said<'_> {
    fn is_indexed_by(&self, row: &Row<'_>) -> Result<bool> {
        let text = |index: usize| row.get::<Option<String>>(index);
        Ok(row.get::<Time>(4)? == self.at
            && text(5)? == self.actor.id.map(|id| id.to_string())
            && row.text(6)? == self.action
            && text(7)?.as_deref() == self.target.r#type.as_deref()
            && text(8)?.as_deref() == self.target.id.as_deref()
            && row.text(9)? == self.outcome
            && text(10)?.as_deref() == self.request_id.as_deref()
            && text(11)? == self.elevation_id.map(|id| id.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::{Actor, ActorKind},
        audit::{Event, Ledger, forget_labels, rewrite},
        clock::Clock,
        storage::{Options, open},
    };

    /// A chain of ten events, altered by somebody who may write to the file and knows how to drop triggers.
    fn altered(statements: &'static [&'static str], checkpoint: Option<i64>) -> Verdict {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        let ledger = Ledger::new(db.clone(), writer.clone(), Clock::system());
        for number in 0..10 {
            let event = Event::new("thing.made", "thing", number).after(&serde_json::json!({"number": number}));
            ledger.change_blocking(&Actor::cli(), move |_| Ok(((), event.clone()))).unwrap();
        }
        let checkpoint = checkpoint.map(|seq| {
            let hash = "SELECT hash FROM audit_events WHERE seq = ?1";
            let hash: String = db.read(|r| r.query_one(hash, params![seq], |row| row.get(0))).unwrap().unwrap();
            format!("{seq}:{hash}").parse().unwrap()
        });
        let untouched = "UPDATE audit_events SET action = 'x' WHERE seq = 1";
        assert!(writer.write_blocking(move |tx| tx.execute(untouched, &[])).is_err());
        writer
            .write_blocking(move |tx| {
                tx.execute("DROP TRIGGER audit_events_no_update", &[])?;
                tx.execute("DROP TRIGGER audit_events_no_delete", &[])?;
                statements.iter().try_for_each(|sql| tx.execute(sql, &[]).map(drop))
            })
            .unwrap();
        verify(&db, checkpoint.as_ref()).unwrap()
    }

    fn broken(statements: &'static [&'static str]) -> Option<i64> {
        altered(statements, None).first_broken_seq
    }

    #[test]
    fn an_untouched_chain_is_good() {
        let verdict = altered(&[], Some(10));
        assert_eq!((verdict.valid, verdict.checked, verdict.head_seq), (true, 10, 10));
    }

    #[test]
    fn the_first_bad_event_is_named() {
        assert_eq!(
            broken(&["UPDATE audit_events SET event = replace(event, 'thing', 'thong') WHERE seq = 4"]),
            Some(4)
        );
        assert_eq!(broken(&["UPDATE audit_events SET action = 'nothing' WHERE seq = 5"]), Some(5));
        assert_eq!(broken(&["UPDATE audit_events SET actor_id = 'x' WHERE seq = 5"]), Some(5));
        assert_eq!(broken(&["UPDATE audit_events SET at = at + 1 WHERE seq = 5"]), Some(5));
        assert_eq!(broken(&["DELETE FROM audit_events WHERE seq = 6"]), Some(6));
        assert_eq!(broken(&["DELETE FROM audit_events WHERE seq = 1"]), Some(1));
        assert_eq!(
            broken(&[
                "UPDATE audit_events SET seq = 100 WHERE seq = 3",
                "UPDATE audit_events SET seq = 3 WHERE seq = 4",
                "UPDATE audit_events SET seq = 4 WHERE seq = 100",
            ]),
            Some(3)
        );
        assert_eq!(
            broken(&["DELETE FROM audit_events WHERE seq = 7", "UPDATE audit_events SET seq = seq - 1 WHERE seq > 7"]),
            Some(7)
        );
        assert_eq!(broken(&["UPDATE audit_events SET seq = -3 WHERE seq = 1"]), Some(-3));
        assert_eq!(
            broken(&["INSERT INTO audit_events SELECT 11, at, actor_id, action, target_type, target_id, outcome,
                      request_id, event, prev_hash, hash, elevation_id, changes, salt FROM audit_events
                      WHERE seq = 10"]),
            Some(11)
        );
    }

    #[test]
    fn what_stands_beside_events_is_held_by_them_and_replaced_only_with_a_word() {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        let ledger = Ledger::new(db.clone(), writer.clone(), Clock::system());
        let id = Id::new();
        let ada = Actor::new(ActorKind::User, Some(id), "ada@example.org");
        for number in 0..3 {
            let after = serde_json::json!({"name": format!("Name {number}")});
            let event = Event::new("user.updated", "user", number).after(&after);
            ledger.change_blocking(&ada, move |_| Ok(((), event.clone()))).unwrap();
        }
        let alter = |sql: &'static str| writer.write_blocking(move |tx| tx.execute(sql, &[]));
        let broken = || verify(&db, None).unwrap().first_broken_seq;
        let texts = || {
            let sql = "SELECT event || changes FROM audit_events WHERE changes IS NOT NULL";
            db.read(|r| r.query_all(sql, &[], |row| row.get::<String>(0))).unwrap().concat()
        };
        assert!(broken().is_none() && texts().contains("Name 1") && !texts().contains("ada@example.org"));
        assert!(alter("UPDATE audit_events SET changes = NULL WHERE seq = 2").is_err());
        alter("UPDATE audit_events SET changes = replace(changes, 'Name 1', 'Mallory') WHERE seq = 2").unwrap();
        assert_eq!(broken(), Some(2));
        alter("UPDATE audit_events SET changes = replace(changes, 'Mallory', 'Name 1') WHERE seq = 2").unwrap();
        alter("UPDATE audit_labels SET label = 'eve@example.org'").unwrap();
        assert_eq!(broken(), Some(1));
        alter("UPDATE audit_labels SET label = 'ada@example.org'").unwrap();
        assert_eq!(broken(), None);
        let forget = move |tx: &crate::storage::Tx<'_>| {
            let mut rewritten = Rewritten::new();
            rewrite(tx, &mut rewritten, ("user", "1"), |changes| {
                changes["after"]["name"] = "erased".into();
                Ok(())
            })?;
            forget_labels(tx, id)?;
            Ok(((), Event::bare("user.forgotten").rewriting(rewritten)))
        };
        ledger.change_blocking(&Actor::cli(), forget).unwrap();
        assert!(broken().is_none() && !texts().contains("Name 1") && texts().contains("Name 2"));
        alter("UPDATE audit_events SET changes = replace(changes, 'erased', 'Mallory') WHERE seq = 2").unwrap();
        assert_eq!(broken(), Some(2));
    }

    #[test]
    fn a_checkpoint_shows_a_cut_tail_and_a_rollback() {
        const CUT: &[&str] = &["DELETE FROM audit_events WHERE seq > 7"];
        assert!(altered(CUT, None).valid);
        assert_eq!(altered(CUT, Some(10)).first_broken_seq, Some(8));
        assert!(altered(CUT, Some(7)).valid);
        assert!("7:abc".parse::<Checkpoint>().is_err());
    }

    #[test]
    fn a_rewritten_event_fails_against_the_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = open(folder.path(), &Options::default()).unwrap();
        let ledger = Ledger::new(db.clone(), writer, Clock::system());
        ledger.change_blocking(&Actor::cli(), |_| Ok(((), Event::bare("other.history")))).unwrap();
        let checkpoint = format!("1:{}", "0".repeat(64)).parse().unwrap();
        assert_eq!(verify(&db, Some(&checkpoint)).unwrap().first_broken_seq, Some(1));
    }
}
