//! A Chromium of its own for each test, driven by what a person sees: names of buttons, labels of fields, words on the page.

use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::{Element, ElementRef},
    error::CmdError,
};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::Url;
use serde_json::{Map, Value, json};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const PATIENCE: Duration = Duration::from_secs(20);
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What can be pressed or filled in, by its name, in the topmost dialog where one is open.
const FIND: &str = r"
const [kind, name] = arguments;
const scope = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
const words = (text) => (text ?? '').replace(/\s+/g, ' ').trim();
const open = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.disabled;
const named = (elements, nameOf) => {
  const all = [...elements].filter(open);
  return all.find((element) => nameOf(element) === name) ?? all.find((element) => nameOf(element).startsWith(`${name} `)) ?? null;
};
const read = (node) => node.ariaHidden === 'true' ? '' : (node.innerText ?? node.textContent);
const labelOf = (element) => words(element.getAttribute('aria-label') || [...element.childNodes].map(read).join(' '));
if (kind === 'press') {
  const all = [...scope.querySelectorAll('button, a[href], summary, [role=option]')].filter(open);
  return all.find((element) => labelOf(element) === name) ?? null;
}
const label = named(scope.querySelectorAll('label'), labelOf);
return label?.control ?? named(scope.querySelectorAll('input, select, textarea'), labelOf);
";

const CENTRE: &str = "arguments[0].scrollIntoView({ block: 'center' })";

/// The words that can be seen: of the topmost dialog where one is open, and of the notes above everything. What was
/// announced to a screen reader is not seen, and stays long after it was said.
const READ: &str = r"
const top = [...document.querySelectorAll('dialog[open]')].slice(-1);
const seen = top.length ? [...top, ...document.querySelectorAll('.toasts')] : [...document.body.children];
const open = (element) => element.id !== 'announcer' && element.checkVisibility();
return seen.filter(open).map((element) => element.innerText).join('\n');
";

pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    session: String,
    site: String,
    _profile: TempDir,
}

fn start_driver() -> (Child, String) {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver starts; tests/run installs it");
    let mut lines = BufReader::new(driver.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let started =
        lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_owned()));
    thread::spawn(move || lines.for_each(drop));
    (driver, format!("http://127.0.0.1:{}", started.expect("chromedriver listens")))
}

fn capabilities(profile: &Path) -> Map<String, Value> {
    let data = format!("--user-data-dir={}", profile.display());
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1440,900",
        "--host-resolver-rules=MAP plain.example 127.0.0.1",
        &data,
    ];
    let all = json!({
        "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
        "goog:loggingPrefs": {"browser": "ALL"},
        "timeouts": {"script": 60_000},
    });
    all.as_object().expect("an object").clone()
}

impl Browser {
    /// A new browser, at 1440 by 900 and in light colours, for the console at `site`.
    pub fn open(site: &str) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (driver, address) = start_driver();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(profile.path()));
        let client = runtime.block_on(builder.connect(&address)).expect("Chromium starts");
        let id = runtime.block_on(client.session_id()).expect("a session").expect("a session");
        let session = format!("{address}/session/{id}");
        let browser = Self { runtime, client: Some(client), driver, session, site: site.to_owned(), _profile: profile };
        browser.resize(1440, 900);
        browser.prefer("light");
        browser
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("open until dropped")
    }

    /// A command that only Chromium knows.
    fn command(&self, path: &str, body: &Value) -> Value {
        let answer = reqwest::blocking::Client::new().post(format!("{}{path}", self.session)).json(body).send();
        let answer: Value = answer.expect("an answer").json().expect("JSON");
        answer["value"].clone()
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    pub fn resize(&self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// `light` or `dark`, as the system would say. Nothing moves.
    pub fn prefer(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// What is downloaded from now on goes there without a question.
    pub fn keep_downloads_in(&self, folder: &Path) {
        self.devtools("Browser.setDownloadBehavior", &json!({"behavior": "allow", "downloadPath": folder}));
    }

    /// The next visit is as cold as the first.
    pub fn forget_files(&self) {
        self.devtools("Network.clearBrowserCache", &json!({}));
    }

    /// What the browser's own console has said since it was last asked, above the level of information.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        let grave = entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        grave.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn script(&self, code: &str, arguments: Vec<Value>) -> Value {
        self.runtime.block_on(self.client().execute(code, arguments)).unwrap_or_else(|error| panic!("{error}: {code}"))
    }

    pub fn script_later(&self, code: &str) -> Value {
        self.runtime.block_on(self.client().execute_async(code, Vec::new())).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Waits until `check` answers something; a page needs its time.
    fn until<T>(&self, what: &str, mut check: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = check() {
                return found;
            }
            let patient = began.elapsed() < PATIENCE;
            assert!(patient, "waited for {what} at {}, which reads:\n{}", self.address(), self.text());
            thread::sleep(Duration::from_millis(25));
        }
    }

    pub fn visit(&self, path: &str) {
        let address = format!("{}{path}", self.site);
        self.runtime.block_on(self.client().goto(&address)).unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    pub fn back(&self) {
        self.runtime.block_on(self.client().back()).expect("back");
    }

    pub fn reload(&self) {
        self.runtime.block_on(self.client().refresh()).expect("reloaded");
    }

    pub fn url(&self) -> Url {
        let address = self.runtime.block_on(self.client().current_url()).expect("an address");
        Url::parse(address.as_str()).expect("an address")
    }

    /// Path, query and fragment.
    pub fn address(&self) -> String {
        let url = self.url();
        url.as_str().strip_prefix(&self.site).unwrap_or(url.as_str()).to_owned()
    }

    pub fn arrives_at(&self, address: &str) {
        self.until(&format!("the address {address}"), || (self.address() == address).then_some(()));
    }

    pub fn title(&self) -> String {
        self.runtime.block_on(self.client().title()).expect("a title")
    }

    /// Everything that can be read.
    pub fn text(&self) -> String {
        self.script(READ, Vec::new()).as_str().unwrap_or_default().to_owned()
    }

    pub fn shows(&self, words: &str) {
        self.until(&format!("the words {words:?}"), || self.text().contains(words).then_some(()));
    }

    pub fn loses(&self, words: &str) {
        self.until(&format!("the words {words:?} to go"), || (!self.text().contains(words)).then_some(()));
    }

    /// Waits until a script answers true.
    pub fn holds(&self, condition: &str) {
        let code = format!("return Boolean({condition})");
        self.until(condition, || (self.script(&code, Vec::new()) == true).then_some(()));
    }

    fn element(&self, kind: &str, name: &str) -> Option<Element> {
        let found = self.script(FIND, vec![json!(kind), json!(name)]);
        let reference = ElementRef::from(found[ELEMENT].as_str()?.to_owned());
        Some(Element::from_element_id(self.client().clone(), reference))
    }

    /// A button, link, summary or option of that name, clicked as soon as nothing lies over it.
    pub fn press(&self, name: &str) {
        self.until(&format!("{name:?} to press"), || {
            let element = self.element("press", name)?;
            // What lies under the bar at the top is scrolled to, as a person would.
            self.runtime.block_on(element.click()).inspect_err(|_| self.bring_into_sight(&element)).ok()
        });
    }

    fn bring_into_sight(&self, element: &Element) {
        let argument = json!({ELEMENT: element.element_id().to_string()});
        let _ = self.runtime.block_on(self.client().execute(CENTRE, vec![argument]));
    }

    /// Waits until there is something of that name to press.
    pub fn finds(&self, name: &str) {
        self.until(&format!("{name:?} to be offered"), || self.offers(name).then_some(()));
    }

    /// Whether there is something of that name to press at this moment.
    pub fn offers(&self, name: &str) -> bool {
        self.element("press", name).is_some()
    }

    /// Acts on the field with that label, on the new one if the page is drawn anew meanwhile.
    fn at_field<T>(&self, label: &str, act: impl AsyncFn(&Element) -> Result<T, CmdError>) -> T {
        self.until(&format!("the field {label:?}"), || {
            let field = self.element("field", label)?;
            self.runtime.block_on(act(&field)).ok()
        })
    }

    /// Types into the field with that label, in place of what it held.
    pub fn fill(&self, label: &str, text: &str) {
        self.at_field(label, async |field| {
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Types on into whatever has the focus.
    pub fn type_keys(&self, keys: &str) {
        self.until(&format!("somewhere to type {keys:?}"), || {
            let active = self.runtime.block_on(self.client().active_element()).ok()?;
            self.runtime.block_on(active.send_keys(keys)).ok()
        });
    }

    pub fn attach(&self, label: &str, file: &Path) {
        let path = file.to_str().expect("a path in UTF-8");
        self.at_field(label, async |field| field.send_keys(path).await);
    }

    /// Takes an option of a select by its text.
    pub fn choose(&self, label: &str, option: &str) {
        self.at_field(label, async |field| field.select_by_label(option).await);
    }

    /// Clicks the box beside the label.
    pub fn tick(&self, label: &str) {
        self.at_field(label, async |field| field.click().await);
    }

    /// For what has its name from the group around it.
    pub fn click(&self, selector: &str) {
        self.until(selector, || {
            let element = self.runtime.block_on(self.client().find(Locator::Css(selector))).ok()?;
            self.runtime.block_on(element.click()).ok()
        });
    }

    /// Takes an option of the select that `selector` finds.
    pub fn take(&self, selector: &str, option: &str) {
        self.until(&format!("{option:?} of {selector}"), || {
            let select = self.runtime.block_on(self.client().find(Locator::Css(selector))).ok()?;
            self.runtime.block_on(select.select_by_label(option)).ok()
        });
    }

    /// Waits until the field with that label holds `value`.
    pub fn reads(&self, label: &str, value: &str) {
        self.until(&format!("{label:?} to read {value:?}"), || {
            let field = self.element("field", label)?;
            let held = self.runtime.block_on(field.prop("value")).ok()??;
            (held == value).then_some(())
        });
    }

    /// A picture of the page under `target/console-screenshots`, to look at.
    pub fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("console-screenshots");
        fs::create_dir_all(&folder).expect("a folder");
        let picture = self.runtime.block_on(self.client().screenshot()).expect("a picture");
        fs::write(folder.join(format!("{name}.png")), picture).expect("written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
