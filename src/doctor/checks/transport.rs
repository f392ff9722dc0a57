//! What travels, and how: asked of the running server itself.

use super::super::{
    Patient,
    check::{Category, Check, Outcome, Severity},
    probe::{Answer, Answers},
};
use crate::error::Result;

const HEADERS: [(&str, &str); 8] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "frame-ancestors 'none'"),
    ("strict-transport-security", "max-age="),
    ("referrer-policy", ""),
    ("permissions-policy", ""),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-"),
];

pub(super) fn checks() -> Vec<Check> {
    let check = |id, good, bad, points, look| Category::Transport.check(id, good, bad, points, look);
    vec![
        check("headers", "Answers carry the security headers", "Answers lack security headers", 5, headers),
        check(
            "encryption",
            "Whoever is not on this machine calls over TLS",
            "Others reach it without TLS",
            8,
            encryption,
        ),
        check("cors", "Pages from elsewhere learn nothing", "Pages from anywhere may read answers", 5, cors),
        check("guard", "What is guarded is closed to strangers", "Strangers get past the guard", 6, guard),
        check("limits", "Strangers are limited", "Strangers are not limited", 5, limits),
        check(
            "proxies",
            "Addresses are believed of named proxies alone",
            "Whole networks are believed as proxies",
            2,
            proxies,
        ),
    ]
}

fn missing(answer: &Answer, of: &str) -> Vec<String> {
    let lacks = |(name, part): &&(&str, &str)| {
        let value = answer.header(name);
        value.is_empty() || !value.contains(part)
    };
    HEADERS.iter().filter(lacks).map(|(name, _)| format!("{name} at {of}")).collect()
}

fn headers(patient: &Patient, answers: &Answers) -> Result<Outcome> {
    let (health, console) = match (&answers.health, &answers.console) {
        (Ok(health), Ok(console)) => (health, console),
        (Err(why), _) | (_, Err(why)) => return Ok(Outcome::NotProbed(why.clone())),
    };
    let config = patient.config.load();
    let mut heard = vec![(health, "/health/ready"), (console, "/console/")];
    if let (Some(Ok(answer)), Some(url)) = (&answers.public, &config.server.public_url) {
        heard.push((answer, url));
    }
    let lacking: Vec<_> = heard.iter().flat_map(|(answer, of)| missing(answer, of)).collect();
    let evidence = if lacking.is_empty() {
        let places: Vec<_> = heard.iter().map(|(_, of)| *of).collect();
        format!("All {} were there, at {}.", HEADERS.len(), places.join(", "))
    } else {
        format!("Missing or weak: {}.", lacking.join(", "))
    };
    Ok(Outcome::holds(
        lacking.is_empty(),
        Severity::High,
        evidence,
        "Something between takes them away; let them through.",
    ))
}

fn encryption(patient: &Patient, answers: &Answers) -> Result<Outcome> {
    let remedy =
        "Set tls.cert and tls.key, or put a proxy with TLS in front and set server.public_url to its https address.";
    let bad = |evidence| Ok(Outcome::Bad { severity: Severity::High, evidence, remedy });
    let config = patient.config.load();
    let listen = config.server.listen;
    let near = listen.ip().is_loopback();
    let own = answers.address.as_deref().is_some_and(|address| address.starts_with("https://"));
    let url = config.server.public_url.as_deref().unwrap_or_default();
    if !near && !own {
        // Whatever stands in front, whoever calls this address goes around it.
        return bad(format!("It listens on {listen}, which others reach, without TLS."));
    }
    match &answers.public {
        Some(_) if !url.starts_with("https://") => bad(format!("Others are told to call {url}, which is not https.")),
        Some(Ok(_)) => Ok(Outcome::Good(format!(
            "{url} answered from here, with a certificate that is believed; it listens on {listen}."
        ))),
        Some(Err(why)) => Ok(Outcome::NotProbed(why.clone())),
        None if own => match &answers.health {
            Ok(_) => Ok(Outcome::Good(format!("It answered over TLS on {listen}."))),
            Err(why) => Ok(Outcome::NotProbed(why.clone())),
        },
        None => match &answers.health {
            Ok(_) => Ok(Outcome::Good(format!("It listens on {listen}, which only this machine reaches."))),
            Err(why) => Ok(Outcome::NotProbed(why.clone())),
        },
    }
}

fn cors(patient: &Patient, answers: &Answers) -> Result<Outcome> {
    let told = match &answers.guarded {
        Ok(answer) => answer.header("access-control-allow-origin").to_owned(),
        Err(why) => return Ok(Outcome::NotProbed(why.clone())),
    };
    let origins = patient.config.load().cors.origins.len();
    let evidence = if told.is_empty() {
        format!("A page from elsewhere got no CORS header; {origins} origins are named.")
    } else {
        format!("A page from elsewhere was told access-control-allow-origin: {told}.")
    };
    let remedy = "Name the origins that need it in cors.origins instead of *.";
    Ok(Outcome::holds(told.is_empty(), Severity::Medium, evidence, remedy))
}

fn guard(_: &Patient, answers: &Answers) -> Result<Outcome> {
    let answer = match &answers.guarded {
        Ok(answer) => answer,
        Err(why) => return Ok(Outcome::NotProbed(why.clone())),
    };
    let evidence = format!("GET /api/v1/users without a credential answered {}.", answer.status);
    let closed = matches!(answer.status, 401 | 429 | 503);
    Ok(Outcome::holds(closed, Severity::High, evidence, "Take what the role anonymous holds away from it."))
}

fn limits(patient: &Patient, answers: &Answers) -> Result<Outcome> {
    let told = match &answers.guarded {
        Ok(answer) => answer.header("ratelimit-policy").to_owned(),
        Err(why) => return Ok(Outcome::NotProbed(why.clone())),
    };
    let on = patient.config.load().limits.enabled && !told.is_empty();
    let evidence = if told.is_empty() {
        "An answer to a stranger told of no limit.".to_owned()
    } else {
        format!("An answer to a stranger told of its limit: {told}.")
    };
    Ok(Outcome::holds(on, Severity::High, evidence, "Set limits.enabled to true."))
}

fn proxies(patient: &Patient, _: &Answers) -> Result<Outcome> {
    let config = patient.config.load();
    let trusted = &config.server.trusted_proxies;
    let wide = trusted.iter().filter(|network| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 });
    let wide: Vec<_> = wide.map(ToString::to_string).collect();
    let evidence = if wide.is_empty() {
        format!("{} proxies are named.", trusted.len())
    } else {
        format!("Networks as wide as {} are believed.", wide.join(", "))
    };
    let remedy = "Name in server.trusted_proxies the addresses of the proxies themselves.";
    Ok(Outcome::holds(wide.is_empty(), Severity::Medium, evidence, remedy))
}
