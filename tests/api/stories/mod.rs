//! What the backends that teams built by hand did for their users, done here over HTTP.

mod cloud_operations;
mod customer_access;
mod customer_gate;
mod customer_risk;
mod entity_graph;
mod four_roles;
mod projects_uploads;

use crate::support::Site;
use std::path::Path;
use tempfile::TempDir;

/// A site on a folder to which the command line applied a blueprint, twice: the second time changes nothing.
fn site_of(blueprint: &str, makes: &str, environment: &[(&str, &str)]) -> Site {
    Site::on(folder_of(blueprint, makes), environment)
}

/// A folder with a blueprint applied; its data lies in `data` below it.
fn folder_of(blueprint: &str, makes: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for round in ["first", "second"] {
        let applied = assert_cmd::Command::cargo_bin("portcullis")
            .unwrap()
            .current_dir(folder.path())
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .arg("apply")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/blueprints").join(blueprint))
            .assert()
            .success();
        let said = String::from_utf8_lossy(&applied.get_output().stdout).into_owned();
        assert_eq!(said.contains(makes), round == "first", "{round}: {said}");
    }
    folder
}
