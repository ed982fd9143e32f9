//! Installed packages in a running sandbox, and a listener in its network.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jail::{Code, FailureCode, Host, Layer, Sandbox};

use crate::world::{IMPORT, LIMITS, failure, host, output, run, sandbox};

/// A site directory of one test, gone when it ends.
struct Site(PathBuf);

impl Site {
    fn new(test: &str, files: &[(&str, &str)]) -> Self {
        let name = format!("pbt-layer-{}-{test}", std::process::id());
        let site = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&site.0).unwrap();
        for (name, text) in files {
            let path = site.0.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        site
    }

    async fn layer(&self, host: &Host) -> Layer {
        host.layer(&self.0).await.unwrap()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn with(host: &Host, layer: &Layer, code: &Code) -> Sandbox {
    let generic = host.boot().await.unwrap().with(Some(layer.clone()));
    let bound = generic.bind(code, &LIMITS, IMPORT).await.unwrap();
    bound.sandbox.unwrap()
}

async fn call(host: &Host, layer: &Layer, source: &str) -> String {
    let mut sandbox = with(host, layer, &Code::single(source)).await;
    output(&run(&mut sandbox, "{}").await)
}

#[tokio::test]
async fn a_package_is_there_at_import_and_in_programs_that_are_started() {
    let host = host();
    let site = Site::new("there", &[("greet.py", "word = 'hello'")]);
    let layer = site.layer(&host).await;
    let source = "import subprocess, sys, multiprocessing\nimport greet\n\
        def word(_): import greet; return greet.word\n\
        def main():\n \
         child = subprocess.run([sys.executable, '-c', 'import greet; print(greet.word)'], capture_output=True, text=True)\n \
         with multiprocessing.get_context('spawn').Pool(1) as pool: spawned = pool.map(word, [0])[0]\n \
         return [greet.word, child.stdout.strip() or child.stderr, spawned]";
    assert_eq!(
        call(&host, &layer, source).await,
        r#"["hello","hello","hello"]"#
    );
}

#[tokio::test]
async fn a_package_is_no_other_version_s() {
    let host = host();
    let (mine, yours) = (
        Site::new("mine", &[("which.py", "name = 'mine'")]),
        Site::new("yours", &[("which.py", "name = 'yours'")]),
    );
    let (my_layer, your_layer) = (mine.layer(&host).await, yours.layer(&host).await);
    let code = Code::single("import which\ndef main(): return which.name");
    let mut mine = with(&host, &my_layer, &code).await;
    let mut yours = with(&host, &your_layer, &code).await;
    assert_eq!(output(&run(&mut mine, "{}").await), r#""mine""#);
    assert_eq!(output(&run(&mut yours, "{}").await), r#""yours""#);
    let mut none = sandbox(&host, "def main(): import which").await;
    let done = run(&mut none, "{}").await;
    assert_eq!(failure(&done).code, FailureCode::Exception);
    assert_eq!(failure(&done).kind.as_deref(), Some("ModuleNotFoundError"));
}

#[tokio::test]
async fn the_library_comes_first_then_the_user_s_files_then_packages() {
    let host = host();
    let all = [
        ("json.py", "raise SystemExit"),
        ("both.py", "whose = 'package'"),
        ("only.py", "whose = 'package'"),
    ];
    let site = Site::new("order", &all);
    let layer = site.layer(&host).await;
    let mut code = Code::single(
        "import json, both, only\ndef main(): return [json.dumps(1), both.whose, only.whose]",
    );
    code.files
        .insert("both.py".to_owned(), "whose = 'mine'".to_owned());
    let mut sandbox = with(&host, &layer, &code).await;
    assert_eq!(
        output(&run(&mut sandbox, "{}").await),
        r#"["1","mine","package"]"#
    );
}

#[tokio::test]
async fn a_layer_is_a_site_directory() {
    let host = host();
    let files = [
        ("more.pth", "inner\nimport os; os.environ['PTH'] = 'ran'\n"),
        ("inner/deep.py", "x = 1"),
        (
            "thing-1.5.dist-info/METADATA",
            "Name: thing\nVersion: 1.5\n",
        ),
    ];
    let site = Site::new("site", &files);
    let layer = site.layer(&host).await;
    let source = "import os, deep, importlib.metadata\n\
        def main(): return [deep.x, os.environ['PTH'], importlib.metadata.version('thing')]";
    assert_eq!(call(&host, &layer, source).await, r#"[1,"ran","1.5"]"#);
}

#[tokio::test]
async fn nobody_can_write_into_a_layer_or_learn_where_it_is() {
    let host = host();
    let site = Site::new("secret-place", &[("a.py", "x = 1")]);
    for path in [&site.0, &site.0.join("a.py")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let layer = site.layer(&host).await;
    let source = "import errno\ndef attempt(act):\n \
        try: act(); return 'done'\n except OSError as error: return errno.errorcode[error.errno]\n\
        def main():\n import os\n mounts = open('/proc/self/mountinfo').read()\n \
        return [attempt(lambda: open('/layer/a.py', 'a')), attempt(lambda: open('/layer/b.py', 'w')),\
         attempt(lambda: os.unlink('/layer/a.py')), 'secret-place' in mounts, 'layer:empty' in mounts]";
    assert_eq!(
        call(&host, &layer, source).await,
        r#"["EROFS","EROFS","EROFS",false,true]"#
    );
}

#[tokio::test]
async fn a_directory_is_locked_as_long_as_a_sandbox_may_use_it() {
    let host = host();
    let site = Site::new("locked", &[("a.py", "x = 1")]);
    let layer = site.layer(&host).await;
    let sandbox = with(&host, &layer, &Code::single("def main(): pass")).await;
    drop(layer);
    assert!(!may_remove(&site.0), "a bound sandbox has it");
    drop(sandbox);
    for _ in 0..1_000 {
        if may_remove(&site.0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the directory is still locked ten seconds after its last sandbox");
}

fn may_remove(directory: &Path) -> bool {
    let file = File::open(directory).unwrap();
    file.try_lock().is_ok()
}

#[tokio::test]
async fn a_directory_that_is_being_removed_is_no_layer() {
    let host = host();
    let site = Site::new("going", &[]);
    let removing = File::open(&site.0).unwrap();
    removing.try_lock().unwrap();
    assert!(host.layer(&site.0).await.is_err());
    assert!(host.layer(&site.0.join("not-there")).await.is_err());
}

#[tokio::test]
async fn a_listener_inside_is_the_only_thing_that_answers() {
    let host = host();
    let generic = host.boot().await.unwrap();
    let listener = generic.listen(3_128).await.unwrap();
    let source = "import socket\ndef main():\n \
        s = socket.create_connection(('127.0.0.1', 3128)); s.sendall(b'ping')\n \
        told = s.recv(4).decode()\n \
        try: socket.create_connection(('127.0.0.1', 3129))\n except ConnectionRefusedError: told += ' alone'\n \
        return told";
    let bound = generic.bind(&Code::single(source), &LIMITS, IMPORT).await;
    let mut sandbox = bound.unwrap().sandbox.unwrap();
    let answering = std::thread::spawn(move || {
        listener.set_nonblocking(false).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let mut got = [0; 4];
        peer.read_exact(&mut got).unwrap();
        peer.write_all(b"pong").unwrap();
        got
    });
    assert_eq!(output(&run(&mut sandbox, "{}").await), r#""pong alone""#);
    assert_eq!(&answering.join().unwrap(), b"ping");
}
