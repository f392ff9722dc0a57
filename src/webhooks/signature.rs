//! Signing as the Standard Webhooks specification has it: `v1,` and HMAC-SHA256 of `id.timestamp.body` as base64.

use crate::{error::Result, secrets::random_bytes};
use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// How every secret begins as it is shown.
const MARK: &str = "whsec_";
const BYTES: usize = 32;

/// What the deliveries of one webhook are signed with.
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new() -> Result<Self> {
        Ok(Self(Zeroizing::new(random_bytes::<BYTES>()?.to_vec())))
    }

    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As receivers are given it.
    pub fn shown(&self) -> String {
        format!("{MARK}{}", STANDARD.encode(&*self.0))
    }

    fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(tag))
    }
}

/// The header `webhook-signature`: one signature for each secret.
pub(super) fn signatures(secrets: &[Secret], id: &str, timestamp: i64, body: &str) -> String {
    secrets.iter().map(|secret| secret.sign(id, timestamp, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = Secret::from_bytes(Zeroizing::new(key));
        let body = r#"{"test": 2432232314}"#;
        let signed = signatures(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
