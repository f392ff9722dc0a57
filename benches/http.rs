//! Portcullis beside a bare actix-web server, in interleaved rounds of `wrk -t2 -c64` on the same machine.
//!
//! `cargo bench --bench http` (needs `wrk`). `PORTCULLIS_BENCH_ROUNDS` (5) and `PORTCULLIS_BENCH_SECONDS` (4)
//! set its length. Medians are requests a second; the ratio is what counts.

mod bare;
#[path = "../tests/support/mod.rs"]
mod support;

use serde_json::json;
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

struct Load<'a> {
    name: &'static str,
    ours: String,
    bare: String,
    headers: Vec<String>,
    script: Option<&'a Path>,
    /// 2xx is expected of every answer.
    connections: u32,
}

fn main() {
    if let Ok(folder) = std::env::var("PORTCULLIS_BENCH_BARE") {
        return bare::serve(Path::new(&folder));
    }
    let rounds = number("PORTCULLIS_BENCH_ROUNDS", 5);
    let seconds = number("PORTCULLIS_BENCH_SECONDS", 4);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a data folder");
    let mut ours = support::start(&data);
    let token = ours.set_up();
    let (bare, bare_url) = start_bare(folder.path());
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "amount": {"type": "number"}}});
    let made = ours.post(&token, "/entity-types", &json!({"name": "orders", "schema": schema}));
    assert_eq!(made.status(), 201, "{}", made.text().unwrap_or_default());
    let entity: serde_json::Value = ours.post(&token, "/entities/orders", &body(1)).json().expect("an entity");
    for number in 2..200 {
        ours.post(&token, "/entities/orders", &body(number));
    }
    let id = entity["id"].as_str().expect("an id");
    let script = folder.path().join("create.lua");
    let create = format!(
        "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = '{}'\n",
        body(7)
    );
    fs::write(&script, create).expect("a script");
    let authorization = format!("Authorization: Bearer {token}");
    let headers = vec![authorization];
    let loads = [
        Load {
            name: "constant JSON (health)",
            ours: format!("{}/health/live", ours.url),
            bare: format!("{bare_url}/constant"),
            headers: Vec::new(),
            script: None,
            connections: 64,
        },
        Load {
            name: "view by id, signed in",
            ours: ours.path(&format!("/entities/orders/{id}")),
            bare: format!("{bare_url}/view/{id}"),
            headers: headers.clone(),
            script: None,
            connections: 64,
        },
        Load {
            name: "view by id beside bare constant JSON",
            ours: ours.path(&format!("/entities/orders/{id}")),
            bare: format!("{bare_url}/constant"),
            headers: headers.clone(),
            script: None,
            connections: 64,
        },
        Load {
            name: "list of 30",
            ours: ours.path("/entities/orders"),
            bare: format!("{bare_url}/list"),
            headers: headers.clone(),
            script: None,
            connections: 64,
        },
        Load {
            name: "durable create, 64 clients",
            ours: ours.path("/entities/orders"),
            bare: format!("{bare_url}/create"),
            headers,
            script: Some(&script),
            connections: 64,
        },
    ];
    println!("{:<40} {:>10} {:>10} {:>7}", "median of requests a second", "portcullis", "bare", "ratio");
    for load in &loads {
        let (mut mine, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            mine.push(wrk(load, &load.ours, seconds));
            theirs.push(wrk(load, &load.bare, seconds));
        }
        let (mine, theirs) = (median(mine), median(theirs));
        println!("{:<40} {mine:>10.0} {theirs:>10.0} {:>6.0}%", load.name, 100.0 * mine / theirs);
    }
    drop(bare);
}

fn body(number: u32) -> serde_json::Value {
    json!({"name": format!("Order {number}"), "confidence": 0.5, "data": {"city": "Paris", "amount": number}})
}

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Bare(Child);

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_bare(folder: &Path) -> (Bare, String) {
    let child = Command::new(std::env::current_exe().expect("this program"))
        .env("PORTCULLIS_BENCH_BARE", folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("the bare server starts");
    let bare = Bare(child);
    let file = folder.join("address");
    for _ in 0..500 {
        if let Ok(address) = fs::read_to_string(&file)
            && !address.is_empty()
        {
            return (bare, format!("http://{address}"));
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the bare server did not start");
}

fn wrk(load: &Load<'_>, url: &str, seconds: u32) -> f64 {
    let mut command = Command::new("wrk");
    command.args(["-t2", &format!("-c{}", load.connections), &format!("-d{seconds}s")]);
    for header in &load.headers {
        command.args(["-H", header]);
    }
    if let Some(script) = load.script {
        command.arg("-s").arg(script);
    }
    let output = command.arg(url).output().expect("wrk is installed (Debian: apt-get install wrk)");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{url}: {text}");
    let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).unwrap_or_else(|| panic!("{url}: {text}"))
}
