//! A headless Chromium, spoken to by its DevTools protocol over a pair of pipes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::report::page::BROWSERS;

/// No answer takes so long, not even on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The browser's program, if there is one. Without one the test says so, and fails where
/// `SHAKEDOWN_BROWSER=required`.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| BROWSERS.map(|name| folder.join(name)))
        .find(|program| program.is_file());
    if found.is_none() {
        let why = "no chromium is on the PATH; install one, such as Debian's package `chromium`";
        let is_required = std::env::var("SHAKEDOWN_BROWSER").is_ok_and(|v| v == "required");
        assert!(!is_required, "SHAKEDOWN_BROWSER=required, but {why}");
        println!("SKIPPED: the pages were not opened in a browser: {why}");
    }
    found
}

/// A page in a browser of its own. Dropping it ends the browser.
pub struct Page {
    browser: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    next: u64,
    /// Every event that the page sent without being asked.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

impl Page {
    /// Opens a file in a window of this size, in pixels.
    pub fn open(program: &Path, file: &Path, width: u32, height: u32, dark: bool) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol wants descriptors 3 and 4; a shell moves them there.
        let mut browser = crate::process::command("sh")
            .env("HOME", profile.path())
            .arg("-c")
            .arg("exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1")
            .arg("sh")
            .arg(program)
            .args([
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--no-first-run",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let to = browser.stdin.take().unwrap();
        let mut out = BufReader::new(browser.stdout.take().unwrap());
        let (send, from) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while out.read_until(0, &mut message).is_ok_and(|n| n > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else {
                    break;
                };
                if send.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut page = Self {
            browser,
            to,
            from,
            session: None,
            next: 0,
            events: Vec::new(),
            _profile: profile,
        };
        page.attach(width, height, dark);
        page.go(file);
        page
    }

    fn attach(&mut self, width: u32, height: u32, dark: bool) {
        let target = self.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached = self.ask(
            "Target.attachToTarget",
            json!({"targetId": target["targetId"], "flatten": true}),
        );
        self.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.ask(&format!("{domain}.enable"), json!({}));
        }
        self.show(width, height, dark);
    }

    /// Changes the window's size, in pixels, and the colours that the person likes.
    pub fn show(&mut self, width: u32, height: u32, dark: bool) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.ask(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        );
    }

    fn go(&mut self, file: &Path) {
        let url = format!("file://{}", file.display());
        let answer = self.ask("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for("Page.loadEventFired");
    }

    /// Sends a command and returns its result.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = serde_json::to_vec(&message).unwrap();
        bytes.push(0);
        self.to.write_all(&bytes).expect("the browser listens");
        loop {
            let answer = self.receive(method);
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn wait_for(&mut self, event: &str) {
        while !self.events.iter().any(|it| it["method"] == event) {
            let received = self.receive(event);
            self.events.push(received);
        }
    }

    fn receive(&self, what: &str) -> Value {
        self.from
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|why| panic!("no answer to {what} from the browser: {why}"))
    }

    /// What an expression in the page comes to.
    #[track_caller]
    pub fn eval(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", params);
        let failed = &answer["exceptionDetails"];
        assert!(failed.is_null(), "{script}: {failed}");
        answer["result"]["value"].clone()
    }

    /// Presses a key, as a person would.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let params = json!({"type": kind, "key": key, "code": key});
            self.ask("Input.dispatchKeyEvent", params);
        }
    }

    /// Moves the pointer to a place in the window.
    pub fn point(&mut self, x: f64, y: f64) {
        let params = json!({"type": "mouseMoved", "x": x, "y": y});
        self.ask("Input.dispatchMouseEvent", params);
    }

    /// Errors and warnings of the page, and its requests but for its own file.
    pub fn complaints(&mut self) -> Vec<String> {
        // What was sent before the answer to this has arrived then.
        self.eval("0");
        let is_own = |request: &Value| {
            let url = request["params"]["request"]["url"].as_str().unwrap_or("");
            url.starts_with("file://") && request["params"]["type"] == "Document"
                || url.starts_with("data:")
        };
        let is_bad = |event: &&Value| match event["method"].as_str().unwrap_or("") {
            "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled" => true,
            "Network.requestWillBeSent" => !is_own(event),
            _ => false,
        };
        let bad = self.events.iter().filter(is_bad);
        bad.map(Value::to_string).collect()
    }

    /// Opens a file in the same window, with scripts forbidden.
    pub fn without_scripts(&mut self, file: &Path) {
        self.ask(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        );
        self.events.clear();
        self.go(file);
    }

    /// Shows the page as it is printed.
    pub fn as_printed(&mut self, is_printed: bool) {
        let media = if is_printed { "print" } else { "" };
        self.ask("Emulation.setEmulatedMedia", json!({ "media": media }));
    }

    /// The page as PDF.
    pub fn print(&mut self) -> Vec<u8> {
        let params = json!({ "preferCSSPageSize": true, "printBackground": true });
        let printed = self.ask("Page.printToPDF", params);
        BASE64_STANDARD
            .decode(printed["data"].as_str().unwrap())
            .unwrap()
    }

    /// Takes a picture of the window, or of all of the page.
    pub fn shoot(&mut self, to: &Path, whole: bool) {
        let params = json!({"format": "png", "captureBeyondViewport": whole});
        let params = if whole {
            let size = self.eval(
                "({w: document.documentElement.clientWidth, h: document.documentElement.scrollHeight})",
            );
            let clip = json!({"x": 0, "y": 0, "width": size["w"], "height": size["h"], "scale": 1});
            json!({"format": "png", "captureBeyondViewport": true, "clip": clip})
        } else {
            params
        };
        let shot = self.ask("Page.captureScreenshot", params);
        let png = BASE64_STANDARD
            .decode(shot["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(to, png).unwrap();
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser and its children end with the pipe; the kill is for one that hangs.
        self.session = None;
        let close = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        let _ = self.to.write_all(close);
        for _ in 0..100 {
            if matches!(self.browser.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
