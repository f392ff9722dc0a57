//! Who may do what, and whether rules are in force.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    count,
    probe::Answers,
};
use crate::{
    access::ADMIN,
    config::{Enforcement, InspectionMode},
    error::Result,
    params,
};

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Access.check(id, good, bad, points, look);
    vec![
        check("observed_rules", "Every rule refuses", "Rules that only count", 8, observed),
        check("enforcement", "Credentials are needed everywhere", "Credentials are only counted", 8, enforcement),
        check("anonymous", "Strangers read nothing but what was meant for them", "Strangers hold much", 3, anonymous),
        check(
            "everything",
            "Only administrators hold everything",
            "Others than administrators hold everything",
            4,
            everything,
        ),
        check("break_glass", "Every use of break-glass was reviewed", "Break-glass without a review", 3, break_glass),
        check("inspection", "Requests are inspected", "Requests are not inspected", 2, inspection),
        check("kill_switch", "The kill switch is off, and would work", "The kill switch is on", 2, kill_switch),
    ]
}

fn observed(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let rules = patient.observations.active();
    let evidence = if rules.is_empty() {
        "No rule is in observe mode.".to_owned()
    } else {
        format!("Only counting, not refusing: {}.", rules.join(", "))
    };
    let remedy = "Look at Observations, then enforce each rule there.";
    Ok(Outcome::holds(rules.is_empty(), Severity::High, evidence, remedy))
}

fn enforcement(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let config = patient.config.load();
    let on = config.auth.enforcement == Enforcement::Enforce;
    let evidence = if on {
        "auth.enforcement is enforce.".to_owned()
    } else {
        format!("auth.enforcement is observe, for {} entity types.", config.auth.observe_types.len())
    };
    Ok(Outcome::holds(on, Severity::High, evidence, "Set auth.enforcement to enforce."))
}

fn anonymous(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let grants = patient.roles.snapshot().anonymous();
    let held: Vec<_> = grants.permissions().iter().map(ToString::to_string).collect();
    let writes = held.iter().any(|permission| !permission.contains(":read"));
    let evidence = if held.is_empty() {
        "The role anonymous holds nothing.".to_owned()
    } else {
        format!("The role anonymous holds {}, with the clearance {}.", held.join(", "), grants.clearance())
    };
    let remedy = "Take from the role anonymous what strangers need not have.";
    Ok(Outcome::holds(!writes && held.len() <= 5, Severity::Medium, evidence, remedy))
}

fn everything(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let snapshot = patient.roles.snapshot();
    let all =
        |name: &str| snapshot.get(name).is_some_and(|role| role.permissions.iter().any(|held| held.to_string() == "*"));
    let roles: Vec<_> =
        snapshot.iter().map(|role| role.name.clone()).filter(|name| **name != *ADMIN && all(name)).collect();
    let keys = count(patient, "SELECT count(*) FROM api_keys WHERE scopes LIKE ?1", params!["%\"*\"%"])?;
    let evidence = match (&roles[..], keys) {
        ([], 0) => "No other role and no API key holds everything.".to_owned(),
        (roles, keys) => format!("Roles that hold everything besides admin: {}; API keys: {keys}.", roles.len()),
    };
    let remedy = "Give roles and keys the permissions that they use.";
    Ok(Outcome::holds(roles.is_empty() && keys == 0, Severity::Medium, evidence, remedy))
}

fn break_glass(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let open = count(patient, "SELECT count(*) FROM elevations WHERE reviewed_at IS NULL", &[])?;
    let evidence = format!("{open} wait for a review.");
    Ok(Outcome::holds(open == 0, Severity::Medium, evidence, "Review them under Elevations."))
}

fn inspection(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let mode = patient.config.load().inspection.mode;
    let evidence = format!("inspection.mode is {}.", mode.as_str());
    Ok(Outcome::holds(
        mode == InspectionMode::Block,
        Severity::Low,
        evidence,
        "Set inspection.mode to observe, look at what it finds, then to block.",
    ))
}

fn kill_switch(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let state = patient.kill_switch.state();
    let evidence = match (&state.scope, &state.reason) {
        (Some(scope), Some(reason)) if state.active => format!("It is on, for {scope}: {reason}"),
        _ => "It is off; its state was read.".to_owned(),
    };
    Ok(Outcome::holds(!state.active, Severity::Medium, evidence, "Switch it off when the danger is over."))
}
