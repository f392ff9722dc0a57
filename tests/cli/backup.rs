//! Backups from the shell, and the way back: with the folder's keyring, with the recovery key on a new machine, and
//! never from what cannot be trusted.

use crate::place::{PASSWORD, Place};
use serde_json::Value;
use std::{fs, path::PathBuf};

/// A place with an account and a backup; its name and the recovery key.
fn backed_up() -> (Place, String, String) {
    let place = Place::new();
    place.make_admin();
    let made = place.run(&["backup", "create"]);
    assert_eq!(made.status, Some(0), "{}", made.talk);
    assert!(made.talk.contains("is good"), "{}", made.talk);
    let mut lines = made.out.lines();
    let name = lines.next().expect("a name").to_owned();
    let key = lines.next().expect("the recovery key").to_owned();
    assert!(key.starts_with("ptrec_"), "{key}");
    assert_eq!(place.run(&["backup", "create"]).out.lines().count(), 1, "the key is shown once");
    (place, name, key)
}

fn data(place: &Place) -> PathBuf {
    place.path().join("portcullis-data")
}

fn emails(place: &Place) -> String {
    place.run(&["user", "list"]).out
}

fn user(place: &Place, email: &str) {
    let made = ["user", "create", "--email", email, "--role", "viewer", "--password-stdin"];
    assert_eq!(place.pipe(&made, &format!("{PASSWORD}\n")).status, Some(0));
}

#[test]
fn a_restore_brings_back_what_was_and_ends_every_session() {
    let (place, name, _) = backed_up();
    // Nobody takes letters there, so one waits when the backup is made.
    let mut server = place.serve_with(&[
        ("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"),
        ("PORTCULLIS_MAIL__FROM", "gate@example.org"),
        ("PORTCULLIS_OUTBOUND__ALLOW", "127.0.0.1"),
    ]);
    let token = server.log_in();
    let forgotten = serde_json::json!({"email": "ada@team.example"});
    assert_eq!(server.send("/auth/password/forgot", "", forgotten).status(), 202);
    let beside = place.run(&["backup", "create"]);
    assert_eq!(beside.status, Some(0), "{}", beside.talk);
    let name_beside = beside.out.trim().to_owned();
    let refused = place.run(&["backup", "restore", &name, "--yes"]);
    assert_eq!(refused.status, Some(1));
    assert!(refused.talk.contains("stop it first"), "{}", refused.talk);
    server.stop();
    user(&place, "later@example.org");
    fs::write(data(&place).join("erasures.log"), "of this folder").unwrap();

    assert_eq!(place.run(&["backup", "restore", &name_beside]).status, Some(2), "it has to be meant");
    let restored = place.run(&["backup", "restore", &name_beside, "--yes"]);
    assert_eq!(restored.status, Some(0), "{}", restored.talk);
    assert!(!emails(&place).contains("later@"), "what came later is gone");
    assert_eq!(fs::read_to_string(data(&place).join("erasures.log")).unwrap(), "of this folder");
    let aside = fs::read_dir(data(&place)).unwrap().map(|entry| entry.unwrap().path());
    let aside = aside.into_iter().find(|path| path.to_string_lossy().contains("before-restore-")).expect("kept");
    assert!(aside.join("portcullis.db").is_file() && aside.join("keyring.json").is_file());
    let server = place.serve();
    let jobs = ["jobs", "list", "--kind", "identity.mail_link", "--json"];
    let letters: Value = serde_json::from_str(&place.run(&jobs).out).unwrap();
    assert_eq!((letters.as_array().unwrap().len(), &letters[0]["state"]), (1, &"cancelled".into()), "{letters}");
    assert!(letters[0]["error"].as_str().unwrap().contains("this may have been done before"), "{letters}");
    assert_eq!(server.status("/auth/me", &token), 401, "a session from before is refused");
    let fresh = server.log_in();
    assert_eq!(server.status("/auth/me", &fresh), 200);
    assert_eq!(place.run(&["audit", "verify"]).status, Some(0));
    let listed: Value = serde_json::from_str(&place.run(&["backup", "list", "--json"]).out).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 3, "what lies in the folder is listed, whatever the database knew");
    let log = place.run(&["audit", "export"]).out;
    assert!(log.contains("backup.restored") && log.contains(&name_beside), "the restore is in the log");
}

#[test]
fn on_a_new_machine_the_recovery_key_opens_it_and_no_other_does() {
    let (place, name, key) = backed_up();
    let new = Place::new();
    let carried = new.path().join("carried.backup");
    fs::copy(data(&place).join("backups").join(&name), &carried).unwrap();
    let carried = carried.to_string_lossy().into_owned();
    let key_file = new.path().join("key.txt");
    let with_key = ["backup", "restore", &carried, "--yes", "--key-file", &key_file.to_string_lossy()];

    let none = new.run(&with_key[..4]);
    assert_eq!(none.status, Some(1));
    assert!(none.talk.contains("--key-file"), "{}", none.talk);
    let (_, _, other) = backed_up();
    fs::write(&key_file, format!("{other}\n")).unwrap();
    let wrong = new.run(&with_key);
    assert_eq!(wrong.status, Some(1));
    assert!(wrong.talk.contains("made for the recovery key"), "{}", wrong.talk);
    assert!(!data(&new).join("portcullis.db").exists(), "nothing was put there");

    fs::write(&key_file, format!("{key}\n")).unwrap();
    let mut bytes = fs::read(&carried).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&carried, &bytes).unwrap();
    let altered = new.run(&with_key);
    assert_eq!(altered.status, Some(1));
    assert!(altered.talk.contains("altered"), "{}", altered.talk);
    bytes[middle] ^= 1;
    fs::write(&carried, &bytes).unwrap();
    let restored = new.run(&with_key);
    assert_eq!(restored.status, Some(0), "{}", restored.talk);
    assert_eq!(emails(&new), emails(&place));
    assert_eq!(new.run(&["audit", "verify"]).status, Some(0));
}

#[test]
fn a_recovery_key_is_made_once_and_replaced_when_that_is_meant() {
    let place = Place::new();
    let first = place.run(&["backup", "key"]);
    assert_eq!((first.status, first.out.starts_with("ptrec_")), (Some(0), true), "{}", first.talk);
    assert_eq!(place.run(&["backup", "key"]).status, Some(1));
    let made = place.run(&["backup", "create"]);
    assert_eq!(made.out.lines().count(), 1, "{}", made.out);
    let file = place.path().join("old-key.txt");
    fs::write(&file, &first.out).unwrap();
    let (name, file) = (made.out.trim().to_owned(), file.to_string_lossy().into_owned());
    assert_eq!(place.run(&["backup", "verify", &name, "--key-file", &file]).status, Some(0));
    let second = place.run(&["backup", "key", "--replace"]);
    assert_ne!(first.out, second.out);
    assert_eq!(
        place.run(&["backup", "verify", &name, "--key-file", &file]).status,
        Some(0),
        "its own key still opens it"
    );
    fs::write(&file, &second.out).unwrap();
    assert_eq!(place.run(&["backup", "verify", &name, "--key-file", &file]).status, Some(1));
    assert_eq!(place.run(&["backup", "verify", &name]).status, Some(0), "the folder's keyring opens it still");
}
