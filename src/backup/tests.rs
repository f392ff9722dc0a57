//! What a restore refuses: backups that are sealed with the right key, and lie.

use super::{
    Backups, RecoveryKey,
    archive::{self, Contents, DATABASE, KEYRING, Manifest},
    envelope::{Head, Opener, Sealed, Unsealed},
    restore,
};
use crate::{
    actor::Actor,
    audit::Ledger,
    clock::{Clock, Time},
    config::{Config, Live, Loaded, Sources},
    secrets::Keyring,
    storage::{self, DataFolder, Options},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A data folder with a backup, its parts to be tampered with, and the keyring that seals them again.
struct Bench {
    folder: TempDir,
    original: PathBuf,
    parts: TempDir,
    manifest: Manifest,
    keyring: Keyring,
}

fn loaded(folder: &Path) -> Loaded {
    let sources = Sources { directory: folder.to_owned(), data_dir: Some(folder.join("data")), ..Sources::default() };
    Config::load(&sources).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let opened = DataFolder::open(&data).unwrap();
        let keyring = Keyring::open_or_create(&data, &Clock::system()).unwrap();
        let (db, writer) = storage::open(&data, &Options::default()).unwrap();
        let ledger = Ledger::new(db, writer, Clock::system());
        let live = Live::new(loaded(folder.path()));
        let backups = Backups::open(ledger.clone(), keyring.clone(), live, opened).unwrap();
        backups.first_recovery_key(&Actor::cli()).unwrap();
        let made = backups.create(&Actor::cli(), |_, _, _| {}).unwrap();
        ledger.close();
        drop((backups, ledger));
        fs::remove_dir(data.join("backup.scratch")).unwrap();
        let original = data.join("backups").join(made.name);
        let parts = tempfile::tempdir().unwrap();
        let mut file = BufReader::new(File::open(&original).unwrap());
        let (head, bound) = Head::read(&mut file).unwrap();
        let key = head.open(&Opener::Keyring(&keyring)).unwrap();
        let manifest = archive::unpack(Unsealed::new(file, &key, bound).unwrap(), parts.path(), || Ok(())).unwrap();
        Self { folder, original, parts, manifest, keyring }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Seals what the parts are now.
    fn sealed(&self, name: &str, manifest: &Manifest, schema: i64, left_out: &str) -> PathBuf {
        let path = self.parts.path().join(format!("{name}.backup"));
        let (head, key) = Head::new(format!("{name}.backup"), (Time(1), schema), &self.keyring, None).unwrap();
        let mut file = File::create(&path).unwrap();
        let bound = head.write(&mut file).unwrap();
        let names = [DATABASE, KEYRING].into_iter().filter(|name| *name != left_out);
        let files = names.map(|name| (name.to_owned(), self.parts.path().join(name))).collect();
        let contents = Contents { manifest: manifest.clone(), files };
        let sealed = archive::pack(&contents, Sealed::new(file, &key, bound).unwrap(), |_| Ok(())).unwrap();
        sealed.finish().unwrap();
        path
    }

    fn change(&self, statement: &'static str) {
        let (_, writer) = storage::open(self.parts.path(), &Options::default()).unwrap();
        writer.write_blocking(move |tx| tx.execute(statement, &[])).unwrap();
        writer.close();
    }

    fn counted(&self) -> Manifest {
        let db = storage::open_copy(&self.parts.path().join(DATABASE)).unwrap();
        Manifest { files_held: true, ..Manifest::count(&db).unwrap() }
    }

    /// Why it is refused; the folder is as it was.
    fn refused(&self, path: &Path, key: Option<&RecoveryKey>) -> String {
        let before = contents(&self.data());
        let config = loaded(self.folder.path()).config;
        let refused = restore(&config, &path.to_string_lossy(), key, &Clock::system()).unwrap_err().to_string();
        assert_eq!(contents(&self.data()), before, "{refused}: nothing was changed");
        refused
    }
}

fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    // The lock's own file says which process held it last.
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    for entry in entries.filter(|entry| entry.file_name() != "portcullis.lock") {
        if entry.path().is_dir() {
            found.insert(entry.path(), Vec::new());
            found.extend(contents(&entry.path()));
        } else {
            found.insert(entry.path(), Sha256::digest(fs::read(entry.path()).unwrap()).to_vec());
        }
    }
    found
}

#[track_caller]
fn assert_told(refused: &str, words: &str) {
    assert!(refused.contains(words), "{refused}");
}

#[test]
fn what_lies_is_refused_and_the_folder_stays_as_it_was() {
    let bench = Bench::new();
    let latest = storage::latest_migration();
    let newer = bench.sealed("newer", &bench.manifest, latest + 1, "");
    assert_told(&bench.refused(&newer, None), "Install that version first");
    let other = bench.sealed("other", &bench.manifest, latest - 1, "");
    assert_told(&bench.refused(&other, None), "its head says");
    let keyless = bench.sealed("keyless", &bench.manifest, latest, KEYRING);
    assert_told(&bench.refused(&keyless, None), "its keyring is missing");

    let mut rows = bench.manifest.clone();
    *rows.rows.get_mut("jobs").unwrap() += 1;
    assert_told(&bench.refused(&bench.sealed("rows", &rows, latest, ""), None), "rows are not those");

    let original = fs::read(&bench.original).unwrap();
    let cut = bench.parts.path().join("cut.backup");
    for length in [original.len() - 1, original.len() / 2, 30, 0] {
        fs::write(&cut, &original[..length]).unwrap();
        let refused = bench.refused(&cut, None);
        assert!(refused.contains("cut short") || refused.contains("not a backup"), "{length}: {refused}");
    }
    assert_told(&bench.refused(&bench.original, Some(&RecoveryKey::new().unwrap())), "made for the recovery key");

    bench.change("DROP TRIGGER audit_events_no_update");
    bench.change("UPDATE audit_events SET event = replace(event, 'recovery_key', 'recovery_kex') WHERE seq = 1");
    let chain = bench.sealed("chain", &bench.counted(), latest, "");
    assert_told(&bench.refused(&chain, None), "its audit log is broken at event 1");

    let config = loaded(bench.folder.path()).config;
    let restored = restore(&config, &bench.original.to_string_lossy(), None, &Clock::system()).unwrap();
    assert!(restored.events > 0 && restored.aside.is_dir(), "the one that does not lie is taken");
}
