//! The document against the server: schemathesis makes up calls from it and looks at what comes back.

use crate::support::Site;
use serde_json::json;
use std::{env, path::Path, process::Command};

/// What would end the session that asks, close the gate, or go on for ever.
const LEFT_OUT: &str = "/auth/logout|/auth/sessions|/auth/password|/auth/elevate|/elevations|/sessions/revoke|/kill-switch|/secrets|/events";

/// `PORTCULLIS_CONTRACT_EXAMPLES` asks for more calls of each operation than a quick look takes.
#[test]
fn nothing_that_the_document_allows_is_answered_otherwise() {
    let schemathesis = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("schemathesis/bin/schemathesis");
    assert!(schemathesis.exists(), "{} is missing; tests/run installs it", schemathesis.display());
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 40}}});
    admin.post("/entity-types", &json!({"name": "customers", "schema": schema})).expect(201);
    let examples = env::var("PORTCULLIS_CONTRACT_EXAMPLES").unwrap_or_else(|_| "4".into());
    let output = Command::new(schemathesis)
        .current_dir(site.folder.path())
        .args(["run", &format!("{}/openapi.json", site.url), "--max-examples", &examples, "--seed", "1"])
        .args(["--header", &format!("authorization: Bearer {}", admin.token.as_deref().unwrap())])
        .args(["--exclude-path-regex", LEFT_OUT, "--request-timeout", "60", "--no-color"])
        // Lengths and counts are said in words, and every door without a credential is knocked on elsewhere.
        .args(["--exclude-checks", "positive_data_acceptance,ignored_auth"])
        .output()
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let tail = said.find("= FAILURES =").or_else(|| said.find("= ERRORS =")).unwrap_or(0);
    assert!(output.status.success(), "{}", &said[tail..]);
    assert!(said.contains("Test cases"), "{said}");
}
