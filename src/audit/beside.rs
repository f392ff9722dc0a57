//! Checks what stands beside events: that it is what they hold digests of, or what a later event says it became.

use super::details::{Elsewhere, Rewritten, digest};
use crate::{
    error::Result,
    params,
    storage::{Db, Row},
};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What stands beside events and is not what they held first: each has to be named by a later event, the last of them
/// with what stands there now.
#[derive(Default)]
pub(super) struct Replaced {
    found: BTreeMap<i64, String>,
    named: Rewritten,
}

impl Replaced {
    /// Looks at one event: the part of its text that may stand elsewhere, what it says was rewritten, and the row with
    /// the columns of what stands there.
    pub fn take(
        &mut self,
        seq: i64,
        changes: &RawValue,
        rewritten: &Rewritten,
        (column, row): (usize, &Row<'_>),
    ) -> Result<()> {
        if let Some(elsewhere) = Elsewhere::read(changes) {
            let (changes, salt) = (row.get::<Option<String>>(column)?, row.get::<Option<String>>(column + 1)?);
            let stands = digest(&salt.unwrap_or_default(), &changes.unwrap_or_default());
            if stands != elsewhere.sha256 {
                self.found.insert(seq, stands);
            }
        }
        let known = |seq: &i64| self.found.contains_key(seq);
        let named: Vec<_> = rewritten.iter().filter(|(seq, _)| known(seq)).collect();
        self.named.extend(named.into_iter().map(|(seq, digest)| (*seq, digest.clone())));
        Ok(())
    }

    pub fn first_unnamed(&self) -> Option<i64> {
        self.found.iter().find(|(seq, stands)| self.named.get(seq) != Some(*stands)).map(|(seq, _)| *seq)
    }
}

/// The first event by somebody whose kept name is not the one that the event holds the digest of.
pub(super) fn misnamed(db: &Db) -> Result<Option<i64>> {
    let mut wrong = Vec::new();
    db.read(|r| {
        r.query_each("SELECT digest, label, salt, subject FROM audit_labels", &[], |row| {
            if digest(row.text(2)?, row.text(1)?) != row.text(0)? {
                wrong.push(row.get::<String>(3)?);
            }
            Ok(())
        })?;
        let first = "SELECT seq FROM audit_events WHERE actor_id = ?1 ORDER BY seq LIMIT 1";
        let first = |subject: &String| r.query_one(first, params![subject], |row| row.get::<i64>(0));
        let first = wrong.iter().map(first).collect::<Result<Vec<_>>>()?;
        Ok(first.into_iter().map(Option::unwrap_or_default).min())
    })
}
