//! Who can sign in, and how hard it is for somebody else.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    count,
    probe::Answers,
};
use crate::{
    access::ADMIN,
    config::{Environment, Signup},
    error::Result,
    params,
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);
const ADMINS: &str = "FROM users JOIN user_roles ON user_roles.user_id = users.id \
    WHERE user_roles.role = ?1 AND users.deleted_at IS NULL AND users.status = 'active' AND users.kind = 'person'";

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Accounts.check(id, good, bad, points, look);
    vec![
        check(
            "admins_second_factor",
            "Administrators have a second factor",
            "Administrators without a second factor",
            8,
            second_factor,
        ),
        check(
            "admins_required",
            "The role admin cannot do without one",
            "The role admin can do without a second factor",
            3,
            required,
        ),
        check(
            "admins_count",
            "More than one administrator, and not too many",
            "Too few administrators, or too many",
            2,
            admins,
        ),
        check("keys_end", "API keys end", "API keys without an end", 3, keys_end),
        check("keys_used", "API keys are used", "API keys that nobody uses", 3, keys_used),
        check("accounts_used", "Accounts are used", "Accounts that nobody uses", 2, accounts_used),
        check(
            "passwords",
            "Passwords are long and dear to guess",
            "Passwords are short or cheap to guess",
            4,
            passwords,
        ),
        check("signup", "Strangers do not make accounts", "Strangers make accounts", 2, signup),
    ]
}

fn second_factor(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let without = format!(
        "SELECT users.email {ADMINS} AND NOT EXISTS
         (SELECT 1 FROM totp WHERE totp.user_id = users.id AND totp.confirmed_at IS NOT NULL) ORDER BY users.email LIMIT 20"
    );
    let names =
        patient.ledger.db().read(|reader| reader.query_all(&without, params![ADMIN], |row| row.get::<String>(0)))?;
    let all = count(patient, &format!("SELECT count(*) {ADMINS}"), params![ADMIN])?;
    if all == 0 {
        return Ok(Outcome::NotProbed("There is no administrator yet.".into()));
    }
    let evidence =
        if names.is_empty() { format!("All {all} have one.") } else { format!("Without one: {}.", names.join(", ")) };
    let remedy = "Have them set it up under Profile and password, and name admin in auth.require_mfa_roles.";
    Ok(Outcome::holds(names.is_empty(), Severity::High, evidence, remedy))
}

fn required(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let config = patient.config.load();
    let named = config.auth.require_mfa_roles.iter().any(|role| **role == *ADMIN);
    let evidence =
        if named { "auth.require_mfa_roles names admin." } else { "auth.require_mfa_roles does not name admin." };
    Ok(Outcome::holds(named, Severity::Medium, evidence, "Add admin to auth.require_mfa_roles."))
}

fn admins(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let all = count(patient, &format!("SELECT count(*) {ADMINS}"), params![ADMIN])?;
    let people = count(
        patient,
        "SELECT count(*) FROM users WHERE deleted_at IS NULL AND status = 'active' AND kind = 'person'",
        &[],
    )?;
    let evidence = format!("{all} of {people} people administer.");
    let remedy = "Have a second administrator for the day the first is away, and give the others the roles they need.";
    Ok(Outcome::holds(all >= 2 && (all <= 3 || all * 2 <= people), Severity::Low, evidence, remedy))
}

fn keys_end(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let endless = count(patient, "SELECT count(*) FROM api_keys WHERE expires_at IS NULL", &[])?;
    let evidence = format!("{endless} keys never end.");
    Ok(Outcome::holds(endless == 0, Severity::Low, evidence, "Give each key an end, and rotate it before."))
}

fn keys_used(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let since = patient.ledger.clock().now().minus(90 * DAY);
    let idle =
        count(patient, "SELECT count(*) FROM api_keys WHERE coalesce(last_used_at, created_at) < ?1", params![since])?;
    let evidence = format!("{idle} keys were not used in 90 days.");
    Ok(Outcome::holds(idle == 0, Severity::Medium, evidence, "Revoke the keys that nobody uses."))
}

fn accounts_used(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let since = patient.ledger.clock().now().minus(180 * DAY);
    let idle = count(
        patient,
        "SELECT count(*) FROM users WHERE deleted_at IS NULL AND status = 'active' AND kind = 'person'
         AND coalesce(last_login_at, created_at) < ?1",
        params![since],
    )?;
    let evidence = format!("{idle} people did not sign in for 180 days.");
    Ok(Outcome::holds(idle == 0, Severity::Low, evidence, "Disable the accounts of those who left."))
}

fn passwords(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let config = patient.config.load();
    let (cost, least) = (config.auth.bcrypt_cost, config.auth.password_min);
    // A hash begins `$2b$12$`.
    let cheap = "SELECT count(*) FROM users WHERE deleted_at IS NULL AND password IS NOT NULL
         AND CAST(substr(password, 5, 2) AS INTEGER) < 12";
    let cheap = count(patient, cheap, &[])?;
    let evidence = format!("At least {least} characters, bcrypt cost {cost}; {cheap} accounts have a cheaper hash.");
    let remedy = "Set auth.bcrypt_cost to 12 or more and auth.password_min to 12; hashes follow as people sign in.";
    Ok(Outcome::holds(cost >= 12 && least >= 12 && cheap == 0, Severity::Medium, evidence, remedy))
}

fn signup(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let config = patient.config.load();
    let open = config.auth.signup == Signup::Open && config.environment == Environment::Production;
    let evidence =
        format!("auth.signup is {}, the environment {}.", config.auth.signup.as_str(), config.environment.as_str());
    Ok(Outcome::holds(
        !open,
        Severity::Low,
        evidence,
        "Set auth.signup to approval or closed, unless strangers are whom you serve.",
    ))
}
