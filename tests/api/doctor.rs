//! The instance about itself: what it finds follows from what is really so.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

pub fn examine(actor: &Actor) -> Value {
    actor.get("/doctor").expect(200).json()
}

pub fn finding<'r>(report: &'r Value, id: &str) -> Option<&'r Value> {
    report["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == id)
}

pub fn passed(report: &Value, id: &str) -> bool {
    report["passed"].as_array().unwrap().iter().any(|passed| passed["id"] == id)
}

#[test]
fn each_finding_has_evidence_and_a_remedy_and_goes_when_it_is_mended() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_AUTH__BCRYPT_COST", "10")]);
    let admin = site.admin();
    let report = examine(&admin);
    for finding in report["findings"].as_array().unwrap() {
        for member in ["title", "evidence", "remedy", "severity"] {
            assert!(!finding[member].as_str().unwrap().is_empty(), "{finding}");
        }
    }
    assert!(
        finding(&report, "admins_second_factor").unwrap()["evidence"].as_str().unwrap().contains("admin@example.org")
    );
    assert_eq!(finding(&report, "limits").unwrap()["severity"], "high");
    assert!(
        passed(&report, "headers")
            && passed(&report, "cors")
            && passed(&report, "guard")
            && passed(&report, "audit_chain")
    );
    assert!(finding(&report, "passwords").unwrap()["evidence"].as_str().unwrap().contains("bcrypt cost 10"));
    let categories = report["categories"].as_array().unwrap();
    assert_eq!(categories.len(), 5);

    admin.patch("/settings", &json!({"observe": {"rules": ["limits.public"]}})).expect(200);
    let key = admin.post("/api-keys", &json!({"name": "k", "scopes": ["*"]})).expect(201).id();
    let worse = examine(&admin);
    assert_eq!(finding(&worse, "observed_rules").unwrap()["severity"], "high");
    assert!(finding(&worse, "keys_end").is_some() && finding(&worse, "everything").is_some());
    assert!(worse["score"].as_u64() < report["score"].as_u64(), "{} and {}", worse["score"], report["score"]);
    admin.patch("/settings", &json!({"observe": {"rules": null}})).expect(200);
    admin.delete(&format!("/api-keys/{key}")).expect(204);
    assert_eq!(examine(&admin)["score"], report["score"]);
}

#[test]
fn what_a_stranger_would_be_told_is_asked_of_the_running_server() {
    let site = Site::with(&[("PORTCULLIS_CORS__ORIGINS", "*")]);
    let admin = site.admin();
    let report = examine(&admin);
    assert!(finding(&report, "cors").unwrap()["evidence"].as_str().unwrap().contains("access-control-allow-origin"));
    assert!(passed(&report, "limits"));
    let body = json!({"permissions": ["users:read"]});
    admin.patch("/roles/anonymous", &body).expect(200);
    assert!(finding(&examine(&admin), "guard").unwrap()["evidence"].as_str().unwrap().contains("answered 200"));
}

#[test]
fn what_is_not_looked_at_earns_nothing() {
    let site = Site::new();
    let admin = site.admin();
    let served = examine(&admin)["score"].as_u64().unwrap();
    let folder = site.close();
    let loaded = portcullis::config::Config::load(&portcullis::config::Sources {
        directory: folder.path().to_owned(),
        data_dir: Some(folder.path().join("data")),
        ..Default::default()
    });
    let app = portcullis::server::App::open(loaded.unwrap(), portcullis::clock::Clock::movable()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = serde_json::to_value(runtime.block_on(app.doctor.examine()).unwrap()).unwrap();
    assert_eq!(finding(&report, "headers").unwrap()["severity"], "not_probed");
    assert!(report["score"].as_u64().unwrap() < served, "{} and {served}", report["score"]);
    app.close();
}

#[test]
fn only_those_who_see_the_state_of_the_instance_see_it() {
    let site = Site::new();
    let admin = site.admin();
    let vera = site.user(&admin, "vera", &["viewer"]);
    vera.get("/doctor").problem(403, "forbidden");
    site.nobody().get("/doctor").problem(401, "unauthenticated");
}

/// Something that is made worse, and well again.
struct Case {
    id: &'static str,
    spoil: fn(&Site, &Actor),
    mend: fn(&Site, &Actor),
}

fn sql(site: &Site, statements: &'static str) {
    site.app
        .ledger
        .unrecorded_blocking("a test spoils or mends something", move |tx| {
            statements
                .split(';')
                .filter(|one| !one.trim().is_empty())
                .try_for_each(|one| tx.execute(one, &[]).map(drop))
        })
        .unwrap();
}

/// Past the rules of the writer.
fn raw(site: &Site, statements: &str) {
    let database = site.folder.path().join("data/portcullis.db");
    rusqlite::Connection::open(database).unwrap().execute_batch(statements).unwrap();
}

fn mode(site: &Site, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let path = site.folder.path().join("data").join(name);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn strangers_hold(admin: &Actor, permissions: &Value) {
    admin.patch("/roles/anonymous", &json!({ "permissions": permissions })).expect(200);
}

fn set(admin: &Actor, section: &str, key: &str, value: Value) {
    let mut patch = json!({});
    patch[section][key] = value;
    admin.patch("/settings", &patch).expect(200);
}

const CASES: &[Case] = &[
    Case {
        id: "guard",
        spoil: |_, admin| strangers_hold(admin, &json!(["users:read"])),
        mend: |_, admin| strangers_hold(admin, &json!([])),
    },
    Case {
        id: "anonymous",
        spoil: |_, admin| strangers_hold(admin, &json!(["entities.*:create"])),
        mend: |_, admin| strangers_hold(admin, &json!([])),
    },
    Case {
        id: "observed_rules",
        spoil: |_, admin| set(admin, "observe", "rules", json!(["limits.public"])),
        mend: |_, admin| set(admin, "observe", "rules", json!(null)),
    },
    Case {
        id: "admins_second_factor",
        spoil: |site, _| sql(site, "DELETE FROM totp"),
        mend: |site, _| give_second_factors(site),
    },
    Case {
        id: "admins_required",
        spoil: |_, admin| set(admin, "auth", "require_mfa_roles", json!(null)),
        mend: |_, admin| set(admin, "auth", "require_mfa_roles", json!(["admin"])),
    },
    Case {
        id: "admins_count",
        spoil: |site, _| sql(site, "UPDATE users SET status = 'disabled' WHERE email = 'second@example.org'"),
        mend: |site, _| sql(site, "UPDATE users SET status = 'active' WHERE email = 'second@example.org'"),
    },
    Case {
        id: "keys_end",
        spoil: |site, _| sql(site, "UPDATE api_keys SET expires_at = NULL"),
        mend: |site, _| sql(site, "UPDATE api_keys SET expires_at = 4000000000000"),
    },
    Case {
        id: "keys_used",
        spoil: |site, _| sql(site, "UPDATE api_keys SET created_at = created_at - 8640000000, last_used_at = NULL"),
        mend: |site, _| sql(site, "UPDATE api_keys SET created_at = created_at + 8640000000"),
    },
    Case {
        id: "everything",
        spoil: |site, _| sql(site, "UPDATE api_keys SET scopes = '[\"*\"]'"),
        mend: |site, _| sql(site, "UPDATE api_keys SET scopes = '[\"users:read\"]'"),
    },
    Case {
        id: "accounts_used",
        spoil: |site, _| sql(site, "UPDATE users SET last_login_at = 1 WHERE email = 'second@example.org'"),
        mend: |site, _| sql(site, "UPDATE users SET last_login_at = NULL WHERE email = 'second@example.org'"),
    },
    Case {
        id: "enforcement",
        spoil: |_, admin| {
            admin.post("/roles", &json!({"name": "trial", "permissions": ["entities.orders:read"]})).expect(201);
            let trial = json!({"enforcement": "observe", "observe_types": ["orders"], "observe_role": "trial"});
            admin.patch("/settings", &json!({"auth": trial})).expect(200);
        },
        mend: |_, admin| {
            let usual = json!({"enforcement": null, "observe_types": null, "observe_role": null});
            admin.patch("/settings", &json!({"auth": usual})).expect(200);
        },
    },
    Case {
        id: "inspection",
        spoil: |_, admin| set(admin, "inspection", "mode", json!("observe")),
        mend: |_, admin| set(admin, "inspection", "mode", json!("block")),
    },
    Case {
        id: "break_glass",
        spoil: |site, _| {
            sql(
                site,
                "INSERT INTO elevations (id, user_id, session_id, reason, created_at, expires_at, updated_at)
                 SELECT '0190f0c0-0000-7000-8000-000000000001', id, 'gone', 'a test', 1, 2, 2 FROM users LIMIT 1",
            );
        },
        mend: |site, _| sql(site, "DELETE FROM elevations"),
    },
    Case { id: "kill_switch", spoil: |_, admin| switch(admin, true), mend: |_, admin| switch(admin, false) },
    Case {
        id: "files_private",
        spoil: |site, _| mode(site, "keyring.json", 0o644),
        mend: |site, _| mode(site, "keyring.json", 0o600),
    },
    Case {
        id: "sensitive_fields",
        spoil: |_, admin| drop(admin.post("/entity-types", &json!({"name": "plain"})).expect(201)),
        mend: |_, admin| drop(admin.delete("/entity-types/plain").expect(204)),
    },
    Case {
        id: "audit_chain",
        spoil: |site, _| {
            raw(
                site,
                "DROP TRIGGER audit_events_no_update; UPDATE audit_events SET event = event || ' ' WHERE seq = 2;",
            );
        },
        mend: |site, _| raw(site, "UPDATE audit_events SET event = rtrim(event) WHERE seq = 2;"),
    },
    Case {
        id: "database",
        spoil: |site, _| raw(site, "PRAGMA foreign_keys = OFF; INSERT INTO totp VALUES ('nobody', 'x', 0, 1, 1);"),
        mend: |site, _| raw(site, "DELETE FROM totp WHERE user_id = 'nobody';"),
    },
    Case {
        id: "jobs_failed",
        spoil: |site, _| raw(site, FAILED),
        mend: |site, _| sql(site, "DELETE FROM jobs WHERE kind = 'test.failed'"),
    },
    Case {
        id: "jobs_late",
        spoil: |site, _| raw(site, LATE),
        mend: |site, _| sql(site, "DELETE FROM jobs WHERE kind = 'test.late'"),
    },
    Case {
        id: "clock",
        spoil: |site, admin| {
            site.clock.advance(600_000);
            set(admin, "log", "slow_ms", json!(501));
            site.clock.advance(-600_000);
        },
        mend: |site, _| site.clock.advance(600_000),
    },
    Case {
        id: "log_level",
        spoil: |_, admin| set(admin, "log", "level", json!("debug")),
        mend: |_, admin| set(admin, "log", "level", json!("info")),
    },
    Case {
        id: "recovery_key",
        spoil: |site, _| drop(std::fs::rename(pub_key(site), aside(site))),
        mend: |site, _| drop(std::fs::rename(aside(site), pub_key(site))),
    },
    Case {
        id: "backup_good",
        spoil: |site, _| sql(site, "UPDATE backups SET verified_at = NULL"),
        mend: |site, _| sql(site, "UPDATE backups SET verified_at = created_at"),
    },
    Case {
        id: "backup_checked",
        spoil: |site, _| sql(site, "UPDATE backups SET error = 'altered'"),
        mend: |site, _| sql(site, "UPDATE backups SET error = NULL"),
    },
    Case {
        id: "backup_age",
        spoil: |site, _| sql(site, "UPDATE backups SET created_at = created_at - 200000000"),
        mend: |site, _| sql(site, "UPDATE backups SET created_at = created_at + 200000000"),
    },
];

const FAILED: &str = "INSERT INTO jobs (id, kind, payload, state, attempts, due_at, finished_at, error)
    VALUES ('0190f0c0-0000-7000-8000-000000000002', 'test.failed', '{}', 'failed', 3, 1, unixepoch() * 1000, 'no');";
const LATE: &str = "INSERT INTO jobs (id, kind, payload, state, attempts, due_at)
    VALUES ('0190f0c0-0000-7000-8000-000000000003', 'test.late', '{}', 'waiting', 0, 1);";

fn pub_key(site: &Site) -> std::path::PathBuf {
    site.folder.path().join("data/recovery.pub")
}

fn aside(site: &Site) -> std::path::PathBuf {
    site.folder.path().join("recovery.aside")
}

fn switch(admin: &Actor, active: bool) {
    let body = json!({"active": active, "scope": "api_keys", "reason": "a test", "password": crate::support::PASSWORD});
    admin.put("/kill-switch", &body).expect(200);
}

fn give_second_factors(site: &Site) {
    sql(
        site,
        "INSERT INTO totp (user_id, secret, last_step, created_at, confirmed_at) SELECT id, 'x', 0, 1, 1 FROM users",
    );
}

/// Each check finds what was spoilt, and says so no more when it is mended.
#[test]
fn what_is_spoilt_is_found_and_what_is_mended_is_found_no_more() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.admin();
    site.user(&admin, "second", &["admin"]);
    admin.post("/api-keys", &json!({"name": "k", "scopes": ["users:read"]})).expect(201);
    sql(&site, "UPDATE api_keys SET expires_at = 4000000000000");
    give_second_factors(&site);
    set(&admin, "auth", "require_mfa_roles", json!(["admin"]));
    set(&admin, "inspection", "mode", json!("block"));
    crate::backups::make(&admin);
    let mut wrong = Vec::new();
    for Case { id, spoil, mend } in CASES {
        let before = passed(&examine(&admin), id);
        spoil(&site, &admin);
        let spoilt = examine(&admin);
        mend(&site, &admin);
        let after = passed(&examine(&admin), id);
        if (before, finding(&spoilt, id).is_some(), after) != (true, true, true) {
            wrong.push(format!("{id}: good {before}, found {}, mended {after}", finding(&spoilt, id).is_some()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn two_days_make_a_trend() {
    let site = Site::new();
    let admin = site.admin();
    let noted = |count: usize| {
        let begun = std::time::Instant::now();
        loop {
            portcullis::jobs::wake();
            let trend = examine(&site.log_in("admin@example.org"))["trend"].as_array().unwrap().clone();
            if trend.len() >= count {
                return trend;
            }
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{trend:?}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    assert_eq!(examine(&admin)["trend"], json!([]), "a server that has just started notes nothing");
    site.clock.advance(2 * 3_600_000);
    assert_eq!(noted(1).len(), 1);
    site.clock.advance(25 * 3_600_000);
    let trend = noted(2);
    assert!(trend[0]["at"].as_str() < trend[1]["at"].as_str(), "{trend:?}");
    assert!(trend.iter().all(|day| day["score"].as_i64().is_some_and(|score| (1..=100).contains(&score))));
}
