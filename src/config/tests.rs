use super::*;
use std::{ffi::OsString, fs, os::unix::fs::PermissionsExt, path::Path};

struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources {
            directory: folder.path().to_owned(),
            data_dir: Some(folder.path().join("data")),
            probe_folder: true,
            ..Sources::default()
        };
        Self { folder, sources }
    }

    fn file(self, text: &str) -> Self {
        fs::write(self.folder.path().join("portcullis.toml"), text).unwrap();
        self
    }

    fn dot_env(self, text: &str) -> Self {
        fs::write(self.folder.path().join(".env"), text).unwrap();
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.push((OsString::from(name), OsString::from(value)));
        self
    }

    fn load(&self) -> Loaded {
        Config::load(&self.sources).unwrap_or_else(|mistakes| panic!("{mistakes}"))
    }

    fn mistakes(&self) -> Vec<Mistake> {
        Config::load(&self.sources).expect_err("a mistake").0
    }

    fn keys(&self) -> Vec<String> {
        self.mistakes().into_iter().map(|mistake| mistake.key).collect()
    }
}

#[test]
fn without_sources_the_defaults_hold() {
    let loaded = Case::new().load();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.config.auth.bcrypt_cost, 12);
    assert_eq!(loaded.config.environment, Environment::Development);
    assert_eq!(loaded.origin("server.listen"), Origin::Default);
}

#[test]
fn defaults_are_legal() {
    let written: Vec<_> =
        Config::default().values().into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    for (key, value) in written {
        let (least, most) = key.range.unwrap_or((i64::MIN, i64::MAX));
        assert!(value.as_integer().is_none_or(|number| (least..=most).contains(&number)), "{}", key.name);
        assert_eq!(Some(value), (key.default)(), "{}", key.name);
    }
}

#[test]
fn the_later_source_wins_and_is_remembered() {
    let case = Case::new()
        .file("[auth]\nbcrypt_cost = 10\npassword_min = 14\nlockout_minutes = 20\n")
        .dot_env("PORTCULLIS_AUTH__PASSWORD_MIN=15\nPORTCULLIS_AUTH__LOCKOUT_MINUTES=25\nOTHER=1\n")
        .env("PORTCULLIS_AUTH__LOCKOUT_MINUTES", "30");
    let loaded = case.load();
    let auth = &loaded.config.auth;
    assert_eq!((auth.bcrypt_cost, auth.password_min, auth.lockout_minutes), (10, 15, 30));
    assert!(!loaded.origin("auth.bcrypt_cost").locked());
    assert!(loaded.origin("auth.lockout_minutes").locked());
    assert_eq!(loaded.origin("data_dir"), Origin::Flag("--data-dir"));
}

#[test]
fn lists_tables_and_top_level_keys_come_from_the_environment() {
    let case = Case::new()
        .file("[limits.roles]\nviewer_per_minute = 60\n")
        .env("PORTCULLIS_ENVIRONMENT", "staging")
        .env("PORTCULLIS_LIMITS__ROLES__ANALYST_PER_MINUTE", "600")
        .env("PORTCULLIS_SERVER__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1")
        .env("PORTCULLIS_CORS__ORIGINS", "https://a.example,https://b.example:8443");
    let config = case.load().config;
    assert_eq!(config.environment, Environment::Staging);
    assert_eq!(config.limits.roles["analyst"], 600);
    assert_eq!(config.limits.roles["viewer"], 60);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.cors.origins.len(), 2);
}

#[test]
fn every_mistake_is_told_at_once() {
    let case = Case::new()
        .file("[server]\nbody_limit_mb = -5\nlisten = \"nowhere\"\ncolour = \"red\"\n[limits.roles]\nviewer_per_minute = -1\n")
        .env("PORTCULLIS_AUTH__BCRYPT_COST", "9")
        .env("PORTCULLIS_AUTH__BCRYPT_COTS", "12");
    let mut keys = case.keys();
    keys.sort();
    assert_eq!(
        keys,
        [
            "auth.bcrypt_cost",
            "auth.bcrypt_cots",
            "limits.roles.viewer_per_minute",
            "server.body_limit_mb",
            "server.colour",
            "server.listen"
        ]
    );
    let text = Mistakes(case.mistakes()).to_string();
    assert!(text.contains("auth.bcrypt_cost = 9 (PORTCULLIS_AUTH__BCRYPT_COST in the environment): must be a whole number from 10 to 15"), "{text}");
    assert!(text.contains("did you mean PORTCULLIS_AUTH__BCRYPT_COST?"), "{text}");
}

#[test]
fn what_only_looks_like_ours_is_left_alone_but_a_lost_underscore_is_named() {
    Case::new().env("PORTCULLIS_PORT", "tcp://10.0.0.1:80").env("PORTCULLIS_SERVICE_HOST", "10.0.0.1").load();
    let lost = Case::new().env("PORTCULLIS_SERVER_LISTEN", "127.0.0.1:1").mistakes();
    assert!(lost[0].message.contains("PORTCULLIS_SERVER__LISTEN"), "{}", lost[0]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_with_its_line() {
    assert!(Case::new().file("[server]\nlisten = \n").mistakes()[0].message.contains("line 2"));
    let mut absent = Case::new();
    absent.sources.file = Some(absent.folder.path().join("absent.toml"));
    assert_eq!(absent.keys(), ["--config"]);
}

#[test]
fn what_is_dangerous_together_is_refused() {
    let cors = Case::new().file("[cors]\norigins = [\"*\"]\ncredentials = true\n");
    assert_eq!(cors.keys(), ["cors.origins"]);
    for wide in ["0.0.0.0/0", "::/0", "0.0.0.0/1,128.0.0.0/1", "::ffff:0:0/96"] {
        assert_eq!(Case::new().env("PORTCULLIS_SERVER__TRUSTED_PROXIES", wide).keys(), ["server.trusted_proxies"]);
    }
    let bare = Case::new().file("environment = \"production\"\n[server]\nlisten = \"0.0.0.0:80\"\n");
    assert_eq!(bare.keys(), ["server.listen"]);
    bare.file("environment = \"production\"\n[server]\nlisten = \"0.0.0.0:80\"\ntrusted_proxies = [\"10.0.0.1\"]\n")
        .load();
    let observing = Case::new().file("environment = \"production\"\n[auth]\nenforcement = \"observe\"\n");
    assert_eq!(observing.keys(), ["auth.enforcement"]);
}

#[test]
fn what_would_silently_do_nothing_is_refused() {
    let case = Case::new().file("[audit]\nretention_days = 90\n[cache]\ncold_s = 5\n");
    let mistakes = case.mistakes();
    assert_eq!(mistakes.len(), 2);
    assert!(mistakes.iter().all(|mistake| mistake.message.contains("not available")), "{}", Mistakes(mistakes));
    Case::new().file("[files]\nmax_mb = 100\n[inspection]\nmode = \"off\"\n").load();
}

#[test]
fn limits_are_for_routes_that_are_there() {
    let mut case = Case::new().file(
        "[limits.routes]\n\"GET /user\" = 5\n\"POST /entities/{kind}\" = 5\n\"PUT /x\" = 0\n\"/api/v1/users\" = 9\n",
    );
    case.sources.routes = ["GET /users", "POST /users", "POST /entities/{type}"].map(str::to_owned).into();
    let text = Mistakes(case.mistakes()).to_string();
    assert!(text.contains("limits.routes.GET /user = 5") && text.contains("did you mean GET /users"), "{text}");
    let keys = case.keys();
    assert_eq!(keys, ["limits.routes.PUT /x", "limits.routes.GET /user"], "{text}");
}

#[test]
fn what_the_database_keeps_stands_between_file_and_environment() {
    let case = Case::new()
        .file("[auth]\nlockout_minutes = 20\npassword_min = 14\n")
        .env("PORTCULLIS_AUTH__PASSWORD_MIN", "16");
    let loaded = case.load();
    let stored = |entries: &[(&str, i64)]| -> Stored {
        entries.iter().map(|(key, value)| ((*key).to_owned(), toml::Value::Integer(*value))).collect()
    };
    let kept = stored(&[("auth.lockout_minutes", 25), ("auth.password_min", 15)]);
    let next = loaded.with_stored(&kept).unwrap();
    assert_eq!((next.config.auth.lockout_minutes, next.config.auth.password_min), (25, 16));
    assert_eq!(
        (next.origin("auth.lockout_minutes").word(), next.origin("auth.password_min").word()),
        ("database", "environment")
    );
    let odd = stored(&[
        ("auth.lockout_minutes", 0),
        ("auth.gone", 1),
        ("server.body_limit_mb", 5),
        ("auth.session_max_hours", 1),
        ("auth.session_idle_minutes", 61),
        ("auth.challenge_after", 4),
    ]);
    let (legal, wrong) = loaded.legal_part(&odd);
    assert_eq!(legal.keys().collect::<Vec<_>>(), ["auth.challenge_after", "auth.session_max_hours"]);
    assert_eq!(wrong.len(), 4);
    assert!(loaded.with_stored(&legal).is_ok());
}

#[test]
fn no_secret_may_change_while_running() {
    assert!(SECTIONS.iter().flat_map(|section| section.keys).all(|key| !key.live || !key.secret));
}

#[test]
fn sections_are_known_by_name() {
    let later = Case::new().file("[webhooks]\nurl = \"x\"\n").mistakes();
    assert!(later[0].message.contains("not available"), "{}", later[0]);
    let misspelt = Case::new().file("[servr]\nlisten = \"x\"\n").mistakes();
    assert_eq!((misspelt.len(), misspelt[0].message.contains("did you mean server?")), (1, true), "{}", misspelt[0]);
    let flat = Case::new().file("server = 1\n[[auth]]\nbcrypt_cost = 10\n");
    assert_eq!(flat.keys(), ["auth", "server"]);
}

#[test]
fn secrets_are_weighed_and_never_shown() {
    let short = Case::new().env("PORTCULLIS_METRICS__TOKEN", "hunter2").env("PORTCULLIS_METRICS__TOKNE", "hunter3");
    let text = Mistakes(short.mistakes()).to_string();
    assert!(text.contains("metrics.token = (hidden)") && text.contains("at least 32 bytes"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    let url = Case::new().file("[storage]\nurl = \"postgres://app:hunter2@db/app\"\n");
    assert!(!Mistakes(url.mistakes()).to_string().contains("hunter2"));
}

#[test]
fn the_data_folder_must_be_writable_and_its_keys_private() {
    let case = Case::new();
    fs::write(case.folder.path().join("data"), "a file").unwrap();
    assert_eq!(case.keys(), ["data_dir"]);
    fs::remove_file(case.folder.path().join("data")).unwrap();
    fs::create_dir(case.folder.path().join("data")).unwrap();
    let keyring = case.folder.path().join("data").join(KEYRING_FILE);
    fs::write(&keyring, "{}").unwrap();
    fs::set_permissions(&keyring, fs::Permissions::from_mode(0o644)).unwrap();
    let mistakes = case.mistakes();
    assert!(mistakes[0].message.contains("chmod 600"), "{}", mistakes[0]);
    assert_eq!(fs::read_dir(case.folder.path().join("data")).unwrap().count(), 1);
}

#[test]
fn what_is_shown_can_be_read_again() {
    let case = Case::new().file("[auth]\nbcrypt_cost = 11\n[limits.roles]\nanalyst_per_minute = 5\n");
    let shown = case.load().show();
    assert!(shown.contains("bcrypt_cost = 11  # "), "{shown}");
    let again = Case::new().file(&shown).load();
    assert_eq!(again.config.auth.bcrypt_cost, 11);
    assert_eq!(again.config.limits.roles["analyst"], 5);
}

#[test]
fn the_example_is_a_configuration() {
    Case::new().file(&toml_example()).dot_env(&env_example()).load();
    let on: String = toml_example()
        .lines()
        .map(|line| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with(' ') && !rest.ends_with('=')).unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    Case::new().file(&on).load();
}

/// The files in the repository are what the binary writes; `UPDATE_DOCUMENTS=1` writes them.
#[test]
fn the_documents_are_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in [
        ("docs/configuration.md", markdown()),
        ("docs/portcullis.toml", toml_example()),
        (".env.example", env_example()),
    ] {
        if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
            fs::create_dir_all(root.join("docs")).unwrap();
            fs::write(root.join(name), &text).unwrap();
        }
        let stands = fs::read_to_string(root.join(name)).unwrap_or_default();
        assert!(
            stands == text,
            "{name} is not current; write it with UPDATE_DOCUMENTS=1 cargo test documents_are_current"
        );
    }
}
