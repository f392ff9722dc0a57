//! Blueprints: applied once, then nothing to change; what is written is accepted.

use crate::place::Place;
use std::fs;

#[test]
fn a_blueprint_is_applied_once_beside_a_server_and_without_one() {
    let place = Place::new();
    fs::create_dir(place.path().join("plans")).unwrap();
    fs::write(place.path().join("plans/order.json"), r#"{"required": ["no"]}"#).unwrap();
    let blueprint = "[settings.limits]\npublic_per_minute = 33\n[settings.flags]\nbeta = true\n[[roles]]\nname = \"seller\"\npermissions = [\"entities.orders:read\"]\n\
                     [[entity_types]]\nname = \"orders\"\nalias = \"sales\"\nschema = \"order.json\"\n\
                     [[relationship_types]]\nname = \"holds\"\non_delete = \"cascade\"\n";
    fs::write(place.path().join("plans/shop.toml"), blueprint).unwrap();
    let dry = place.run(&["apply", "plans/shop.toml", "--dry-run"]);
    let steps = "would make the role seller\nwould make the entity type orders\nwould make the relationship type holds\n\
                 would set flags.beta to true, limits.public_per_minute to 33\n";
    assert_eq!(dry.out, steps, "{}", dry.talk);
    assert!(place.run(&["export-blueprint"]).out.find("orders").is_none());
    let mut server = place.serve();
    let said = place.run(&["apply", "plans/shop.toml"]);
    assert_eq!((said.status, said.out.lines().count()), (Some(0), 4), "{}", said.talk);
    server.stop();
    assert_eq!(place.run(&["apply", "plans/shop.toml"]).out, "nothing to change\n");
    let written = place.run(&["export-blueprint"]);
    fs::write(place.path().join("written.toml"), &written.out).unwrap();
    assert_eq!(place.run(&["apply", "written.toml"]).out, "nothing to change\n", "{}", written.out);
    fs::write(place.path().join("other.toml"), "[[roles]]\nname = \"Bad\"\npermissions = [\"x\"]\n").unwrap();
    let wrong = place.run(&["apply", "other.toml"]);
    assert_eq!(wrong.status, Some(1));
    assert!(wrong.talk.contains("/roles/0/name") && wrong.talk.contains("/roles/0/permissions/0"), "{}", wrong.talk);
    fs::write(place.path().join("none.toml"), "").unwrap();
    let named = place.run(&["apply", "none.toml"]);
    assert!(named.talk.contains("role seller") && named.talk.contains("relationship type holds"), "{}", named.talk);
}
