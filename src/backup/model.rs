//! A backup as it is shown.

use crate::clock::Time;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Backup {
    pub name: String,
    /// When its snapshot was taken.
    pub created_at: Time,
    pub updated_at: Time,
    /// In bytes.
    pub size: u64,
    /// Whether it was put into a scratch place, decrypted, and found whole with an unbroken audit log.
    pub verified: bool,
    pub verified_at: Option<Time>,
    /// How long that took, in milliseconds.
    pub verify_ms: Option<i64>,
    /// Rows that were counted there.
    pub rows: Option<i64>,
    /// Events of the audit log whose chain was checked there.
    pub events: Option<i64>,
    /// Why the last check refused it.
    pub error: Option<String>,
    pub scheduled: bool,
    /// How long making it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// The recovery key that opens it; without one only the keyring of the data folder does.
    pub recovery_key: Option<String>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Schedule {
    pub cron: String,
    pub words: String,
    pub next_at: Option<Time>,
}

/// All backups, the newest first, and how more come about.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Backups {
    pub items: Vec<Backup>,
    pub next_cursor: Option<String>,
    pub schedule: Option<Schedule>,
    /// How many are kept.
    pub keep: u32,
    /// Days that they are kept, where that is limited.
    pub keep_days: Option<u32>,
    /// The recovery key that backups are made for, by its short name.
    pub recovery_key: Option<String>,
    /// Whether they lie in the data folder, and so are lost with it.
    pub beside_data: bool,
    /// The folder or the bucket where they lie.
    pub place: String,
    /// Whether uploaded files lie in a bucket of their own, which backups do not hold.
    pub files_elsewhere: bool,
}

/// What a job makes or checks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Named {
    pub name: String,
}
