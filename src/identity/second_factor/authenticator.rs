//! What an authenticator app and the server share: the secret, its address and picture, and the codes.

use crate::{
    clock::Time,
    error::{Error, Result},
};
use qrcode::{Color, EcLevel, QrCode};
use serde::Serialize;
use std::fmt::Write as _;
use totp_rs::{Builder, Totp};

/// 160 bits, as RFC 4226 recommends.
pub(super) const SECRET_BYTES: usize = 20;
const ISSUER: &str = "Portcullis";

/// One secret. Codes have six digits, live for 30 seconds, and the one before and after are taken too.
pub(super) struct Authenticator(Totp);

/// What a new secret is handed out as.
#[derive(Serialize)]
pub(super) struct Enrolment {
    pub secret: String,
    pub otpauth_url: String,
    pub qr: Picture,
}

/// A QR code as the path of an SVG whose view box is `0 0 size size`, quiet zone included.
#[derive(Serialize)]
pub(super) struct Picture {
    pub size: usize,
    pub path: String,
}

impl Authenticator {
    pub fn new(secret: &[u8]) -> Result<Self> {
        let built = Builder::new().with_secret(secret).build();
        built.map(Self).map_err(|cause| Error::internal(cause.to_string()))
    }

    /// The time step of the code, when it is one that holds now.
    pub fn step_of(&self, code: &str, now: Time) -> Option<i64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let seconds = u64::try_from(now.millis() / 1000).ok()?;
        self.0.check(&digits, seconds).and_then(|step| i64::try_from(step).ok())
    }

    pub fn enrolment(&self, email: &str) -> Result<Enrolment> {
        let secret = self.0.secret().to_base32();
        let account: String = form_urlencoded::byte_serialize(email.as_bytes()).collect();
        let otpauth_url = format!(
            "otpauth://totp/{ISSUER}:{account}?secret={secret}&issuer={ISSUER}&algorithm=SHA1&digits=6&period=30"
        );
        Ok(Enrolment { qr: Picture::of(&otpauth_url)?, secret, otpauth_url })
    }
}

impl Picture {
    fn of(text: &str) -> Result<Self> {
        const QUIET: usize = 4;
        let code = QrCode::with_error_correction_level(text, EcLevel::L)
            .map_err(|cause| Error::internal(cause.to_string()))?;
        let width = code.width();
        let mut path = String::new();
        for (row, modules) in code.to_colors().chunks(width).enumerate() {
            let mut column = 0;
            for run in modules.chunk_by(|left, right| left == right) {
                if run[0] == Color::Dark {
                    let _ = write!(path, "M{} {}h{}v1h-{}z", column + QUIET, row + QUIET, run.len(), run.len());
                }
                column += run.len();
            }
        }
        Ok(Self { size: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, cut to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let authenticator = Authenticator::new(b"12345678901234567890").unwrap();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(authenticator.step_of(code, Time(seconds * 1000)), Some(seconds / 30), "{seconds}");
        }
        assert_eq!(authenticator.step_of(" 287 082", Time(59_000)), Some(1));
        assert_eq!(authenticator.step_of("287082", Time(59_000 + 30_000)), Some(1));
        for (code, seconds) in [("287082", 59 + 61), ("287083", 59), ("", 59), ("2870820", 59), ("28708\u{0662}", 59)] {
            assert_eq!(authenticator.step_of(code, Time(seconds * 1000)), None, "{code}");
        }
    }

    #[test]
    fn an_enrolment_is_what_apps_read() {
        let shown = Authenticator::new(b"12345678901234567890").unwrap().enrolment("ada+x@example.org").unwrap();
        assert_eq!(shown.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let start =
            "otpauth://totp/Portcullis:ada%2Bx%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Portcullis";
        assert!(shown.otpauth_url.starts_with(start), "{}", shown.otpauth_url);
        // The finder pattern in the first corner, behind the quiet zone.
        assert!(shown.qr.path.starts_with("M4 4h7v1h-7z"), "{}", shown.qr.path);
        assert_eq!((shown.qr.size - 8 - 17) % 4, 0);
    }
}
