//! The `doctor_scores` table.

use super::report::Day;
use crate::{
    clock::Time,
    error::Result,
    params,
    storage::{Reader, Tx},
};

/// Days that are kept.
const KEPT: i64 = 365;

/// The last ninety days, oldest first.
pub(super) fn trend(reader: &Reader<'_>) -> Result<Vec<Day>> {
    let latest = "SELECT at, score FROM doctor_scores ORDER BY day DESC LIMIT 90";
    let mut days = reader.query_all(latest, &[], |row| Ok(Day { at: row.get(0)?, score: row.get(1)? }))?;
    days.reverse();
    Ok(days)
}

/// Notes the score of the day; the last one of it stands.
pub(super) fn note(tx: &Tx<'_>, at: Time, score: u32) -> Result<()> {
    let day = at.to_string().chars().take(10).collect::<String>();
    tx.execute(
        "INSERT INTO doctor_scores (day, at, score) VALUES (?1, ?2, ?3)
         ON CONFLICT (day) DO UPDATE SET at = excluded.at, score = excluded.score",
        params![&day, at, score],
    )?;
    tx.execute(
        "DELETE FROM doctor_scores WHERE day NOT IN (SELECT day FROM doctor_scores ORDER BY day DESC LIMIT ?1)",
        params![KEPT],
    )?;
    Ok(())
}
