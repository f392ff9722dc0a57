//! Whether it runs as it should.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    count,
    probe::Answers,
};
use crate::{
    config::{Environment, LogLevel},
    error::Result,
    params,
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const OLDEST_KEY_DAYS: u64 = 365;

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Operations.check(id, good, bad, points, look);
    vec![
        check("ready", "It says that it is ready", "It is not ready", 5, ready),
        check("environment", "It runs as production", "It does not run as production", 2, environment),
        check("clock", "The clock can be believed", "The clock cannot be believed", 3, clock),
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
    let ahead =
        count(patient, "SELECT count(*) FROM audit_events WHERE at > ?1", params![now.plus(Duration::from_secs(60))])?;
    let evidence = format!("It is {now}; {ahead} events claim to be later.");
    let remedy = "Keep the clock by NTP, such as systemd-timesyncd; log-ins, locks and tokens depend on it.";
    Ok(Outcome::holds(ahead == 0, Severity::Medium, evidence, remedy))
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
    let stuck = count(
        patient,
        "SELECT count(*) FROM jobs WHERE kind LIKE 'mail.%' AND state = 'failed' AND finished_at >= ?1",
        params![since],
    )?;
    let set = patient.mailer.is_configured();
    let evidence = if set {
        format!("A mail server is set; {stuck} letters were given up in the last 7 days.")
    } else {
        "No mail server is set: nobody hears of new devices or broken glass.".to_owned()
    };
    Ok(Outcome::holds(set && stuck == 0, Severity::Low, evidence, "Set mail.smtp_url and mail.from, and send a test."))
}

fn log_level(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let level = patient.config.load().log.level;
    let evidence = format!("log.level is {}.", level.as_str());
    let fit = matches!(level, LogLevel::Info | LogLevel::Warn);
    Ok(Outcome::holds(fit, Severity::Low, evidence, "Set log.level to info."))
}
