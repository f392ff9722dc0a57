//! UUIDs and points in time in their one usual form.

use crate::ids::Id;
use jiff::Timestamp;

/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, of whichever version.
pub fn is_uuid(text: &str) -> bool {
    text.parse::<Id>().is_ok()
}

/// A date and time of RFC 3339: with seconds and an offset, such as `2026-01-31T12:00:00Z`.
pub fn is_date_time(text: &str) -> bool {
    has_form(text.as_bytes()) && text.parse::<Timestamp>().is_ok()
}

fn has_form(text: &[u8]) -> bool {
    let fits = |text: &[u8], form: &[u8]| {
        text.len() == form.len()
            && text.iter().zip(form).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't' | b' '),
                b'+' => matches!(byte, b'+' | b'-'),
                other => byte == other,
            })
    };
    let Some((start, rest)) = text.split_at_checked(19) else { return false };
    let fraction = match rest.strip_prefix(b".") {
        Some(digits) => 1 + digits.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        None => 0,
    };
    let offset = &rest[fraction..];
    fits(start, b"0000-00-00T00:00:00")
        && fraction != 1
        && fraction <= 10
        && (matches!(offset, b"Z" | b"z") || fits(offset, b"+00:00"))
}

/// A name of a host in lower case (RFC 1123), not an address.
pub fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label) && text.parse::<std::net::IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_times_have_one_form() {
        assert!(is_uuid("01890a5d-ac96-774b-bcce-b302099a8057") && is_uuid("01890A5D-AC96-774B-BCCE-B302099A8057"));
        for bad in [
            "",
            "01890a5dac96774bbcceb302099a8057",
            "{01890a5d-ac96-774b-bcce-b302099a8057}",
            "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "01890a5d-ac96-774b-bcce-b302099a8057\n",
        ] {
            assert!(!is_uuid(bad), "{bad}");
        }
        for good in [
            "2026-01-31T12:00:00Z",
            "2026-01-31t12:00:00z",
            "2024-02-29 23:59:59.123456789+05:30",
            "1999-12-31T00:00:00-00:00",
        ] {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "",
            "2026-01-31",
            "2026-01-31T12:00Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00.Z",
            "2026-02-30T12:00:00Z",
            "2026-01-31T25:00:00Z",
            "20260131T120000Z",
            "2026-01-31T12:00:00Z[Europe/Berlin]",
            "2026-01-31T12:00:00.1234567890Z",
            "2026-01-31T12:00:00Z ",
            "２026-01-31T12:00:00Z",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }
}
