//! A Redis of one's own, for tests that kill or empty it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::clock::SystemClock;
use common::ids::ProcessId;

/// Stopped, and its folder removed, when dropped.
#[derive(Debug)]
pub(super) struct Server {
    folder: PathBuf,
    options: Vec<&'static str>,
    child: Option<Child>,
}

impl Server {
    pub(super) async fn start() -> Self {
        Self::with(&["--appendonly", "yes"]).await
    }

    pub(super) async fn with(options: &[&'static str]) -> Self {
        let name = ProcessId::new(&SystemClock).uuid().simple().to_string();
        // Short: a Unix socket's path has 107 bytes at most.
        let folder = Path::new("/tmp").join(format!("pbq-{}", &name[16..]));
        std::fs::create_dir(&folder).unwrap();
        let mut server = Self {
            folder,
            options: options.to_vec(),
            child: None,
        };
        server.restart().await;
        server
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// As `kill -9` does.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on what it left behind; waits until it answers.
    pub(super) async fn restart(&mut self) {
        self.kill();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendfsync", "always"])
            .arg("--unixsocket")
            .arg(self.socket())
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed: ops/up installs it");
        self.child = Some(child);
        let client = redis::Client::open(self.url()).unwrap();
        for _ in 0..500 {
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await
                && redis::cmd("PING")
                    .query_async::<String>(&mut connection)
                    .await
                    .is_ok()
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("redis-server did not answer within ten seconds");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
