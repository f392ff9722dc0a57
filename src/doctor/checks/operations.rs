//! Whether it runs as it should.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    count,
    probe::Answers,
};
use crate::{
    clock::{Clock, Time},
    config::{Environment, LogLevel},
    error::{Error, Result},
    ids::Id,
    params,
};
use std::{
    fs, io,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

/// Clocks may be so far apart.
const SKEW: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const OLDEST_KEY_DAYS: u64 = 365;

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Operations.check(id, good, bad, points, look);
    vec![
        check("ready", "It says that it is ready", "It is not ready", 5, ready),
        check("environment", "It runs as production", "It does not run as production", 2, environment),
        check("clock", "The clock can be believed", "The clock cannot be believed", 3, clock),
        check("version", "The version that was installed runs", "Another version runs than is installed", 2, version),
        check("jobs_failed", "No background work was given up", "Background work was given up", 3, jobs_failed),
        check("jobs_late", "Background work is done in time", "Background work is late", 3, jobs_late),
        check("keys_age", "The keys of the instance are not old", "A key of the instance is old", 4, keys_age),
        check("mail", "Mail gets out", "Mail does not get out", 2, mail),
        check(
            "log_level",
            "The log says neither too much nor too little",
            "The log says too much or too little",
            1,
            log_level,
        ),
    ]
}

fn ready(_: &Patient, answers: &Answers) -> Result<Outcome> {
    let answer = match &answers.health {
        Ok(answer) => answer,
        Err(why) => return Ok(Outcome::NotProbed(why.clone())),
    };
    let evidence = format!("/health/ready answered {}.", answer.status);
    Ok(Outcome::holds(answer.status == 200, Severity::High, evidence, "Look at /health/ready for what is down."))
}

fn environment(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let environment = patient.config.load().environment;
    let evidence = format!("The environment is {}.", environment.as_str());
    let remedy = "Set environment to production where people rely on it: it refuses settings fit for trying out.";
    Ok(Outcome::holds(environment == Environment::Production, Severity::Low, evidence, remedy))
}

fn clock(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let now = patient.ledger.clock().now();
    let ahead = count(patient, "SELECT count(*) FROM audit_events WHERE at > ?1", params![now.plus(SKEW)])?;
    let set = apart(now, patient.ledger.clock().steady());
    let disk = apart(Clock::system().now(), written_now(&patient.folder)?);
    let evidence = format!(
        "It is {now}; {ahead} events claim to be later. Since the start it was set by {} s, and the disk is {} s apart.",
        set.as_secs(),
        disk.as_secs()
    );
    let remedy = "Keep the clock by NTP, such as systemd-timesyncd; log-ins, locks and tokens depend on it.";
    Ok(Outcome::holds(ahead == 0 && set < SKEW && disk < SKEW, Severity::Medium, evidence, remedy))
}

fn apart(one: Time, other: Time) -> Duration {
    one.since(other).max(other.since(one))
}

/// The time that the file system gives to what is written now: that of another machine where the folder lies there.
fn written_now(folder: &Path) -> Result<Time> {
    let seen = stamp_in(folder).map_err(Error::internal)?;
    Ok(Time(i64::try_from(seen.as_millis()).unwrap_or(i64::MAX)))
}

fn stamp_in(folder: &Path) -> io::Result<Duration> {
    let path = folder.join(format!("clock-{}.tmp", Id::new()));
    fs::write(&path, "now")?;
    let modified = fs::metadata(&path).and_then(|data| data.modified());
    fs::remove_file(&path)?;
    Ok(modified?.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn version(_: &Patient, _: &Answers) -> Result<Outcome> {
    let file = fs::read_link("/proc/self/exe").map_err(Error::internal)?;
    let replaced = file.to_string_lossy().ends_with(" (deleted)");
    let known = env!("PORTCULLIS_BUILT_FROM") != "unknown";
    let evidence = format!(
        "Portcullis {}, built from {}{}.",
        env!("CARGO_PKG_VERSION"),
        env!("PORTCULLIS_BUILT_FROM"),
        if replaced {
            "; its file was replaced since it was started"
        } else {
            "; its file is the one that was started"
        }
    );
    let remedy =
        "Restart the server, so that the version that was installed runs; build it from a commit that is known.";
    Ok(Outcome::holds(!replaced && known, Severity::Medium, evidence, remedy))
}

fn jobs_failed(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let since = patient.ledger.clock().now().minus(7 * DAY);
    let failed =
        count(patient, "SELECT count(*) FROM jobs WHERE state = 'failed' AND finished_at >= ?1", params![since])?;
    let evidence = format!("{failed} were given up in the last 7 days.");
    Ok(Outcome::holds(failed == 0, Severity::Medium, evidence, "Look at their errors, mend the cause, and retry them."))
}

fn jobs_late(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let before = patient.ledger.clock().now().minus(Duration::from_secs(15 * 60));
    let late = count(patient, "SELECT count(*) FROM jobs WHERE state = 'waiting' AND due_at < ?1", params![before])?;
    let evidence = format!("{late} have been due for more than 15 minutes.");
    let remedy = "Jobs wait while the kill switch is on; otherwise look at what runs so long.";
    Ok(Outcome::holds(late == 0, Severity::Medium, evidence, remedy))
}

fn keys_age(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let now = patient.ledger.clock().now();
    let current = patient.keyring.facts().into_iter().filter(|key| key.retiring_until.is_none());
    let oldest =
        current.map(|key| (now.since(key.created_at).as_secs() / 86_400, key.purpose)).max_by_key(|(days, _)| *days);
    let (days, purpose) = oldest.map_or((0, "none"), |(days, purpose)| (days, purpose.as_str()));
    let evidence = format!("The oldest is that of {purpose}, {days} days old.");
    Ok(Outcome::holds(
        days <= OLDEST_KEY_DAYS,
        Severity::Medium,
        evidence,
        "Rotate it under Secrets; nobody has to sign in anew.",
    ))
}

fn mail(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let since = patient.ledger.clock().now().minus(7 * DAY);
    let remedy = "Set mail.smtp_url and mail.from, and send a test.";
    if !patient.mailer.is_configured() {
        let evidence = "No mail server is set: nobody hears of new devices or broken glass.";
        return Ok(Outcome::holds(false, Severity::Low, evidence, remedy));
    }
    let ended = |state: &str| {
        let sql = "SELECT count(*) FROM jobs WHERE kind IN ('mail.send', 'identity.mail_link')
                   AND state = ?1 AND finished_at >= ?2";
        count(patient, sql, params![state, since])
    };
    let tested = "SELECT count(*) FROM audit_events WHERE action = 'mail.tested' AND outcome = 'success' AND at >= ?1";
    let (sent, stuck) = (ended("done")? + count(patient, tested, params![since])?, ended("failed")?);
    if sent + stuck == 0 {
        return Ok(Outcome::NotProbed("No letter was sent in the last 7 days; send a test under Settings.".to_owned()));
    }
    let evidence = format!("In the last 7 days the mail server took {sent} letters; {stuck} were given up.");
    Ok(Outcome::holds(stuck == 0, Severity::Low, evidence, remedy))
}

fn log_level(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let level = patient.config.load().log.level;
    let evidence = format!("log.level is {}.", level.as_str());
    let fit = matches!(level, LogLevel::Info | LogLevel::Warn);
    Ok(Outcome::holds(fit, Severity::Low, evidence, "Set log.level to info."))
}
