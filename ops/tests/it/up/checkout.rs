//! A copy of the checkout that can be brought up, and is taken down when dropped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::machine::free_port;

/// Longer than a socket's path may be.
const DEEP: &str =
    "a-rather-deep-folder/in-another-one/in-yet-another-one/and-still-one-more/where-work-is/kept";

pub(super) struct Checkout {
    /// Removed in the end.
    above: PathBuf,
    path: PathBuf,
    home: PathBuf,
    pub(super) port: u16,
    /// Tools are copied there; elsewhere the home is found by `ops/up` itself.
    given_home: bool,
}

impl Checkout {
    /// In a deep folder below a home of mode 0700.
    pub(super) fn in_private_home(name: &str) -> Self {
        let above = scratch(name);
        let private = above.join("private");
        let folder = format!("{name}-{}", std::process::id());
        let path = private.join(DEEP).join(&folder);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).unwrap();
        let home = Path::new("/var/lib/patchbay").join(folder);
        Self::fill(above, path, home, false)
    }

    /// Where everybody can pass, with a home named by `PATCHBAY_HOME`.
    pub(super) fn beside(name: &str) -> Self {
        let above = scratch(name);
        let path = above.join("checkout");
        let home = above.join("home");
        fs::create_dir_all(&path).unwrap();
        Self::fill(above, path, home, true)
    }

    fn fill(above: PathBuf, path: PathBuf, home: PathBuf, given_home: bool) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"));
        copy(source, &path.join("ops"));
        let built = Path::new(env!("CARGO_BIN_EXE_ops")).parent().unwrap();
        let up = path.join("target/up");
        fs::create_dir_all(&up).unwrap();
        for binary in ["api", "worker", "scheduler", "ops", "librunner.so"] {
            let from = built.join(binary);
            assert!(
                from.exists(),
                "there is no {}: cargo build --workspace",
                from.display()
            );
            if fs::hard_link(&from, up.join(binary)).is_err() {
                copy(&from, &up.join(binary));
            }
        }
        let stand_in = path.join("bin/cargo");
        fs::create_dir_all(path.join("bin")).unwrap();
        fs::write(&stand_in, "#!/bin/sh\nexit 0\n").unwrap();
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
        let tools = variable_of_tests("PATCHBAY_ROOTFS");
        let _made_already = fs::create_dir_all(&home);
        if !given_home {
            fs::write(home.join("checkout"), path.to_str().unwrap()).unwrap();
        }
        copy(Path::new(&tools).parent().unwrap(), &home.join("tools"));
        Self {
            above,
            path,
            home,
            port: free_port(),
            given_home,
        }
    }

    /// `ops/up --detach`, and what it said.
    pub(super) fn up(&self) -> String {
        self.up_with(&[])
    }

    /// The same, by somebody with these settings.
    pub(super) fn up_with(&self, settings: &[(&str, &str)]) -> String {
        let output = self.run_with("up", &["--detach"], settings);
        let said = said(&output);
        assert!(
            output.status.success(),
            "ops/up failed:\n{said}\n{}",
            self.logs().join("\n")
        );
        said
    }

    pub(super) fn up_fails(&self, arguments: &[&str]) -> String {
        let output = self.run("up", arguments);
        assert!(
            !output.status.success(),
            "ops/up did not fail:\n{}",
            said(&output)
        );
        said(&output)
    }

    pub(super) fn down(&self) {
        let output = self.run("down", &[]);
        assert!(
            output.status.success(),
            "ops/down failed:\n{}",
            said(&output)
        );
    }

    fn run(&self, script: &str, arguments: &[&str]) -> Output {
        self.run_with(script, arguments, &[])
    }

    fn run_with(&self, script: &str, arguments: &[&str], settings: &[(&str, &str)]) -> Output {
        let path = format!(
            "{}:{}",
            self.path.join("bin").display(),
            variable_of_tests("PATH")
        );
        let mut command = Command::new(self.path.join("ops").join(script));
        command
            .args(arguments)
            .current_dir("/")
            .env("PATH", path)
            .env("PATCHBAY_PORT", self.port.to_string())
            .env_remove("PATCHBAY_HOME")
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        if self.given_home {
            command.env("PATCHBAY_HOME", &self.home);
        }
        command.output().unwrap()
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn sockets(&self) -> PathBuf {
        let conf = fs::read_to_string(self.home.join("secrets/redis.conf")).unwrap();
        let line = conf
            .lines()
            .find_map(|line| line.strip_prefix("unixsocket "))
            .unwrap();
        Path::new(line)
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .to_owned()
    }

    /// A process that has to be there.
    pub(super) fn pid(&self, service: &str) -> u32 {
        self.pid_now(service)
            .unwrap_or_else(|| panic!("{service} does not run"))
    }

    pub(super) fn pid_now(&self, service: &str) -> Option<u32> {
        let file = self
            .home
            .join("service")
            .join(service)
            .join("supervise/pid");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    pub(super) fn workers(&self) -> Vec<u32> {
        ["worker-1", "worker-2", "worker-last"]
            .iter()
            .map(|name| self.pid(name))
            .collect()
    }

    pub(super) fn supervisor(&self) -> u32 {
        let pid = fs::read_to_string(self.home.join("supervisor.pid")).unwrap();
        pid.trim().parse().unwrap()
    }

    pub(super) fn mode_of(&self, name: &str) -> u32 {
        let meta = fs::metadata(self.home.join(name)).unwrap();
        meta.permissions().mode() & 0o777
    }

    /// The end of every service's log.
    pub(super) fn logs(&self) -> Vec<String> {
        super::SERVICES
            .iter()
            .filter_map(|name| {
                let text =
                    fs::read_to_string(self.home.join("log").join(name).join("current")).ok()?;
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(15)..].join("\n");
                Some(format!("--- {name}\n{end}"))
            })
            .collect()
    }

    /// A variable of the env file, as a shell reads it.
    pub(super) fn variable(&self, name: &str) -> String {
        self.shell(&format!("printf %s \"${name}\""))
    }

    /// One synchronous call.
    pub(super) fn call(&self, function: &str, input: &str) -> String {
        self.post(function, "Prefer: wait=30", input)
    }

    /// One asynchronous call, waited for.
    pub(super) fn call_later(&self, function: &str, input: &str) -> String {
        let accepted = self.post(function, "Prefer: respond-async", input);
        let id = accepted
            .split("\"id\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let id = id.unwrap_or_else(|| panic!("no id in {accepted}"));
        let done = self.shell(&format!(
            "curl -sS \"$PATCHBAY_URL/v1/executions/{id}?wait=30\" {KEY}"
        ));
        assert!(done.contains("\"succeeded\""), "{done}");
        done
    }

    fn post(&self, function: &str, prefer: &str, input: &str) -> String {
        self.shell(&format!(
            "curl -sS \"$PATCHBAY_URL/v1/namespaces/examples/functions/{function}/executions\" {KEY} \
             -H 'Content-Type: application/json' -H '{prefer}' -d '{input}'"
        ))
    }

    fn shell(&self, line: &str) -> String {
        let env = self.home.join("env");
        let output = Command::new("sh")
            .args(["-c", &format!(". '{}' && {line}", env.display())])
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

const KEY: &str = "-H \"Authorization: Bearer $PATCHBAY_API_KEY\"";

impl Drop for Checkout {
    fn drop(&mut self) {
        self.run("down", &[]);
        let _gone = fs::remove_dir_all(&self.home);
        let _gone = fs::remove_dir_all(&self.above);
    }
}

/// Nothing is made where the tests weren't started as they must be.
fn scratch(name: &str) -> PathBuf {
    variable_of_tests("PATCHBAY_ROOTFS");
    let made = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&made).unwrap();
    made
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(copied.success(), "cp {} {}", from.display(), to.display());
}

#[expect(clippy::disallowed_methods, reason = "what ops/test exports for tests")]
fn variable_of_tests(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests with ops/test"))
}

fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}
