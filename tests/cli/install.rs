//! Installing as a service, upgrading with a way back, removing: below a folder of its own, where no systemd runs.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");
const USER: &str = "nobody";

struct Machine(TempDir);

impl Machine {
    /// Without anything. Other users may come in, as they may at `/`.
    fn fresh() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        fs::set_permissions(machine.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    /// With a configuration that names a free port.
    fn new() -> Self {
        let machine = Self::fresh();
        let settings = machine.path("etc/portcullis");
        fs::create_dir_all(&settings).unwrap();
        let text = format!("environment = \"production\"\n[server]\nlisten = \"127.0.0.1:{}\"\n", free_port());
        fs::write(settings.join("portcullis.toml"), text).unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn install(&self, arguments: &[&str]) -> (Option<i32>, String) {
        self.install_as(USER, arguments)
    }

    fn install_as(&self, user: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/install.sh"));
        script.arg("--root").arg(self.0.path()).args(["--user", user]).args(arguments);
        let Output { status, stdout, stderr } = script.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        (status.code(), said)
    }

    /// A command of what is installed, as the service's user.
    fn run(&self, arguments: &[&str]) -> String {
        let owner = fs::metadata(self.path("var/lib/portcullis")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &owner.uid().to_string(), "--regid", &owner.gid().to_string(), "--clear-groups"]);
        command.arg(self.path("usr/local/bin/portcullis")).arg("--data-dir").arg(self.path("var/lib/portcullis"));
        let Output { status, stdout, stderr } = command.args(arguments).current_dir("/").output().unwrap();
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A next version that spoils the data and then does this instead of serving.
fn next_version(folder: &Path, instead: &str) -> String {
    let path = folder.join("next");
    let script = format!(
        "#!/bin/sh\ncase $1 in --version | man) echo next ;; *) echo spoiled >\"$2/portcullis.db\"; {instead} ;; esac\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A user that goes with the test.
struct OwnUser(String);

impl OwnUser {
    fn new() -> Self {
        Self(format!("portcullis-{}", std::process::id()))
    }

    /// As the machine knows it.
    fn known(&self) -> Option<String> {
        let Output { status, stdout, .. } = Command::new("getent").args(["passwd", &self.0]).output().unwrap();
        status.success().then(|| String::from_utf8(stdout).unwrap().trim().to_owned())
    }
}

impl Drop for OwnUser {
    fn drop(&mut self) {
        let _ = Command::new("userdel").arg(&self.0).output();
    }
}

#[test]
fn installed_upgraded_brought_back_and_removed() {
    assert!(rustix::process::geteuid().is_root(), "services are installed by root");
    let machine = Machine::new();
    let (status, said) = machine.install(&["--binary", PROGRAM]);
    assert_eq!(status, Some(0), "{said}");
    let (program, data) = (machine.path("usr/local/bin/portcullis"), machine.path("var/lib/portcullis"));
    assert_eq!((mode(&program), mode(&data)), (0o755, 0o700));
    assert_ne!(fs::metadata(data.join("portcullis.db")).unwrap().uid(), 0, "it does not run as root");
    assert_eq!(fs::metadata(&program).unwrap().uid(), 0, "and cannot change itself");
    let unit = fs::read_to_string(machine.path("etc/systemd/system/portcullis.service")).unwrap();
    assert!(unit.contains("\nUser=nobody\n") && unit.contains("\nNoNewPrivileges=yes\n"));
    machine.run(&["role", "list"]);
    machine.run(&["user", "create", "--email", "ada@team.example", "--role", "admin"]);

    let (status, said) = machine.install(&["--binary", PROGRAM]);
    assert_eq!(status, Some(0), "{said}");
    assert!(machine.path("var/lib/portcullis.before/portcullis.db").exists(), "{said}");
    assert!(machine.run(&["user", "list"]).contains("ada@team.example"));

    // The one ends at once, the other starts and never becomes ready.
    for (instead, wait) in [("exit 1", "10"), ("exec sleep 600", "5")] {
        let before = fs::read(&program).unwrap();
        let next = next_version(machine.0.path(), instead);
        let (status, said) = machine.install(&["--binary", &next, "--wait", wait]);
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("the old one is back"), "{said}");
        assert!(fs::read(&program).unwrap() == before, "the old program");
        assert_eq!(fs::read_to_string(machine.path("var/lib/portcullis.failed/portcullis.db")).unwrap(), "spoiled\n");
        assert!(machine.run(&["user", "list"]).contains("ada@team.example"), "the old data");
    }

    let (status, said) = machine.install(&["--uninstall"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(!program.exists() && !machine.path("etc/systemd/system/portcullis.service").exists());
    assert!(data.join("portcullis.db").exists() && machine.path("etc/portcullis/portcullis.toml").exists());
}

#[test]
fn a_machine_without_anything_gets_a_user_and_a_configuration() {
    assert!(rustix::process::geteuid().is_root(), "services are installed by root");
    let (machine, user) = (Machine::fresh(), OwnUser::new());
    assert_eq!(user.known(), None);
    let settings = machine.path("etc/portcullis");
    fs::create_dir_all(&settings).unwrap();
    // The one line that cannot be left to chance where tests share a machine.
    let line = format!("PORTCULLIS_SERVER__LISTEN=\"127.0.0.1:{}\"\n", free_port());
    fs::write(settings.join(".env"), line).unwrap();
    let (status, said) = machine.install_as(&user.0, &["--binary", PROGRAM, "--wait", "20"]);
    assert_eq!(status, Some(0), "{said}");
    let known = user.known().expect("the user is made");
    assert!(known.ends_with(":/var/lib/portcullis:/usr/sbin/nologin"), "nobody signs in as it: {known}");
    let id: u32 = known.split(':').nth(2).unwrap().parse().unwrap();
    let (file, data) = (settings.join("portcullis.toml"), machine.path("var/lib/portcullis"));
    assert_eq!((mode(&file), mode(&settings)), (0o640, 0o750));
    assert_eq!((fs::metadata(&file).unwrap().uid(), fs::metadata(&data).unwrap().uid()), (0, id));
    assert_eq!(fs::metadata(data.join("portcullis.db")).unwrap().uid(), id, "it served as that user");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("\nenvironment = \"production\"\n") && text.contains("#listen = "), "{text}");
    let unit = fs::read_to_string(machine.path("etc/systemd/system/portcullis.service")).unwrap();
    assert!(unit.contains(&format!("\nUser={}\n", user.0)), "{unit}");
    fs::write(&file, format!("{text}\n# of the team\n")).unwrap();
    let (status, said) = machine.install_as(&user.0, &["--binary", PROGRAM]);
    assert_eq!(status, Some(0), "{said}");
    assert!(fs::read_to_string(&file).unwrap().ends_with("# of the team\n"), "what is there stays");
    machine.run(&["role", "list"]);
}

#[test]
fn the_service_is_confined() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/portcullis.service");
    let mut analyse = Command::new("systemd-analyze");
    let said =
        analyse.args(["security", "--offline=true", "--threshold=20"]).arg(unit).output().expect("systemd is there");
    assert!(said.status.success(), "exposed by more than 2.0: {}", String::from_utf8_lossy(&said.stdout));
    // Of what is taken away, that by which threads make way for others is given back.
    let unit = fs::read_to_string(unit).unwrap();
    let (_, later) = unit.split_once("SystemCallFilter=~@privileged @resources\n").unwrap();
    assert!(later.lines().any(|line| line == "SystemCallFilter=sched_setscheduler setpriority"));
    assert!(later.lines().any(|line| line == "LimitNICE=+0"));
}

#[test]
fn what_it_is_not_told_it_does_not_do() {
    let machine = Machine::new();
    assert_eq!(machine.install(&["--fly"]).0, Some(2));
    assert_eq!(machine.install(&["--binary"]).0, Some(2));
    let (status, said) = machine.install(&["--binary", "/etc/hostname"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(!machine.path("usr").exists(), "{said}");
}
