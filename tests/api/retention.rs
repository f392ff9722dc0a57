//! Entities that are gone for good some days after their deletion.

use crate::support::Site;
use serde_json::json;

const DAY: i64 = 24 * 3600 * 1000;

#[test]
fn what_was_deleted_long_enough_ago_is_gone_for_good() {
    let site = Site::new();
    let admin = site.admin();
    for (name, days) in [("orders", json!(30)), ("notes", json!(null))] {
        let fields = json!({"/no": {"unique": true}});
        let body = json!({"name": name, "retention_days": days, "fields": fields});
        assert_eq!(admin.post("/entity-types", &body).expect(201).json()["retention_days"], days);
    }
    let make = |kind: &str, no: u32| {
        let path = format!("/entities/{kind}");
        let id = admin.post(&path, &json!({"data": {"no": no, "text": "kept-no-longer"}})).expect(201).id();
        format!("{path}/{id}")
    };
    let (old, young, live, other) = (make("orders", 1), make("orders", 2), make("orders", 3), make("notes", 1));
    admin.patch(&old, &json!({"name": "changed"})).expect(200);
    for path in [&old, &other] {
        admin.delete(path).expect(204);
    }
    site.clock.advance(20 * DAY);
    let admin = site.log_in("admin@example.org");
    admin.delete(&young).expect(204);
    site.clock.advance(11 * DAY);
    assert_eq!(site.app.entities.purge().unwrap(), 1);
    assert_eq!(site.app.entities.purge().unwrap(), 0);
    let admin = site.log_in("admin@example.org");
    admin.get(&format!("{old}?deleted=include")).problem(404, "not_found");
    admin.get(&format!("{old}/history")).problem(404, "not_found");
    admin.send(admin.request(reqwest::Method::POST, &format!("{old}/restore"))).problem(404, "not_found");
    admin.get(&format!("{young}?deleted=include")).expect(200);
    admin.get(&format!("{other}?deleted=include")).expect(200);
    admin.get(&live).expect(200);
    let id = old.rsplit('/').next().unwrap();
    let event = admin.get(&format!("/audit?target_id={id}&limit=1")).expect(200).json()["items"][0].clone();
    assert_eq!((&event["action"], &event["actor"]["type"]), (&json!("entity.purged"), &json!("system")));
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    admin.patch("/entity-types/orders", &json!({"retention_days": null})).expect(200);
    site.clock.advance(100 * DAY);
    assert_eq!(site.app.entities.purge().unwrap(), 0);
    let admin = site.log_in("admin@example.org");
    for bad in [json!(0), json!(-1), json!(36_501), json!("30"), json!(1.5)] {
        admin.patch("/entity-types/orders", &json!({"retention_days": bad})).problem(422, "validation_failed");
    }
}

#[test]
fn the_daily_job_removes_them_by_itself() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders", "retention_days": 30})).expect(201);
    let make = || admin.post("/entities/orders", &json!({"data": {"text": "kept-no-longer"}})).expect(201).id();
    let (gone, live) = (make(), make());
    admin.delete(&format!("/entities/orders/{gone}")).expect(204);
    let known = |id: &str| {
        let id: portcullis::ids::Id = id.parse().unwrap();
        let sql = "SELECT (SELECT count(*) FROM entities WHERE id = ?1) + (SELECT count(*) FROM entity_versions WHERE id = ?1)";
        let count =
            site.app.ledger.db().read(|reader| reader.query_one(sql, portcullis::params![id], |row| row.get::<i64>(0)));
        count.unwrap().unwrap()
    };
    site.clock.advance(29 * DAY);
    portcullis::jobs::wake();
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert_eq!(known(&gone), 2, "a day too soon");
    site.clock.advance(2 * DAY);
    portcullis::jobs::wake();
    crate::support::until("it is gone", || (known(&gone) == 0).then_some(()));
    assert_eq!(known(&live), 1);
    let admin = site.log_in("admin@example.org");
    let event = admin.get(&format!("/audit?target_id={gone}&limit=1")).expect(200).json()["items"][0].clone();
    assert_eq!((&event["action"], &event["actor"]["label"]), (&json!("entity.purged"), &json!("retention")));
}
