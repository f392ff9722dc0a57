//! The formats of JSON Schema that are judged as the rest of the program judges them.

use crate::validate::{Email, is_date_time, is_uri, is_uuid};
use jsonschema::ValidationOptions;

/// The dialect with these formats; the others are those of the JSON Schema library.
pub(super) fn options<'i>() -> ValidationOptions<'i> {
    let is_email = |text: &str| text.parse::<Email>().is_ok();
    jsonschema::draft202012::options()
        .with_format("email", is_email)
        .with_format("idn-email", is_email)
        .with_format("uri", is_uri)
        .with_format("uuid", is_uuid)
        .with_format("date-time", is_date_time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn formats_are_those_of_the_program() {
        let takes = |format: &str, text: &str| {
            let schema = json!({ "format": format });
            let validator = options().should_validate_formats(true).build(&schema).unwrap();
            validator.is_valid(&json!(text))
        };
        for (format, good, bad) in [
            ("email", "jane@example.com", "jane@1.2.3.4"),
            ("email", "jürgen@bücher.example", "\"jane\"@example.com"),
            ("idn-email", "jürgen@bücher.example", "jane@exam\u{200b}ple.com"),
            ("uri", "urn:isbn:0451450523", "javascript:alert(1)"),
            ("uri", "https://example.com/", "https://user:pass@example.com/"),
            ("uuid", "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5dac96774bbcceb302099a8057"),
            ("date-time", "2026-01-31T12:00:00Z", "2026-01-31T12:00Z"),
            ("date", "2026-01-31", "2026-02-30"),
        ] {
            assert!(takes(format, good), "{format} {good}");
            assert!(!takes(format, bad), "{format} {bad}");
        }
    }
}
