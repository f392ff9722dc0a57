//! What is kept, and whether it would come back.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    count,
    probe::Answers,
};
use crate::{
    audit,
    config::KEYRING_FILE,
    error::{Error, Result},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

/// Events that are checked, at most, since it is done often; `audit verify` checks them all.
const LATEST: i64 = 100_000;
const LEAST_FREE: u64 = 2_000_000_000;
/// Where `alerts.disk_free_percent` does not ask for more.
const LEAST_FREE_PERCENT: u64 = 10;
/// It is posted every ten minutes when it changed.
const ANCHOR_AGE: Duration = Duration::from_secs(3600);

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Data.check(id, good, bad, points, look);
    vec![
        check("audit_chain", "The audit log is whole", "The audit log is broken", 8, chain),
        check(
            "audit_anchor",
            "The head of the audit log is kept outside",
            "The head of the audit log is kept on this machine alone",
            2,
            anchor,
        ),
        check("database", "The database is sound", "The database is damaged", 6, database),
        check("disk", "There is room on the disk", "The disk is nearly full", 5, disk),
        check(
            "write_ahead_log",
            "The write-ahead log stays small",
            "The write-ahead log has grown",
            2,
            write_ahead_log,
        ),
        check(
            "files_private",
            "Nobody else on this machine reads the data",
            "Others on this machine can read the data",
            5,
            private,
        ),
        check(
            "sensitive_fields",
            "Fields were given a sensitivity",
            "Entity types without a marked field",
            2,
            sensitivity,
        ),
    ]
}

fn chain(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let head = audit::head(patient.ledger.db())?.0;
    if head > LATEST {
        let verdict = audit::verify_from(patient.ledger.db(), head - LATEST)?;
        return Ok(of(&verdict, "the latest"));
    }
    Ok(of(&audit::verify(patient.ledger.db(), None)?, "all"))
}

fn of(verdict: &audit::Verdict, which: &str) -> Outcome {
    let evidence = match verdict.first_broken_seq {
        None => format!("The chain fits, {which} {} events, up to number {}.", verdict.checked, verdict.head_seq),
        Some(seq) => format!("Broken at event {seq}: {}.", verdict.reason.unwrap_or_default()),
    };
    let remedy = "Treat it as an incident: keep the data folder as it is, and compare with an exported head.";
    Outcome::holds(verdict.valid, Severity::High, evidence, remedy)
}

fn anchor(patient: &Patient, answers: &Answers) -> Result<Outcome> {
    let remedy =
        "Set audit.anchor_url to a place that keeps what is posted and answers 2xx, so that a rollback is seen.";
    let set = patient.config.load().audit.anchor_url.is_some();
    if !set {
        let evidence = "The head goes to the log of this machine alone.";
        return Ok(Outcome::holds(false, Severity::Low, evidence, remedy));
    }
    let Some((seq, at)) = answers.anchored else {
        return Ok(Outcome::NotProbed(
            "Nothing was posted to audit.anchor_url and taken there since the start.".into(),
        ));
    };
    let head = audit::head(patient.ledger.db())?.0;
    let fresh = seq == head || patient.ledger.clock().now().since(at) < ANCHOR_AGE;
    let evidence = format!("Event {seq} was posted and taken at {at}; the head is {head}.");
    Ok(Outcome::holds(fresh, Severity::Low, evidence, remedy))
}

fn database(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let found = patient
        .ledger
        .db()
        .read_long(|reader| reader.query_all("PRAGMA foreign_key_check", &[], |_| Ok(())).map(|rows| rows.len()))?;
    let quick = patient
        .ledger
        .db()
        .read_long(|reader| reader.query_one("PRAGMA quick_check(1)", &[], |row| row.get::<String>(0)))?;
    let quick = quick.unwrap_or_default();
    let evidence = format!("quick_check says {quick}; {found} references lead nowhere.");
    let remedy = "Stop the server and restore the newest backup.";
    Ok(Outcome::holds(quick == "ok" && found == 0, Severity::High, evidence, remedy))
}

fn disk(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let stat = rustix::fs::statvfs(&patient.folder).map_err(Error::internal)?;
    let (free, whole) = (stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize);
    let part = free * 100 / whole.max(1);
    let least = u64::from(patient.config.load().alerts.disk_free_percent).max(LEAST_FREE_PERCENT);
    let evidence = format!(
        "{} GB free, {part} % of the disk; it should be {} GB and {least} %.",
        free / 1_000_000_000,
        LEAST_FREE / 1_000_000_000
    );
    let remedy = "Make room, or give the data folder a larger disk.";
    Ok(Outcome::holds(has_room(free, part, least), Severity::High, evidence, remedy))
}

fn has_room(free: u64, percent: u64, least_percent: u64) -> bool {
    free >= LEAST_FREE && percent >= least_percent
}

fn write_ahead_log(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let (size, wal) = patient.ledger.db().sizes();
    let evidence = format!("{} MB beside a database of {} MB.", wal / 1_000_000, size / 1_000_000);
    let remedy = "Something holds an old snapshot; look for an export or a backup that does not end.";
    Ok(Outcome::holds(wal < 512_000_000, Severity::Medium, evidence, remedy))
}

fn private(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let open = |path: &Path| fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    let paths = [patient.folder.clone(), patient.folder.join(KEYRING_FILE), patient.folder.join("portcullis.db")];
    let names: Vec<_> = paths
        .iter()
        .filter(|path| open(path))
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    // A database that others could read lies in a folder that they cannot enter.
    let closed = names.is_empty() || names == ["portcullis.db"];
    let evidence = if closed {
        "The data folder and the keyring are for its own user alone.".to_owned()
    } else {
        format!("Others may read {}.", names.join(", "))
    };
    Ok(Outcome::holds(closed, Severity::High, evidence, "chmod 700 the data folder, and 600 what lies in it."))
}

fn sensitivity(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let all = count(patient, "SELECT count(*) FROM entity_types", &[])?;
    let unmarked = count(patient, "SELECT count(*) FROM entity_types WHERE fields = '{}'", &[])?;
    let evidence = format!("{unmarked} of {all} entity types mark no field.");
    let remedy = "Mark what is confidential, restricted or personal in each entity type.";
    Ok(Outcome::holds(unmarked == 0, Severity::Low, evidence, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_room_by_size_and_by_part() {
        assert!(has_room(LEAST_FREE, 10, 10));
        assert!(!has_room(LEAST_FREE * 2, 9, 10) && !has_room(LEAST_FREE * 2, 10, 11), "too small a part");
        assert!(!has_room(LEAST_FREE - 1, 66, 10) && !has_room(0, 0, 0), "too little");
    }
}
