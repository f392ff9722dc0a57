//! Access tokens that somebody made or changed, sent to the real server: 401, and nothing fetched or opened.

use crate::support::{Answer, Site};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis::secrets::{Keyring, Purpose, random_token};
use reqwest::Method;
use serde_json::{Value, json};
use std::{net::TcpListener, os::unix::fs::OpenOptionsExt};

const MINUTE: i64 = 60_000;

fn signed_with(secret: &[u8], header: &str, claims: &str) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Somebody who even has the signing key, and a good token to start from.
struct Forger<'a> {
    site: &'a Site,
    keyring: Keyring,
    header: Value,
    claims: Value,
}

impl<'a> Forger<'a> {
    fn new(site: &'a Site) -> Self {
        let token = site.admin().token.unwrap();
        let part = |index: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
            serde_json::from_slice::<Value>(&bytes).unwrap()
        };
        Self { site, keyring: site.app.keyring.clone(), header: part(0), claims: part(1) }
    }

    fn signed(&self, header: &str, claims: &str) -> String {
        signed_with(self.keyring.current(Purpose::Jwt).secret(), header, claims)
    }

    fn send(&self, token: &str) -> Answer {
        let nobody = self.site.nobody();
        nobody.send(nobody.request(Method::GET, "/auth/me").bearer_auth(token))
    }

    #[track_caller]
    fn refused(&self, token: &str) {
        let answer = self.send(token);
        assert_eq!(answer.status, 401, "{token}: {}", answer.text);
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{token}");
        let code = answer.json()["code"].clone();
        assert!(code == "unauthenticated" || code == "token_expired", "{token}: {code}");
    }

    fn header(&self, name: &str, value: Value) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        header.to_string()
    }

    fn claims(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims.clone();
        claims[name] = value;
        claims.to_string()
    }
}

#[test]
fn headers_choose_neither_algorithm_nor_key() {
    let site = Site::new();
    let forger = Forger::new(&site);
    let (header, claims) = (forger.header.to_string(), forger.claims.to_string());
    forger.send(&forger.signed(&header, &claims)).expect(200);
    for alg in ["none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "hs256", ""] {
        let token = forger.signed(&forger.header("alg", json!(alg)), &claims);
        forger.refused(&token);
        forger.refused(&token[..=token.rfind('.').unwrap()]);
    }
    let good = forger.signed(&header, &claims);
    forger.refused(&good[..=good.rfind('.').unwrap()]);
    forger.refused(&good[..good.rfind('.').unwrap()]);
    forger.refused(&signed_with(b"", &header, &claims));
    let own = forger.keyring.current(Purpose::Jwt).id.to_string();
    forger.refused(&signed_with(own.as_bytes(), &header, &claims));
    for kid in [
        "../../../../etc/passwd",
        "/dev/null",
        "' OR 1=1 --",
        "x' UNION SELECT 'secret' --",
        "\u{0}",
        "",
        "|/usr/bin/true",
        &"k".repeat(2000),
    ] {
        let header = forger.header("kid", json!(kid));
        forger.refused(&forger.signed(&header, &claims));
        forger.refused(&signed_with(b"", &header, &claims));
    }
    for kid in [json!(null), json!(1), json!([own]), json!({"a": own})] {
        forger.refused(&forger.signed(&forger.header("kid", kid), &claims));
    }
    let presign = forger.keyring.current(Purpose::Presign);
    let header = forger.header("kid", json!(*presign.id));
    forger.refused(&signed_with(presign.secret(), &header, &claims));
}

#[test]
fn nothing_that_a_header_points_at_is_fetched_or_believed() {
    let site = Site::new();
    let forger = Forger::new(&site);
    let claims = forger.claims.to_string();
    let bait = TcpListener::bind("127.0.0.1:0").unwrap();
    bait.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys.json", bait.local_addr().unwrap());
    let own = URL_SAFE_NO_PAD.encode(b"a key of the attacker's own, 32 bytes");
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("x5c", json!(["MIIB"])),
        ("x5t", json!("AAAA")),
        ("jwk", json!({"kty": "oct", "k": own})),
        ("crit", json!(["exp"])),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("typ", json!("at+jwt")),
        ("admin", json!(true)),
    ] {
        let header = forger.header(name, value);
        forger.refused(&forger.signed(&header, &claims));
        forger.refused(&signed_with(b"a key of the attacker's own, 32 bytes", &header, &claims));
    }
    let contact = bait.accept();
    assert!(contact.is_err(), "the server went to look: {contact:?}");
}

#[test]
fn claims_are_ours_whole_and_of_now() {
    let site = Site::new();
    let forger = Forger::new(&site);
    let header = forger.header.to_string();
    let now = site.clock.now().millis() / 1000;
    for (name, value) in [
        ("iss", json!("https://attacker.example")),
        ("iss", json!(["portcullis"])),
        ("iss", json!("")),
        ("aud", json!("another-api")),
        ("aud", json!(["another-api", "portcullis-api-2"])),
        ("aud", json!(null)),
        ("exp", json!((now + 600).to_string())),
        ("exp", json!(null)),
        ("exp", json!(-1)),
        ("exp", json!(now - 31)),
        ("exp", json!(1.5)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(now + 3600)),
        ("nbf", json!("now")),
        ("iat", json!(now + 3600)),
        ("sub", json!("01980000-0000-7000-8000-000000000000")),
        ("sub", json!(1)),
        ("sid", json!("01980000-0000-7000-8000-000000000000")),
        ("roles", json!(["admin"])),
    ] {
        forger.refused(&forger.signed(&header, &forger.claims(name, value)));
    }
    for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
        let mut claims = forger.claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        forger.refused(&forger.signed(&header, &claims.to_string()));
    }
    let plain = forger.claims.to_string();
    let exp = forger.claims["exp"].to_string();
    for huge in ["1e400", "-1e400", "9223372036854775808", "1e18"] {
        forger.refused(&forger.signed(&header, &plain.replace(&exp, huge)));
    }
    for twice in [format!("\"exp\":{exp}"), "\"sub\":\"x\"".into(), format!("\"sub\":{}", forger.claims["sub"])] {
        forger.refused(&forger.signed(&header, &plain.replacen('{', &format!("{{{twice},"), 1)));
        forger.refused(&forger.signed(&header, &plain.replacen('}', &format!(",{twice}}}"), 1)));
    }
    let kid = forger.header["kid"].to_string();
    let doubled = forger.header.to_string().replacen('{', &format!("{{\"kid\":{kid},"), 1);
    forger.refused(&forger.signed(&doubled, &plain));
}

#[test]
fn another_users_session_is_not_claimed() {
    let site = Site::new();
    let forger = Forger::new(&site);
    let admin = site.log_in("admin@example.org");
    let vera = site.user(&admin, "vera", &["viewer"]);
    let header = forger.header.to_string();
    forger.refused(&forger.signed(&header, &forger.claims("sub", json!(vera.id))));
    admin.post("/auth/logout-all", &json!({})).expect(204);
    forger.refused(&forger.signed(&header, &forger.claims.to_string()));
}

#[test]
fn shapes_that_are_no_token_are_refused() {
    let site = Site::new();
    let forger = Forger::new(&site);
    let good = forger.signed(&forger.header.to_string(), &forger.claims.to_string());
    let parts: Vec<&str> = good.split('.').collect();
    let swapped = format!("{}.{}.{}", parts[1], parts[0], parts[2]);
    let nested = forger.signed(&forger.header("cty", json!("JWT")), &json!(good).to_string());
    let padded = format!("{}=.{}.{}", parts[0], parts[1], parts[2]);
    let mut wrong = vec![swapped, nested, padded, format!("{good}.x"), format!("{good}.."), format!(".{good}")];
    wrong.extend([format!("{good}{}", "A".repeat(8192)), "a".repeat(8192), "a.b.c.d.e".into(), "..".into()]);
    wrong.extend([good.to_uppercase(), format!("{}.{}.", parts[0], parts[1]), parts[0].to_owned()]);
    let long = forger.claims("jti", json!("x".repeat(6000)));
    wrong.push(forger.signed(&forger.header.to_string(), &long));
    for token in &wrong {
        forger.refused(token);
    }
    let send = |headers: &[(&str, &str)]| {
        let nobody = site.nobody();
        let headers = headers
            .iter()
            .fold(nobody.request(Method::GET, "/auth/me"), |request, (name, value)| request.header(*name, *value));
        nobody.send(headers).status
    };
    let (bearer, key) = (format!("Bearer {good}"), format!("bearer  {good} "));
    assert_eq!((send(&[("authorization", &bearer)]), send(&[("authorization", &key)])), (200, 200));
    for scheme in ["Basic", "Token", "JWT", "Bearer,", ""] {
        assert_eq!(send(&[("authorization", &format!("{scheme} {good}"))]), 401, "{scheme}");
    }
    assert_eq!(send(&[("authorization", &bearer), ("authorization", "Bearer x")]), 401, "two are none");
    assert_eq!(send(&[("authorization", &bearer), ("authorization", &bearer)]), 401, "two are none");
    assert_eq!(send(&[("authorization", &format!("Bearer {good}, Bearer {good}"))]), 401);
    assert_eq!(send(&[("x-api-key", &good)]), 401, "no token is a key");
}

#[test]
fn a_token_in_the_address_or_the_body_is_none() {
    let site = Site::new();
    let admin = site.admin();
    let token = admin.token.unwrap();
    let nobody = site.nobody();
    for name in ["access_token", "token", "bearer", "api_key", "jwt", "authorization"] {
        assert_eq!(nobody.get(&format!("/users?{name}={token}")).status, 401, "{name}");
        let body = json!({name: token, "email": "x@example.org"});
        assert_eq!(nobody.post("/users", &body).status, 401, "{name}");
    }
}

#[test]
fn a_retired_key_is_good_during_the_overlap_and_not_after() {
    let site = Site::new();
    let old = site.admin();
    let folder = site.close();
    let path = folder.path().join("data/keyring.json");
    let mut ring: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let keys = ring["keys"].as_array_mut().unwrap();
    let retiring = keys.iter_mut().find(|key| key["purpose"] == "jwt").unwrap();
    let until = portcullis::clock::Clock::system().now().plus(std::time::Duration::from_secs(300));
    retiring["retiring_until"] = json!(until);
    let mut fresh = retiring.clone();
    fresh["retiring_until"] = Value::Null;
    fresh["id"] = json!(random_token(9).unwrap());
    fresh["secret"] = json!(random_token(32).unwrap());
    keys.push(fresh);
    std::fs::remove_file(&path).unwrap();
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
    serde_json::to_writer(file, &ring).unwrap();

    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let old = site.holder(old.token.as_deref().unwrap());
    old.get("/auth/me").expect(200);
    let new = site.log_in("admin@example.org");
    site.clock.advance(4 * MINUTE);
    old.get("/auth/me").expect(200);
    site.clock.advance(MINUTE);
    old.get("/auth/me").expect(401);
    new.get("/auth/me").expect(200);
}
