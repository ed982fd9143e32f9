//! A PostgreSQL of one's own, for tests that kill it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User, chown};
use tokio_postgres::NoTls;

use super::{unique, wait_until};

/// Stopped, and its folder removed, when dropped.
#[derive(Debug)]
pub struct PrivatePostgres {
    folder: PathBuf,
    child: Option<Child>,
}

impl PrivatePostgres {
    /// # Panics
    /// Where PostgreSQL is not installed or does not start.
    pub async fn start() -> Self {
        // Short: a Unix socket's path has 107 bytes at most.
        let folder = Path::new("/tmp").join(format!("pbp-{}", unique()));
        std::fs::create_dir(&folder).unwrap();
        if Uid::effective().is_root() {
            let user = User::from_name("postgres").unwrap().unwrap();
            chown(&folder, Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut server = Self {
            folder,
            child: None,
        };
        let made = server
            .command("initdb")
            .args(["-U", "patchbay_owner", "--auth=trust", "-E", "UTF8"])
            .args(["--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(server.folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        server.restart().await;
        server
    }

    /// The owner's settings, for `testing::database_on`.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "host={} user=patchbay_owner dbname=postgres",
            self.folder.display()
        )
    }

    /// Ends it as a crash does: clients are cut off, nothing is written any more.
    pub fn crash(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
            kill(pid, Signal::SIGQUIT).unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on what it left behind; waits until it answers.
    ///
    /// # Panics
    /// Where it does not within 30 seconds.
    pub async fn restart(&mut self) {
        self.crash();
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.folder.join("data"))
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let url = self.url();
        wait_until("postgresql answers", Duration::from_secs(30), async || {
            tokio_postgres::connect(&url, NoTls).await.map(|_| ())
        })
        .await;
    }

    /// A program of PostgreSQL's, as a user it accepts.
    fn command(&self, program: &str) -> Command {
        let program = newest_binaries().join(program);
        let mut command;
        if Uid::effective().is_root() {
            command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
                .args(["--pdeathsig=QUIT", "--"])
                .arg(program);
        } else {
            command = Command::new(program);
        }
        command.current_dir(&self.folder);
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.crash();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn newest_binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")))
        .expect("a version of PostgreSQL is installed")
}
