//! The container: what its files say about who runs in it and what it may, and an image of them where there is a builder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The instructions of the container file with their words, one for each; what is continued is one.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).map(|(name, words)| (name.to_owned(), words.trim().into())).collect()
}

/// What stands behind a name in the last stage, which is the one that runs.
fn last_stage(name: &str) -> Vec<String> {
    let all = instructions();
    let begin = all.iter().rposition(|(name, _)| name == "FROM").expect("a stage");
    all[begin..].iter().filter(|(other, _)| other == name).map(|(_, words)| words.clone()).collect()
}

#[test]
fn nobody_is_root_in_the_container_and_it_says_how_it_is() {
    let user = last_stage("USER").pop().expect("a user");
    let number: u32 = user.split(':').next().unwrap().parse().expect("a number, which a cluster can check");
    assert!(number >= 1000, "{user}");
    let run = last_stage("RUN").join("\n");
    assert!(run.contains(&format!("--uid {number}")), "the user of that number is made: {run}");
    assert!(run.contains("-m 0700 -o portcullis"), "the data is that user's alone: {run}");
    let stages: Vec<_> = instructions().into_iter().filter(|(name, _)| name == "FROM").collect();
    assert_eq!(stages.len(), 2, "no compiler is in what runs");
    assert!(last_stage("COPY").iter().all(|words| words.starts_with("--from=build ")), "and no source");
    let health = last_stage("HEALTHCHECK").pop().expect("a health check");
    assert!(health.contains("/health/ready") && health.contains(":8080/"), "{health}");
    assert!(run.contains("curl"), "what asks for it is there");
    assert_eq!(last_stage("STOPSIGNAL"), ["SIGTERM"]);
    assert_eq!((last_stage("VOLUME"), last_stage("WORKDIR")), (vec!["/data".to_owned()], vec!["/data".to_owned()]));
}

/// The words of an instruction in the form of a list.
fn listed(name: &str) -> Vec<String> {
    serde_json::from_str(&last_stage(name).pop().unwrap_or_else(|| panic!("{name}"))).expect("a list")
}

#[test]
fn the_program_takes_what_the_container_tells_it() {
    let (entry, command) = (listed("ENTRYPOINT"), listed("CMD"));
    assert_eq!(entry[0], "portcullis");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let told = entry[1..].iter().chain(&command).map(|word| word.replace("/data", data.to_str().unwrap()));
    let mut program = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    program.args(told.collect::<Vec<_>>()).env_clear().current_dir(folder.path());
    // Whether it understands is known before it listens.
    let output = program.env("PORTCULLIS_TLS__CERT", "missing.pem").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("tls."), "the configuration is what it complains of: {said}");
    let built = instructions();
    let copied = last_stage("COPY").pop().unwrap();
    let binary = copied.split_whitespace().nth(1).unwrap().to_owned();
    assert!(built.iter().any(|(name, words)| name == "WORKDIR" && binary.starts_with(words.as_str())), "{binary}");
    assert!(built.iter().any(|(_, words)| words.contains("cargo build --release --locked --bin portcullis")));
    assert!(binary.ends_with("/target/release/portcullis"), "{binary}");
}

/// The lines of the compose file, each as the keys that lead to it and what it says.
fn compose() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    let mut above: Vec<(usize, String)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        let depth = line.len() - line.trim_start().len();
        let words = line.trim();
        above.retain(|(other, _)| *other < depth);
        let path = above.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(".");
        if let Some(item) = words.strip_prefix("- ") {
            found.push((path, item.trim_matches('"').to_owned()));
        } else {
            let (name, value) = words.split_once(':').unwrap_or_else(|| panic!("{line}"));
            above.push((depth, name.to_owned()));
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            found.push((path, value.trim().to_owned()));
        }
    }
    found
}

#[test]
fn the_compose_file_takes_everything_away_that_it_does_not_need() {
    let all = compose();
    let of = |name: &str| -> Vec<&str> {
        let path = format!("services.portcullis.{name}");
        all.iter().filter(|(at, value)| *at == path && !value.is_empty()).map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!((of("read_only"), of("cap_drop")), (vec!["true"], vec!["[ALL]"]));
    assert_eq!(of("security_opt"), ["no-new-privileges:true"]);
    assert_eq!(of("tmpfs"), ["/tmp"], "the one place beside the data that can be written to");
    assert_eq!(of("volumes"), ["data:/data"]);
    assert!(all.iter().any(|(at, _)| at == "volumes.data"), "the volume is declared");
    assert_eq!(of("ports"), ["127.0.0.1:8080:8080"], "strangers come through a proxy");
    for forbidden in ["privileged", "cap_add", "user", "network_mode", "pid"] {
        assert!(of(forbidden).is_empty(), "{forbidden}");
    }
    let grace: u32 = of("stop_grace_period")[0].trim_end_matches('s').parse().unwrap();
    assert!(grace > 30, "requests under way get 30 s");
    let context = root().join("deploy").join(of("build.context")[0]);
    assert!(context.join("Cargo.toml").is_file());
    assert!(context.join(of("build.dockerfile")[0]).is_file());
}

/// A builder that answers, where this machine has one.
fn builder() -> Option<&'static str> {
    let answers = |name: &&str| {
        let asked = Command::new(name).arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    ["docker", "podman"].into_iter().find(answers)
}

#[test]
fn the_image_is_built_and_serves_where_there_is_a_builder() {
    let file: PathBuf = root().join("deploy/Dockerfile");
    assert!(file.is_file());
    let Some(builder) = builder() else {
        println!("no docker or podman answers here, so no image was built");
        return;
    };
    let run = |arguments: &[&str]| {
        let output = Command::new(builder).args(arguments).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    run(&["build", "-f", "deploy/Dockerfile", "-t", "portcullis-test", "."]);
    let flags = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"];
    let who = run(&[&["run"], &flags[..], &["--entrypoint", "id", "portcullis-test", "-u"]].concat());
    assert_eq!(who, "10001");
    let applied = run(&[&["run"], &flags[..], &["portcullis-test", "migrate", "run"]].concat());
    assert_eq!(applied, "");
}
