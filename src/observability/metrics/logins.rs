//! Log-ins and flips of the kill switch, counted as the audit log hears of them.

use super::exposition::{Exposition, Kind};
use crate::{
    audit::{Follower, Recorded},
    error::Result,
    storage::Tx,
};
use serde::Deserialize;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Actions of the audit log, the family each counts in, and the label it has there.
const COUNTED: [(&str, Family, &str); 5] = [
    ("session.created", Family::LogIns, "success"),
    ("login.failed", Family::LogIns, "failed"),
    ("login.code_failed", Family::LogIns, "wrong_code"),
    ("kill_switch.activated", Family::Flips, "on"),
    ("kill_switch.deactivated", Family::Flips, "off"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    LogIns,
    Flips,
}

#[derive(Default)]
pub(super) struct Counts(Arc<[AtomicU64; COUNTED.len()]>);

impl Counts {
    pub fn failed_log_ins(&self) -> u64 {
        self.0[1].load(Relaxed) + self.0[2].load(Relaxed)
    }

    pub fn expose(&self, page: &mut Exposition) {
        page.family("portcullis_log_ins_total", Kind::Counter, "Log-ins by how they ended.");
        self.samples(page, Family::LogIns, "outcome");
        page.family("portcullis_kill_switch_flips_total", Kind::Counter, "How often the kill switch was flipped.");
        self.samples(page, Family::Flips, "to");
    }

    fn samples(&self, page: &mut Exposition, family: Family, label: &str) {
        for ((_, of, name), count) in COUNTED.iter().zip(&*self.0) {
            if *of == family {
                page.sample(&[(label, name)], count.load(Relaxed));
            }
        }
    }
}

impl Follower for Counts {
    fn recorded(&self, tx: &Tx<'_>, recorded: &Recorded<'_>) -> Result<()> {
        // Floods are written as one event that says how many it stands for.
        #[derive(Deserialize)]
        struct Counted {
            count: Option<u64>,
        }
        let Some(index) = COUNTED.iter().position(|(action, ..)| *action == recorded.event.action) else {
            return Ok(());
        };
        let after = recorded.event.after.as_deref();
        let counted = after.and_then(|after| serde_json::from_str::<Counted>(after.get()).ok()?.count);
        let counts = self.0.clone();
        tx.after_commit(move || {
            counts[index].fetch_add(counted.unwrap_or(1), Relaxed);
        });
        Ok(())
    }
}
