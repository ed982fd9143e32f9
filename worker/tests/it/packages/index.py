"""A package index that lies. Prints its port; each package's name says what is wrong with it.

index.py FOLDER [PORT OF ANOTHER SERVER]: a file FOLDER/vanish makes all wheels vanish,
FOLDER/broken makes every answer a 503. What was asked for is appended to FOLDER/asked.
"""

import base64
import hashlib
import http.server
import io
import os
import sys
import time
import zipfile

FOLDER = sys.argv[1]
OTHER = sys.argv[2] if len(sys.argv) > 2 else "1"


def wheel(name, files, links=()):
    body = io.BytesIO()
    information = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        all_files = {
            f"{name}.py": b"WORD = 'well'\n",
            **files,
            f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
            f"{information}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = []
        for path, content in all_files.items():
            archive.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
        for path, target in links:
            entry = zipfile.ZipInfo(path)
            entry.create_system = 3
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, target)
        archive.writestr(f"{information}/RECORD", "\n".join(record) + "\n")
    return body.getvalue()


ZEROS = bytes(64 << 20)
WHEELS = {
    "good": wheel("good", {}),
    "liar": wheel("liar", {}),
    "bomb": wheel("bomb", {f"zeros{n}.bin": ZEROS for n in range(4)}),
    "climber": wheel("climber", {"../../../../tmp/climbed.py": b"x = 1"}),
    "rooted": wheel("rooted", {"/tmp/rooted.py": b"x = 1"}),
    "linker": wheel("linker", {}, [("linker_passwd", "/etc/passwd")]),
    "endless": wheel("endless", {}),
    "slow": wheel("slow", {}),
    "elsewhere": wheel("elsewhere", {}),
    "redirected": wheel("redirected", {}),
    "foreign": wheel("foreign", {}),
    "source": b"no wheel",
    "yanked": wheel("yanked", {}),
    "shadow": wheel("shadow", {"json.py": b"raise SystemExit"}),
}
TAGS = {"foreign": "py3-none-win_amd64"}


class Index(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        with open(f"{FOLDER}/asked", "a") as asked:
            asked.write(self.path + "\n")
        if os.path.exists(f"{FOLDER}/broken"):
            return self.answer(503, b"")
        parts = self.path.strip("/").split("/")
        if self.path.endswith(".metadata"):
            return self.answer(200, f"Metadata-Version: 2.1\nName: {parts[1]}\nVersion: 1.0\n".encode())
        if parts == ["simple", "many"]:
            names = [f"many-1.0-{n}-py3-none-any.whl" for n in range(30_000)]
            told = 'data-core-metadata="true"'
            links = (f'<a href="/files/many/{n}#sha256={i:064x}" {told}>{n}</a>' for i, n in enumerate(names))
            return self.answer(200, "\n".join(links).encode(), "text/html")
        if parts == ["simple", "flood"]:
            return self.flood(b"<!-- -->" * 100_000)
        if parts[0] == "simple" and len(parts) == 2 and parts[1] in WHEELS:
            return self.page(parts[1])
        if parts[0] == "files" and len(parts) == 3 and not os.path.exists(f"{FOLDER}/vanish"):
            return self.file(parts[1])
        self.answer(404, b"")

    def page(self, name):
        body = WHEELS[name]
        digest = hashlib.sha256(b"another" if name == "liar" else body).hexdigest()
        file = f"{name}-1.0-{TAGS.get(name, 'py3-none-any')}.whl"
        if name == "source":
            file = "source-1.0.tar.gz"
        host = f"http://127.0.0.1:{OTHER}" if name == "elsewhere" else ""
        yanked = ' data-yanked="it was wrong"' if name == "yanked" else ""
        if name in ("endless", "slow"):
            yanked = ' data-core-metadata="true"'
        page = f'<a href="{host}/files/{name}/{file}#sha256={digest}"{yanked}>{file}</a>'
        self.answer(200, page.encode(), "text/html")

    def file(self, name):
        if name == "redirected":
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{OTHER}/files/x")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        # A file of unknown size, in blocks that are never the last.
        start = b"PK\3\4\x14\0\x08\0\x08\0" + bytes(16) + b"\x0b\0\0\0endless.bin"
        if name == "slow":
            return self.flood(b"\0\1\0\xfe\xff\0", start, pause=0.2)
        if name == "endless":
            return self.flood((b"\0\xff\xff\0\0" + bytes(65_535)) * 16, start)
        self.answer(200, WHEELS[name])

    def flood(self, piece, start=b"", pause=0.0):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(1 << 40))
        self.end_headers()
        try:
            self.wfile.write(start)
            while True:
                self.wfile.write(piece)
                time.sleep(pause)
        except OSError:
            self.close_connection = True

    def answer(self, status, body, kind="application/octet-stream"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
print(server.server_port, flush=True)
server.serve_forever()
