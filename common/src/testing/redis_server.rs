//! A Redis of one's own, for tests that kill or empty it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{unique, wait_until};

/// Stopped, and its folder removed, when dropped.
#[derive(Debug)]
pub struct PrivateRedis {
    folder: PathBuf,
    options: Vec<&'static str>,
    child: Option<Child>,
}

impl PrivateRedis {
    /// # Panics
    /// Where Redis is not installed or does not start.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With options of `redis-server` in place of, or besides, the usual ones.
    ///
    /// # Panics
    /// Where Redis is not installed or does not start.
    pub async fn with(options: &[&'static str]) -> Self {
        // Short: a Unix socket's path has 107 bytes at most.
        let folder = Path::new("/tmp").join(format!("pbr-{}", unique()));
        std::fs::create_dir(&folder).unwrap();
        let mut server = Self {
            folder,
            options: options.to_vec(),
            child: None,
        };
        server.restart().await;
        server
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("s").display())
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on what it left behind; waits until it answers.
    ///
    /// # Panics
    /// Where it does not within ten seconds.
    pub async fn restart(&mut self) {
        self.kill();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            // What was answered is in the log: a busy disk may otherwise keep it for seconds.
            .args(["--appendfsync", "always"])
            .args(["--maxmemory-policy", "noeviction", "--unixsocket"])
            .arg(self.folder.join("s"))
            .arg("--dir")
            .arg(&self.folder)
            .args(&self.options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.child = Some(child);
        let client = redis::Client::open(self.url()).unwrap();
        wait_until("redis answers", Duration::from_secs(10), async || {
            let mut connection = client.get_multiplexed_async_connection().await?;
            redis::cmd("PING")
                .query_async::<String>(&mut connection)
                .await
        })
        .await;
    }
}

impl PrivateRedis {
    /// Keeps a copy of the log as it is now.
    ///
    /// # Panics
    /// Where it cannot be copied.
    pub fn remember(&self) {
        copy(&self.log(), &self.folder.join("copy"));
    }

    /// Restarts on the log that was remembered: what came later is lost.
    ///
    /// # Panics
    /// Where nothing was remembered.
    pub async fn set_back(&mut self) {
        self.kill();
        copy(&self.folder.join("copy"), &self.log());
        self.restart().await;
    }

    fn log(&self) -> PathBuf {
        self.folder.join("appendonlydir")
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
