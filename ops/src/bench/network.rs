//! HTTPS requests to a named host, from a sandbox and from outside of any.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use jail::{Code, Context, Environment, HostName, Limits, NamedHost, Network, Request};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::figures::Slice;
use super::setting::Setting;

/// An address of this machine that no client leaves out of what it sends to a proxy.
const HOST: &str = "127.0.0.2";
const REQUESTS: usize = 100;
/// A new connection for each request, as a call of its own makes one.
const CODE: &str = r#"
import http.client, ssl, time

def main(host: str, port: int, certificate: str, proxied: bool, most: int):
    context = ssl.create_default_context(cadata=certificate)
    took = []
    for _ in range(most):
        began = time.perf_counter()
        if proxied:
            connection = http.client.HTTPSConnection("127.0.0.1", 3128, context=context)
            connection.set_tunnel(host, port)
        else:
            connection = http.client.HTTPSConnection(host, port, context=context)
        connection.request("GET", "/")
        assert b"Cipher" in connection.getresponse().read()
        connection.close()
        took.append(round((time.perf_counter() - began) * 1e6))
    return took
"#;

/// OpenSSL's own server.
struct Server {
    child: Child,
    port: u16,
    certificate: String,
}

impl Server {
    async fn start(setting: &Setting) -> Result<Self> {
        let folder = setting.home.join("bench");
        let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
        let made = Command::new("openssl")
            .args(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
                    .split(' '),
            )
            .args([
                "-subj",
                "/CN=bench",
                "-addext",
                &format!("subjectAltName=IP:{HOST}"),
            ])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .stderr(Stdio::null())
            .status()
            .await?;
        ensure!(made.success(), "openssl makes no certificate");
        let port = TcpListener::bind((HOST, 0))?.local_addr()?.port();
        let child = Command::new("openssl")
            .args([
                "s_server",
                "-www",
                "-quiet",
                "-accept",
                &format!("{HOST}:{port}"),
            ])
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let until = Instant::now() + Duration::from_secs(5);
        while tokio::net::TcpStream::connect((HOST, port)).await.is_err() {
            ensure!(Instant::now() < until, "openssl does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Self {
            child,
            port,
            certificate: fs::read_to_string(certificate)?,
        })
    }

    fn input(&self, proxied: bool) -> Value {
        let Self {
            port, certificate, ..
        } = self;
        json!({"host": HOST, "port": port, "certificate": certificate, "proxied": proxied, "most": REQUESTS})
    }
}

/// As long as so many requests take.
pub(super) async fn https(setting: &Setting, proxied: bool) -> Result<Slice> {
    let mut server = Server::start(setting).await?;
    let input = server.input(proxied).to_string();
    let began = Instant::now();
    let took = if proxied {
        inside(setting, &server, &input).await?
    } else {
        outside(&input).await?
    };
    let slice = Slice {
        latencies_us: serde_json::from_slice(&took)?,
        elapsed: began.elapsed(),
        ..Slice::default()
    };
    server.child.kill().await?;
    Ok(slice)
}

async fn inside(setting: &Setting, server: &Server, input: &str) -> Result<Vec<u8>> {
    const MIB: u64 = 1 << 20;
    let limits = Limits {
        memory_bytes: 128 * MIB,
        cpu_percent: 200,
        cpu_weight: 100,
        pids: 16,
        scratch_bytes: 16 * MIB,
        scratch_inodes: 1_024,
    };
    let network = Network {
        hosts: vec![NamedHost {
            name: HostName::Exact(HOST.to_owned()),
            port: server.port,
        }],
        bytes: 64 * MIB,
        is_trusted: false,
    };
    let generic = setting.host.boot().await?.reaching(network);
    let code = Code::single(CODE);
    let bound = generic
        .bind(&code, &limits, Duration::from_secs(10))
        .await?;
    let mut sandbox = bound.sandbox.map_err(|failure| anyhow!("{failure:?}"))?;
    let request = Request {
        input: input.as_bytes(),
        context: Context::default(),
        timeout: Duration::from_secs(60),
        output_bytes: 1 << 20,
        tap: None,
        environment: Environment::default(),
    };
    let done = sandbox.run(request).await?;
    done.result.map_err(|failure| anyhow!("{failure:?}"))
}

/// The same code and the same interpreter, with no sandbox around it.
async fn outside(input: &str) -> Result<Vec<u8>> {
    let program =
        format!("{CODE}\nimport json, sys\nprint(json.dumps(main(**json.loads(sys.argv[1]))))");
    let ran = Command::new("/usr/bin/python3")
        .args(["-I", "-S", "-c", &program, input])
        .stdin(Stdio::null())
        .output()
        .await
        .context("python3")?;
    ensure!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(ran.stdout)
}
