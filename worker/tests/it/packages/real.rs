//! Packages of PyPI, each doing one real thing.

use std::time::Duration;

use common::execution::ErrorCode;
use common::testing::Role;

use super::{broken, publish, ready};
use crate::rig::{Ask, Rig};

async fn call(rig: &Rig, requirements: &[&str], code: &str) -> String {
    let tenant = ready(rig, requirements, code).await;
    let ask = Ask {
        timeout: Duration::from_secs(60),
        ..Ask::default()
    };
    let id = rig.accept(&tenant, &ask).await;
    let outcome = rig.outcome(&tenant, id).await;
    let Some(output) = outcome.output else {
        panic!("{:?}\n{}", outcome.error, outcome.logs.stderr);
    };
    output
}

#[tokio::test]
async fn numbers_and_tables() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "
import numpy as np, pandas as pd, polars as pl
from scipy import optimize
from sklearn.linear_model import LinearRegression
def main():
    frame = pd.DataFrame({'k': ['a', 'b', 'a'], 'v': [1, 2, 3]})
    fit = LinearRegression().fit([[0], [1], [2]], [1, 3, 5])
    return {
        'numpy': np.linalg.solve(np.array([[2.0, 0], [0, 4]]), np.array([2.0, 8])),
        'pandas': [frame.groupby('k')['v'].sum().to_dict(), frame, frame['v']],
        'polars': pl.DataFrame({'v': [1, 2, 3]}).select(pl.col('v').sum()).item(),
        'scipy': round(optimize.brentq(lambda x: x * x - 4, 0, 5), 6),
        'sklearn': round(float(fit.predict([[3]])[0]), 6),
    }
";
    let asked = ["numpy", "pandas", "polars", "scipy", "scikit-learn"];
    assert_eq!(
        call(&rig, &asked, code).await,
        r#"{"numpy":[1.0,2.0],"pandas":[{"a":4,"b":2},[{"k":"a","v":1},{"k":"b","v":2},{"k":"a","v":3}],[1,2,3]],"polars":6,"scipy":2.0,"sklearn":7.0}"#
    );
}

#[tokio::test]
async fn pictures_are_returned_as_bytes() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "
import base64, io
import matplotlib
matplotlib.use('Agg')
from matplotlib import pyplot
from PIL import Image
def main():
    pyplot.figure(figsize=(2, 1)).gca().plot([1, 3, 2])
    png = io.BytesIO()
    pyplot.savefig(png, format='png', dpi=50)
    size = Image.open(io.BytesIO(png.getvalue())).size
    return {'png': png.getvalue(), 'size': size}
";
    let output = call(&rig, &["matplotlib", "pillow"], code).await;
    // A PNG begins so, in base64.
    assert!(
        output.starts_with(r#"{"png":"iVBORw0KGgo"#),
        "{output:.100}"
    );
    assert!(output.ends_with(r#""size":[100,50]}"#), "{output:.100}");
}

#[tokio::test]
async fn documents_and_pages() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "
import io
import docx, jinja2, openpyxl, pypdf
from bs4 import BeautifulSoup
from lxml import etree
def main():
    book = openpyxl.Workbook()
    book.active['A1'] = 7
    saved = io.BytesIO()
    book.save(saved)
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    pdf = io.BytesIO()
    writer.write(pdf)
    letter = docx.Document()
    letter.add_paragraph('dear')
    word = io.BytesIO()
    letter.save(word)
    return {
        'lxml': etree.fromstring('<a><b>1</b></a>').findtext('b'),
        'bs4': BeautifulSoup('<p>hi<p>you', 'lxml').find_all('p')[1].text,
        'openpyxl': openpyxl.load_workbook(io.BytesIO(saved.getvalue())).active['A1'].value,
        'pypdf': len(pypdf.PdfReader(io.BytesIO(pdf.getvalue())).pages),
        'docx': docx.Document(io.BytesIO(word.getvalue())).paragraphs[0].text,
        'jinja2': jinja2.Template('{{ a }}!').render(a='<b>'),
    }
";
    let asked = [
        "lxml",
        "beautifulsoup4",
        "openpyxl",
        "pypdf",
        "python-docx",
        "jinja2",
    ];
    assert_eq!(
        call(&rig, &asked, code).await,
        r#"{"lxml":"1","bs4":"you","openpyxl":7,"pypdf":1,"docx":"dear","jinja2":"<b>!"}"#
    );
}

#[tokio::test]
async fn models_codes_and_stores() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "
import orjson, sqlalchemy, tiktoken
from cryptography.fernet import Fernet
from pydantic import BaseModel, Field
class Order(BaseModel):
    'One order.'
    sku: str
    amount: int = Field(gt=0)
def main(order: Order) -> dict:
    engine = sqlalchemy.create_engine('sqlite://')
    with engine.connect() as connection:
        total = connection.execute(sqlalchemy.text('select :a * 2'), {'a': order.amount}).scalar()
    key = Fernet(Fernet.generate_key())
    tokens = tiktoken.Encoding('tiny', pat_str='.', mergeable_ranks={b'a': 0, b'b': 1}, special_tokens={})
    return {
        'pydantic': order,
        'orjson': orjson.dumps({'a': 1}).decode(),
        'cryptography': key.decrypt(key.encrypt(b'x')).decode(),
        'sqlalchemy': total,
        'tiktoken': tokens.encode('abba'),
    }
";
    let asked = [
        "pydantic",
        "orjson",
        "cryptography",
        "sqlalchemy",
        "tiktoken",
    ];
    let tenant = ready(&rig, &asked, code).await;
    let outcome = rig
        .call(&tenant, r#"{"order": {"sku": "s", "amount": 3}}"#)
        .await;
    assert_eq!(
        outcome.output.as_deref(),
        Some(
            r#"{"pydantic":{"sku":"s","amount":3},"orjson":"{\"a\":1}","cryptography":"x","sqlalchemy":6,"tiktoken":[0,1,1,0]}"#
        ),
        "{:?}",
        outcome.error
    );
    let refused = rig
        .call(&tenant, r#"{"order": {"sku": "s", "amount": 0}}"#)
        .await;
    assert_eq!(refused.error.unwrap().code, ErrorCode::Exception);
}

#[tokio::test]
async fn clients_and_servers_of_the_network() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "
import asyncio, concurrent.futures, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
import aiohttp, grpc, httpx, psycopg2, requests
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'pong')
    def log_message(self, *_): pass
async def with_aiohttp(url):
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()
def with_grpc():
    def twice(request, context): return request * 2
    handler = grpc.method_handlers_generic_handler('S', {'Twice': grpc.unary_unary_rpc_method_handler(twice)})
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1), handlers=[handler])
    port = server.add_insecure_port('127.0.0.1:0')
    server.start()
    with grpc.insecure_channel(f'127.0.0.1:{port}') as channel:
        return channel.unary_unary('/S/Twice')(b'ab').decode()
def main():
    server = HTTPServer(('127.0.0.1', 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f'http://127.0.0.1:{server.server_port}/'
    try: psycopg2.connect('host=127.0.0.1 port=1 connect_timeout=1')
    except psycopg2.OperationalError: database = 'refused'
    return [requests.get(url).text, httpx.get(url).text, asyncio.run(with_aiohttp(url)), database, with_grpc()]
";
    let asked = ["requests", "httpx", "aiohttp", "psycopg2-binary", "grpcio"];
    let tenant = ready(&rig, &asked, code).await;
    for _ in 0..2 {
        let outcome = rig.call(&tenant, "{}").await;
        assert_eq!(
            outcome.output.as_deref(),
            Some(r#"["pong","pong","pong","refused","abab"]"#),
            "{:?}",
            outcome.error
        );
    }
}

#[tokio::test]
async fn what_is_installed_says_so_and_what_is_not_asked_for_is_not_there() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "import importlib.metadata as m\nimport six\ndef main():\n \
        try: import requests\n except ImportError: return [six.__version__, m.version('six')]";
    assert_eq!(
        call(&rig, &["six==1.17.0"], code).await,
        r#"["1.17.0","1.17.0"]"#
    );
}

#[tokio::test]
async fn a_requirement_that_is_not_for_this_interpreter_needs_no_layer() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let asked = ["tomli ; python_full_version < '3.0'"];
    assert_eq!(call(&rig, &asked, "def main(): return 1").await, "1");
}

#[tokio::test]
async fn what_cannot_be_resolved_is_named() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    for (asked, words) in [
        (&["docopt==0.6.2"][..], &["docopt", "wheel"][..]),
        (&["no-such-package-zz==1"], &["no-such-package-zz"]),
        (&["six==1.16.0", "six==1.17.0"], &["six"]),
        (&["pandas==2.2.3", "numpy<1.20"], &["pandas", "numpy"]),
    ] {
        let told = broken(&rig, asked).await;
        for word in words {
            assert!(told.contains(word), "{asked:?}: {told}");
        }
        assert!(!told.contains(['×', '╰', '\u{1b}']), "{told}");
    }
}

#[tokio::test]
async fn equal_requirements_of_two_tenants_are_one_lock() {
    let rig = Rig::new().await;
    let _worker = rig.worker(&[]).await;
    let code = "import six\ndef main(): return six.__file__";
    let (one, two) = (
        ready(&rig, &["six==1.17.0"], code).await,
        ready(&rig, &["six==1.17.0"], code).await,
    );
    let client = rig.database.connect(Role::Api).client().await.unwrap();
    let lock = async |tenant: &common::testing::given::Tenant| {
        let found = common::db::versions::find(&client, tenant.account, tenant.version);
        found.await.unwrap().unwrap().lock.unwrap()
    };
    assert_eq!(lock(&one).await, lock(&two).await);
    for tenant in [&one, &two] {
        let outcome = rig.call(tenant, "{}").await;
        assert_eq!(outcome.output.as_deref(), Some("\"/layer/six.py\""));
    }
}

#[tokio::test]
async fn another_host_installs_the_same_packages_from_the_lock() {
    let rig = Rig::new().await;
    let tenant = {
        let _builder = rig.worker(&[]).await;
        ready(&rig, &["six"], "import six\ndef main(): return six.PY3").await
    };
    // A worker with a state directory of its own.
    let _other = rig.worker(&[]).await;
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("true"),
        "{:?}",
        outcome.error
    );
}

#[tokio::test]
async fn a_call_is_told_that_its_packages_take_longer_than_it_may() {
    let rig = Rig::new().await;
    let tenant = {
        let _builder = rig.worker(&[]).await;
        ready(&rig, &["six"], "import six\ndef main(): return six.PY3").await
    };
    let _other = rig.worker(&[]).await;
    let ask = Ask {
        timeout: Duration::from_millis(20),
        ..Ask::default()
    };
    let id = rig.accept(&tenant, &ask).await;
    let outcome = rig.outcome(&tenant, id).await;
    let error = outcome.error.unwrap();
    assert_eq!(error.code, ErrorCode::Timeout);
    assert!(error.message.contains("packages"), "{}", error.message);
    // It went on without that call.
    let outcome = rig.call(&tenant, "{}").await;
    assert_eq!(
        outcome.output.as_deref(),
        Some("true"),
        "{:?}",
        outcome.error
    );
}

#[tokio::test]
async fn a_version_without_its_plan_s_room_is_broken() {
    let rig = Rig::new().await;
    let plans = include_str!("../../../../ops/plans.toml");
    let small = plans.replace("packages_mib = 4096", "packages_mib = 1");
    let file = std::env::temp_dir().join(format!("pbt-plans-{}", std::process::id()));
    std::fs::write(&file, small).unwrap();
    let worker = rig
        .worker(&[("PATCHBAY_PLANS_FILE", file.to_str().unwrap())])
        .await;
    let told = broken(&rig, &["requests"]).await;
    assert!(told.contains("1 MiB"), "{told}");
    let tenant = publish(&rig, &["six"], "import six\ndef main(): return 1").await;
    let version = super::built(&rig, &tenant).await;
    assert_eq!(version.broken_kind, None, "what fits is installed");
    drop(worker);
    std::fs::remove_file(file).unwrap();
}
