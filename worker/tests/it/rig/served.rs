//! A server in Python, as a test's child: it is given a folder, and prints its port.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Stopped when dropped, and its folder removed.
pub(crate) struct Served {
    child: Child,
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
}

impl Served {
    /// `name` tells the folders of tests apart; `arguments` come after the folder.
    pub(crate) fn start(program: &str, name: &str, arguments: &[String]) -> Self {
        let name = format!("pbt-served-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        let mut child = Command::new("/usr/bin/python3")
            .args(["-I", program])
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut port).unwrap();
        Self {
            child,
            folder,
            port: port.trim().parse().unwrap(),
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
