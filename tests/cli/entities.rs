//! Import and export from the shell.

use crate::place::{Place, Serving};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
};

/// A server with a type `cities` of open shape, and a token.
fn with_cities(place: &Place) -> (Serving, String) {
    place.make_admin();
    let server = place.serve();
    let token = server.log_in();
    let made = server.send("/entity-types", &token, serde_json::json!({ "name": "cities" }));
    assert_eq!(made.status(), 201);
    (server, token)
}

#[test]
fn what_is_imported_can_be_exported_beside_a_server_and_without_one() {
    let place = Place::new();
    let (mut server, _) = with_cities(&place);
    let rows: Vec<_> = (0..3000).map(|number| format!("Zürich {number},{}", "ä".repeat(60))).collect();
    fs::write(place.path().join("cities.csv"), format!("name,note\n{}\n", rows.join("\n"))).unwrap();
    let said = place.run(&["import", "cities", "cities.csv"]);
    assert_eq!((said.status, said.out.as_str()), (Some(0), "3000 created, 0 updated, 0 failed\n"), "{}", said.talk);
    let beside = place.run(&["export", "cities", "--format", "jsonl"]);
    assert_eq!(beside.out.lines().count(), 3000, "{}", beside.talk);
    server.stop();
    let alone = place.run(&["export", "cities", "--format", "jsonl"]);
    assert!(alone.out == beside.out, "{}", alone.talk);
    let piped = place.pipe(&["import", "cities", "-", "--format", "jsonl"], &beside.out);
    assert_eq!(piped.out, "0 created, 3000 updated, 0 failed\n", "{}", piped.talk);
    let wrong = place.pipe(&["import", "cities", "-", "--format", "csv"], "name,confidence\nA,0.5\nB,7\nC,x\n");
    assert_eq!((wrong.status, wrong.out.as_str()), (Some(1), ""));
    assert!(wrong.talk.contains("row 2 /confidence") && wrong.talk.contains("row 3 /confidence"), "{}", wrong.talk);
    assert_eq!(place.run(&["import", "cities", "absent.csv"]).status, Some(2));
    assert_eq!(place.run(&["export", "towns"]).status, Some(1));
    assert!(place.run(&["audit", "export"]).out.contains("entities.exported"));
}

#[test]
fn an_import_whose_caller_is_gone_changes_nothing() {
    let place = Place::new();
    let (mut server, _) = with_cities(&place);
    let command = serde_json::json!({ "import": {
        "entity_type": "cities", "file": "cities.csv", "format": null, "name_column": null,
        "skip_errors": false, "json": false
    }});
    let request = serde_json::json!({ "version": env!("CARGO_PKG_VERSION"), "command": command });
    let rows = "name\nParis\nRome\n";
    let send = |end: bool| {
        let mut socket = UnixStream::connect(place.path().join("portcullis-data/control.sock")).unwrap();
        writeln!(socket, "{request}").unwrap();
        socket.write_all(&u32::try_from(rows.len()).unwrap().to_be_bytes()).unwrap();
        socket.write_all(rows.as_bytes()).unwrap();
        if end {
            socket.write_all(&[0; 4]).unwrap();
        }
        socket.shutdown(std::net::Shutdown::Write).unwrap();
        BufReader::new(socket).lines().map_while(Result::ok).last().unwrap()
    };
    assert_eq!(send(false), r#"{"exit":1}"#);
    assert_eq!(place.run(&["export", "cities", "--format", "jsonl"]).out, "");
    assert_eq!(send(true), r#"{"exit":0}"#);
    assert_eq!(place.run(&["export", "cities", "--format", "jsonl"]).out.lines().count(), 2);
    server.stop();
}
