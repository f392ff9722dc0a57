//! Access tokens: JWT (RFC 7519) signed with HS256 and nothing else. Every claim is checked against the clock
//! that everything asks; a header may name a key of ours, never bring one.

use super::handle::minutes;
use crate::{
    clock::{Clock, Time},
    config::Live,
    error::{Code, Error, Result},
    ids::Id,
    refusal::Check,
    secrets::{Keyring, Purpose},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const ISSUER: &str = "portcullis";
const AUDIENCE: &str = "portcullis-api";
const LEEWAY_S: i64 = 30;
/// Ours have about 400 bytes.
const MAX_BYTES: usize = 4096;

/// What a token says. Unknown and repeated claims are refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    /// The user.
    pub sub: Id,
    /// The session.
    pub sid: Id,
    pub jti: Id,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    pub exp: i64,
}

impl Claims {
    /// From then on the token is refused.
    pub fn ends_at(&self) -> Time {
        Time(self.exp.saturating_add(LEEWAY_S).saturating_mul(1000))
    }
}

/// Issues and verifies access tokens. Clones share the keys.
#[derive(Clone)]
pub struct Tokens {
    keyring: Keyring,
    clock: Clock,
    config: Live,
}

impl Tokens {
    pub fn new(keyring: Keyring, clock: Clock, config: Live) -> Self {
        Self { keyring, clock, config }
    }

    pub fn lifetime(&self) -> Duration {
        minutes(self.config.load().auth.access_token_minutes)
    }

    pub fn issue(&self, user: Id, session: Id) -> Result<String> {
        let iat = self.clock.now().millis() / 1000;
        let exp = iat + self.lifetime().as_secs() as i64;
        let claims = Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user,
            sid: session,
            jti: Id::new(),
            iat,
            nbf: None,
            exp,
        };
        let key = self.keyring.current(Purpose::Jwt);
        let header = Header { kid: Some(key.id.to_string()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key.secret())).map_err(Error::internal)
    }

    /// What a good token says, and until when it is good as far as itself and its key go.
    pub fn verify(&self, token: &str) -> Result<(Claims, Time)> {
        if token.len() > MAX_BYTES {
            return Err(refused("it is too long"));
        }
        let now = self.clock.now();
        let header = jsonwebtoken::decode_header(token).map_err(refused)?;
        let kid = named_key(&header).ok_or_else(|| refused("its header says more than it may"))?;
        let found = self.keyring.find_with_end(Purpose::Jwt, kid, now);
        let (key, key_ends) = found.ok_or_else(|| refused("its key is not known"))?;
        let decoding = DecodingKey::from_secret(key.secret());
        let claims = jsonwebtoken::decode::<Claims>(token, &decoding, &validation()).map_err(refused)?.claims;
        check_times(&claims, now.millis().div_euclid(1000))?;
        let ends = claims.ends_at().min(key_ends);
        Ok((claims, ends))
    }
}

/// The key that a header of ours names; `None` for any other header.
fn named_key(header: &Header) -> Option<&str> {
    let plain = Header { kid: header.kid.clone(), ..Header::new(Algorithm::HS256) };
    let ours = serde_json::to_value(header).ok()? == serde_json::to_value(plain).ok()?;
    header.kid.as_deref().filter(|_| ours)
}

/// Times are checked by [`check_times`], since the crate asks the system's clock.
fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    validation
}

fn check_times(claims: &Claims, now: i64) -> Result<()> {
    if claims.exp.saturating_add(LEEWAY_S) <= now {
        return Err(Error::new(Code::TokenExpired, "The access token has expired. Refresh it or sign in again.")
            .because(Check::Authentication, "The access token has expired."));
    }
    let starts = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    if starts.saturating_sub(LEEWAY_S) > now {
        return Err(refused("it is from the future"));
    }
    Ok(())
}

fn refused(why: impl std::fmt::Display) -> Error {
    let why = why.to_string();
    Error::new(Code::Unauthenticated, "The access token is not valid. Sign in again.")
        .because(Check::Authentication, format!("The access token is not valid: {why}."))
        .caused_by(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};

    struct Fixture {
        tokens: Tokens,
        clock: Clock,
        _folder: tempfile::TempDir,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::movable();
        let keyring = Keyring::open_or_create(folder.path(), &clock).unwrap();
        Fixture { tokens: Tokens::new(keyring, clock.clone(), Live::from(Config::default())), clock, _folder: folder }
    }

    impl Fixture {
        fn header(&self) -> Value {
            json!({"typ": "JWT", "alg": "HS256", "kid": *self.tokens.keyring.current(Purpose::Jwt).id})
        }

        fn claims(&self) -> Value {
            let now = self.clock.now().millis() / 1000;
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": Id::new(), "sid": Id::new(), "jti": Id::new(), "iat": now, "exp": now + 60})
        }

        /// Signed with the right key, whatever it says.
        fn signed(&self, header: &str, claims: &str) -> String {
            let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
            let key = self.tokens.keyring.current(Purpose::Jwt);
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.secret());
            let signature = aws_lc_rs::hmac::sign(&key, text.as_bytes());
            format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
        }

        fn refuses(&self, header: &str, claims: &str) {
            let outcome = self.tokens.verify(&self.signed(header, claims));
            assert!(outcome.is_err(), "{header} {claims}");
        }
    }

    fn with(mut object: Value, name: &str, value: Value) -> String {
        object[name] = value;
        object.to_string()
    }

    fn without(mut object: Value, name: &str) -> String {
        object.as_object_mut().unwrap().remove(name);
        object.to_string()
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let fixture = fixture();
        let (user, session) = (Id::new(), Id::new());
        let token = fixture.tokens.issue(user, session).unwrap();
        let (claims, _) = fixture.tokens.verify(&token).unwrap();
        assert_eq!((claims.sub, claims.sid), (user, session));
        fixture.clock.advance(1_829_000);
        assert!(fixture.tokens.verify(&token).is_ok());
        fixture.clock.advance(2_000);
        assert_eq!(fixture.tokens.verify(&token).unwrap_err().code(), Code::TokenExpired);
    }

    #[test]
    fn headers_that_are_not_ours_are_refused() {
        let fixture = fixture();
        let claims = fixture.claims().to_string();
        assert!(fixture.tokens.verify(&fixture.signed(&fixture.header().to_string(), &claims)).is_ok());
        for alg in ["none", "None", "NONE", "HS384", "RS256", "EdDSA", ""] {
            fixture.refuses(&with(fixture.header(), "alg", json!(alg)), &claims);
        }
        for kid in ["../../etc/passwd", "' OR 1=1 --", "", "/dev/null"] {
            fixture.refuses(&with(fixture.header(), "kid", json!(kid)), &claims);
        }
        for (name, value) in [
            ("jku", json!("https://attacker.example/keys")),
            ("x5u", json!("https://attacker.example/keys")),
            ("x5c", json!(["MIIB"])),
            ("jwk", json!({"kty": "oct", "k": "AAAA"})),
            ("crit", json!(["exp"])),
            ("whatever", json!(1)),
        ] {
            fixture.refuses(&with(fixture.header(), name, value), &claims);
        }
        fixture.refuses(&without(fixture.header(), "kid"), &claims);
    }

    #[test]
    fn claims_that_are_not_ours_are_refused() {
        let fixture = fixture();
        let header = fixture.header().to_string();
        let now = fixture.clock.now().millis() / 1000;
        for name in ["iss", "aud", "sub", "sid", "jti", "iat", "exp"] {
            fixture.refuses(&header, &without(fixture.claims(), name));
        }
        for (name, value) in [
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("aud", json!(["other"])),
            ("exp", json!((now + 60).to_string())),
            ("exp", json!(null)),
            ("exp", json!(now - 31)),
            ("nbf", json!(now + 3600)),
            ("iat", json!(now + 3600)),
            ("sub", json!("1")),
            ("roles", json!(["admin"])),
        ] {
            fixture.refuses(&header, &with(fixture.claims(), name, value));
        }
        let claims = fixture.claims();
        let huge = claims.to_string().replace(&claims["exp"].to_string(), "1e400");
        fixture.refuses(&header, &huge);
        let twice = fixture.claims().to_string().replacen('{', &format!("{{\"exp\":{},", now + 60), 1);
        fixture.refuses(&header, &twice);
    }

    #[test]
    fn mangled_tokens_are_refused() {
        let fixture = fixture();
        let token = fixture.tokens.issue(Id::new(), Id::new()).unwrap();
        let unsigned = &token[..=token.rfind('.').unwrap()];
        let flipped = format!("{}A", &token[..token.len() - 1]);
        let other = format!("{}B", &token[..token.len() - 1]);
        assert!([flipped, other].iter().any(|token| fixture.tokens.verify(token).is_err()));
        for bad in [unsigned, "", ".", "..", "a.b.c", "a.b.c.d.e", &format!("{token}.x"), &"a".repeat(8192)] {
            assert!(fixture.tokens.verify(bad).is_err(), "{bad}");
        }
    }
}
