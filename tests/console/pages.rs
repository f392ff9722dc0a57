//! Every page and every drawer, on a desk and on a phone, light and dark: no complaint, nothing cut, nothing that a reader of screens would miss.

use crate::{browser::Browser, receiver::Receiver, site::Site, support::PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};
use std::fmt::Write;

const AXE: &str = include_str!("vendor/axe.min.js");
const CHECK: &str = r"
const done = arguments[0];
const options = { resultTypes: ['violations'], ...(matchMedia('(prefers-color-scheme: dark)').matches && { runOnly: ['color-contrast'] }) };
axe.run(document, options).then(({ violations }) =>
  done(violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\n    ${failureSummary}`))));";
const SHAPE: &str = r"
const wide = [...document.querySelectorAll('body *')].filter((element) => {
  const box = element.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 1 || box.left < -1) && !element.closest('.visually-hidden, .table-scroll, .sidebar');
});
const main = document.querySelector('main').getBoundingClientRect();
const dialog = document.querySelector('dialog[open]');
return {
  title: document.title,
  headings: [...document.querySelectorAll('h1')].filter((element) => element.checkVisibility()).length,
  overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth),
  hollow: Math.max(0, document.documentElement.scrollHeight - Math.max(innerHeight, Math.ceil(main.bottom + scrollY))),
  spilt: dialog ? Math.max(0, dialog.scrollHeight - dialog.clientHeight) : 0,
  wide: wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 160)),
};";

/// Nothing arrives there.
const MAIL: [(&str, &str); 2] =
    [("PORTCULLIS_MAIL__SMTP_URL", "smtp://127.0.0.1:9"), ("PORTCULLIS_MAIL__FROM", "The Gate <gate@example.org>")];

/// A site with something on every page; answers the address of each view, what to press there, and the words it then has.
fn furnished() -> (Site, Vec<View>) {
    let receiver = Receiver::start();
    let allowed = receiver.allowed();
    let site = Site::with(&[&MAIL[..], &[("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]].concat());
    let schema = json!({"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string"}, "credit": {"type": "integer", "minimum": 0, "title": "Credit in euros"},
        "tier": {"enum": ["gold", "silver"]}, "active": {"type": "boolean"},
        "since": {"type": "string", "format": "date"}, "tags": {"type": "array", "items": {"type": "string"}},
    }});
    let fields = json!({"/credit": {"sensitivity": "confidential"}});
    site.post("/entity-types", &json!({"name": "customers", "alias": "customers", "schema": schema, "fields": fields}));
    site.post("/entity-types", &json!({"name": "notes"}));
    let mut entity = Value::Null;
    for number in 1..=35 {
        let tier = if number % 3 == 0 { "gold" } else { "silver" };
        let data =
            json!({"city": "Delft", "credit": number * 1250, "tier": tier, "since": "2024-05-01", "tags": ["new"]});
        let body = json!({"name": format!("Bridge Works {number}"), "confidence": 0.8, "data": data});
        entity = site.post("/entities/customers", &body);
    }
    let path = format!("/entities/customers/{}", entity["id"].as_str().expect("an id"));
    site.send(Method::PATCH, &path, &json!({"data": {"city": "Utrecht", "tags": ["new", "large"]}}));
    site.post(&format!("{path}/history/1/restore"), &json!({}));
    let id = site.user("grace@example.org", "Grace Hopper", "analyst");
    for (email, name, role) in [
        ("ada@example.org", "Ada Lovelace", "viewer"),
        (
            "a.very.long.address.of.somebody@department.of.long.names.example.org",
            "Somebody with quite a long name",
            "viewer",
        ),
        ("importer@example.org", "Importer", "system"),
    ] {
        let kind = if role == "system" { "service" } else { "person" };
        let password = (kind == "person").then_some(PASSWORD);
        site.post(
            "/users",
            &json!({"email": email, "name": name, "roles": [role], "kind": kind, "password": password}),
        );
    }
    let scopes = json!(["entities.customers:create", "entities.customers:update", "kill_switch:write"]);
    let key =
        site.post("/api-keys", &json!({"name": "Nightly import", "scopes": scopes, "rate_limit": {"per_minute": 600}}));
    let scopes = json!(["users:read"]);
    site.post("/api-keys", &json!({"name": "Dashboard", "scopes": scopes, "expires_at": "2038-01-01T00:00:00Z"}));
    let key = key["id"].as_str().expect("an id").to_owned();
    let permissions = json!(["users:read", "entities.customers:read", "entities.customers:update:own"]);
    site.post("/roles", &json!({"name": "support_team", "permissions": permissions, "clearance": "internal"}));
    let entity = entity["id"].as_str().expect("an id").to_owned();
    let hook = hook(&site, &receiver);
    let file = site.upload("applicants.csv", b"name,city\nBridge Works,Delft\n", Some(&entity));
    site.upload("A report with quite a long name of the first quarter.txt", b"words and more words\n", None);
    (site, views(&id, &entity, &key, &hook, &file))
}

struct View {
    name: &'static str,
    address: String,
    press: &'static [&'static str],
    words: &'static str,
}

fn view(name: &'static str, address: &str, press: &'static [&'static str], words: &'static str) -> View {
    View { name, address: format!("/console/{address}"), press, words }
}

/// A webhook with a delivery that got through and one that is to be tried again.
fn hook(site: &Site, receiver: &Receiver) -> String {
    let body = json!({"name": "Chat of the team", "url": receiver.url("/hook"), "events": ["user.*", "role.created"]});
    let hook = site.post("/webhooks", &body)["id"].as_str().expect("an id").to_owned();
    for calls in 1..=2 {
        site.post(&format!("/webhooks/{hook}/test"), &json!({}));
        receiver.wait_for(calls);
        receiver.answer("503 Busy");
    }
    hook
}

fn views(user: &str, entity: &str, key: &str, hook: &str, file: &str) -> Vec<View> {
    vec![
        view("sign-in", "sign-in", &[], "To the administration console"),
        view("set-up", "setup", &[], "Set up Portcullis"),
        view("set-password", "set-password#token=none", &[], "The link works once."),
        view("forgot-password", "forgot-password", &[], "You get a link by mail"),
        view("overview", "", &[], "Audit events"),
        view("entity-types", "entity-types", &[], "Customers"),
        view("entity-type-new", "entity-types?open=new", &["Add a property"], "Properties"),
        view("entity-type", "entity-types?open=customers", &["Schema as JSON"], "Short address"),
        view("entities", "entities/customers", &[], "Bridge Works 35"),
        view("entities-empty", "entities/notes", &[], "No notes yet"),
        view("entities-no-match", "entities/customers?search=zzz", &[], "No entity matches"),
        view("entities-columns", "entities/customers", &["Columns"], "Credit"),
        view(
            "entities-groups",
            "entities/customers?group=data.tier&measure=sum%28data.credit%29&filter=confidence%20%3E%200.5",
            &[],
            "Sum of credit by tier",
        ),
        view("entities-group-by", "entities/customers", &["Group by…"], "Measure"),
        view("entities-filter", "entities/customers", &["Filter"], "Such as data.city"),
        view("entity-new", "entities/customers?open=new", &[], "Credit in euros"),
        view("entity", &format!("entities/customers?open={entity}"), &[], "Version"),
        view(
            "entity-history",
            &format!("entities/customers?open={entity}"),
            &["History"],
            "Put back to an earlier version",
        ),
        view("entity-delete", &format!("entities/customers?open={entity}"), &["Delete"], "Cancel"),
        view("import", "entities/customers/import", &[], "CSV with a header line"),
        view("users", "users", &[], "Grace Hopper"),
        view("user-new", "users?open=new", &[], "Leave it empty"),
        view("user", &format!("users?open={user}"), &[], "Signing in"),
        view("user-access", &format!("users?open={user}"), &["What they can see and do"], "Try it"),
        view("decision-gone", "?decision=none-of-those", &[], "No refusal is kept"),
        view("doctor", "doctor", &[], "What to mend"),
        view("observations", "observations", &[], "Every rule is enforced"),
        view("user-link", &format!("users?open={user}"), &["Password link"], "Whoever opens this link"),
        view("roles", "roles", &[], "Support team"),
        view("role-new", "roles?open=new", &[], "Create the role"),
        view("role", "roles?open=support_team", &[], "Can read users"),
        view("role-built-in", "roles?open=admin", &[], "Can do everything"),
        view("access-matrix", "access-matrix", &[], "What each API key may do"),
        view("access-matrix-role", "access-matrix?role=support_team", &[], "Update: their own"),
        view("access-matrix-export", "access-matrix", &["Export"], "As a document"),
        view(
            "access-matrix-cell",
            "access-matrix?role=support_team",
            &["Support team, Entities: Customers: Read Update: their own"],
            "Continue",
        ),
        view("access-matrix-field", "access-matrix", &["Customers, credit: Confidential"], "would read it"),
        view("api-keys", "api-keys", &[], "Nightly import"),
        view("api-key-new", "api-keys?open=new", &[], "Create the key"),
        view("api-key", &format!("api-keys?open={key}"), &[], "600 requests a minute"),
        view("api-key-rotate", &format!("api-keys?open={key}"), &["Rotate"], "The old secret ends"),
        view("files", "files", &[], "applicants.csv"),
        view("file", &format!("files?open={file}"), &[], "1 row, 2 columns"),
        view("file-delete", &format!("files?open={file}"), &["Delete"], "removed for good"),
        view("files-no-match", "files?search=nothing-like-it", &[], "No file matches"),
        view("webhooks", "webhooks", &[], "Chat of the team"),
        view("webhook-new", "webhooks?open=new", &[], "Create the webhook"),
        view("webhook", &format!("webhooks?open={hook}"), &["What was sent and answered"], "Message id"),
        view("webhook-rotate", &format!("webhooks?open={hook}"), &["Rotate"], "The old secret ends"),
        view("webhooks-no-match", "webhooks?state=off", &[], "No webhook matches"),
        view("jobs", "jobs", &[], "Look whether an alert has to be told"),
        view("job", "jobs?state=waiting", &["Remove finished jobs"], "Comes by itself"),
        view("backups", "backups", &[], "No backups yet"),
        view("jobs-no-match", "jobs?state=cancelled", &[], "No job matches"),
        view("sessions", "sessions", &[], "This one"),
        view("audit", "audit", &[], "signed in"),
        view("audit-filters", "audit", &["More filters"], "Apply"),
        view("event", "audit?open=3", &[], "Place in the chain"),
        view("verify", "audit", &["Verify chain"], "The chain is whole."),
        view("elevations-empty", "elevations", &[], "Nobody broke the glass"),
        view("kill-switch", "kill-switch", &[], "Traffic flows."),
        view("secrets", "secrets", &[], "Presigned addresses"),
        view("secret-rotate", "secrets", &["Rotate: Access tokens"], "What will happen"),
        view("logs", "logs", &[], "Information"),
        view("logs-no-match", "logs?search=zzzz", &[], "No line matches"),
        view("settings", "settings", &[], "Requests a minute without signing in"),
        view("account", "account", &[], "Send a test"),
        view("second-factor", "account", &["Set up"], "Scan this"),
        view("search", "users", &["Search"], "Pages"),
        view("not-there", "entities/ghosts", &[], "There is no such type"),
    ]
}

/// What is wrong with the view that is open.
fn faults(browser: &Browser) -> String {
    let mut faults = String::new();
    let shape = browser.script(SHAPE, Vec::new());
    if shape["headings"] != 1 {
        let _ = writeln!(faults, "{} level-one headings", shape["headings"]);
    }
    if !shape["title"].as_str().is_some_and(|title| title.ends_with(" · Portcullis")) {
        let _ = writeln!(faults, "the title is {}", shape["title"]);
    }
    if shape["overflow"] != 0 || shape["wide"] != json!([]) {
        let _ = writeln!(faults, "wider than the window: {} {}", shape["overflow"], shape["wide"]);
    }
    if shape["hollow"] != 0 || shape["spilt"] != 0 {
        let _ = writeln!(faults, "scrolls beyond its content: {} {}", shape["hollow"], shape["spilt"]);
    }
    for violation in browser.script_later(CHECK).as_array().into_iter().flatten() {
        let _ = writeln!(faults, "{}", violation.as_str().unwrap_or_default());
    }
    faults
}

/// [`faults`] of the view that is open, whatever was loaded before.
pub fn faults_of_view(browser: &Browser) -> String {
    browser.script(AXE, Vec::new());
    faults(browser)
}

/// A page that is not there may say so in the browser's console too.
fn complaints(browser: &Browser, view: &View) -> Vec<String> {
    let said = browser.complaints();
    if view.name == "not-there" { Vec::new() } else { said }
}

fn walk(width: u32, height: u32) {
    let (site, views) = furnished();
    let browser = site.console();
    browser.resize(width, height);
    let mut all = String::new();
    for view in views {
        browser.prefer("light");
        browser.visit(&view.address);
        browser.holds("document.querySelector('h1')");
        for name in view.press {
            browser.press(name);
        }
        browser.shows(view.words);
        browser.holds("!document.querySelector('[aria-busy], .late')");
        browser.script(AXE, Vec::new());
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.picture(&format!("{}-{width}-{scheme}", view.name));
            let found = faults(&browser);
            if !found.is_empty() {
                let _ = writeln!(all, "== {} at {width}, {scheme}\n{found}", view.name);
            }
        }
        for complaint in complaints(&browser, &view) {
            let _ = writeln!(all, "== {} at {width} complains: {complaint}", view.name);
        }
    }
    assert!(all.is_empty(), "\n{all}");
}

#[test]
fn on_a_desk() {
    walk(1440, 900);
}

#[test]
fn on_a_phone() {
    walk(390, 844);
}

const STEADY: &str = r"
const done = arguments[0];
let moved = 0;
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput } of list.getEntries()) moved += hadRecentInput ? 0 : value;
}).observe({ type: 'layout-shift', buffered: true });
const seen = [...document.querySelectorAll('main tbody tr')].filter((row) => row.getBoundingClientRect().bottom <= innerHeight);
setTimeout(() => done([moved, seen.length]), 300);";

#[test]
fn enough_rows_are_in_sight_and_nothing_jumps() {
    let (site, _) = furnished();
    let browser = site.console();
    for (width, height, least) in [(1440, 900, 16), (390, 844, 5)] {
        browser.resize(width, height);
        for page in ["/console/entities/customers", "/console/audit"] {
            browser.visit(page);
            browser.holds("document.querySelectorAll('main tbody tr.linked').length > 20");
            let measured = browser.script_later(STEADY);
            assert!(measured[0].as_f64().unwrap() < 0.02, "{page} at {width} jumps: {measured}");
            assert!(measured[1].as_u64().unwrap() >= least, "{page} at {width} shows too few rows: {measured}");
        }
    }
}
