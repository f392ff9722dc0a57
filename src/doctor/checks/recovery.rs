//! Whether what is lost would come back.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    probe::Answers,
};
use crate::{error::Result, params};
use std::time::Duration;

/// Older than this, too much would be lost.
const OLDEST: Duration = Duration::from_secs(48 * 3600);
const HOUR: u64 = 3600;

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Data.check(id, good, bad, points, look);
    vec![
        check("backup_good", "A backup was really put back and found good", "No backup is known to be good", 6, good),
        check("backup_age", "The last good backup is fresh", "The last good backup is old", 4, age),
        check("backup_checked", "Every backup there is was found good", "A backup cannot be trusted", 2, checked),
        check(
            "backup_apart",
            "Backups lie apart from the data",
            "Backups lie beside the data and are lost with it",
            3,
            apart,
        ),
        check("backup_files", "Backups hold the uploaded files", "Backups do not hold the uploaded files", 2, files),
        check("recovery_key", "There is a recovery key", "Backups open with this machine alone", 3, key),
    ]
}

const NONE: &str = "There is no backup that was put into a scratch place and found good.";

fn good(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let remedy = "Make a backup, under Backups or with `portcullis backup create`, and set backup.schedule.";
    let Some((name, _)) = patient.backups.newest_there()? else {
        return Ok(Outcome::holds(false, Severity::High, NONE, remedy));
    };
    let found = patient.backups.find(&name)?;
    let at = found.verified_at.map(|at| at.to_string()).unwrap_or_default();
    let (rows, took) = (found.rows.unwrap_or_default(), found.verify_ms.unwrap_or_default());
    let evidence = format!("{name} was decrypted and checked at {at}: {rows} rows, in {took} ms.");
    Ok(Outcome::holds(found.verified, Severity::High, evidence, remedy))
}

fn age(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let remedy =
        "Set backup.schedule, such as 0 3 * * * for every night at three, and look at Jobs for why none was made.";
    let Some((name, at)) = patient.backups.newest_there()? else {
        return Ok(Outcome::holds(false, Severity::High, NONE, remedy));
    };
    let age = patient.ledger.clock().now().since(at);
    let evidence = format!("{name} is {} hours old.", age.as_secs() / HOUR);
    Ok(Outcome::holds(age <= OLDEST, Severity::High, evidence, remedy))
}

fn checked(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let all = patient.backups.list()?.items;
    let bad: Vec<_> = all.iter().filter(|backup| backup.error.is_some()).map(|backup| backup.name.as_str()).collect();
    if all.is_empty() {
        return Ok(Outcome::NotProbed("There is no backup to look at.".to_owned()));
    }
    let evidence = if bad.is_empty() {
        format!("None of {} was refused.", all.len())
    } else {
        format!("Refused: {}.", bad.join(", "))
    };
    let remedy = "Make another at once, look at the disk, and keep the bad file until you know why.";
    Ok(Outcome::holds(bad.is_empty(), Severity::Medium, evidence, remedy))
}

fn apart(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let listing = patient.backups.list()?;
    let evidence = format!("They lie in {}.", listing.place);
    let remedy = "Set backup.to to a folder of another disk or machine, or to s3://bucket.";
    Ok(Outcome::holds(!listing.beside_data, Severity::Medium, evidence, remedy))
}

fn files(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let count = super::super::count(patient, "SELECT count(*) FROM files", params![])?;
    let elsewhere = patient.backups.files_elsewhere();
    let evidence = if elsewhere {
        format!("{count} files lie in the bucket of files.store, and nowhere else.")
    } else {
        format!("{count} files lie in the data folder, which backups hold.")
    };
    let remedy = "Have the bucket keep versions, or copy it with a tool of yours; then this finding may stay.";
    Ok(Outcome::holds(!elsewhere, Severity::Low, evidence, remedy))
}

fn key(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let there = patient.backups.has_recovery_key();
    let evidence = if there {
        "recovery.pub lies in the data folder; whoever keeps its other half opens the backups."
    } else {
        "There is no recovery key: when this machine is lost, its backups cannot be opened."
    };
    let remedy = "Make one with `portcullis backup key` and keep it away from this machine.";
    Ok(Outcome::holds(there, Severity::High, evidence, remedy))
}
