//! Tells the program the commit that it is built from: what git says, else `PORTCULLIS_COMMIT`.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=PORTCULLIS_COMMIT");
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=build.rs");
    let commit = from_git().or_else(|| env::var("PORTCULLIS_COMMIT").ok()).unwrap_or_else(|| "unknown".into());
    println!("cargo::rustc-env=PORTCULLIS_BUILT_FROM={commit}");
}

fn from_git() -> Option<String> {
    let here = env::var("CARGO_MANIFEST_DIR").ok()?;
    // A copy without .git may lie inside somebody else's repository.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?
        != Path::new(&here).canonicalize().ok()?
    {
        return None;
    }
    let branch = git(&["symbolic-ref", "-q", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(["-c", "safe.directory=*"]).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
