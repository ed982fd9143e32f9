"""A host over TLS, of Python's own library, as a test's child.

    network.py FOLDER     makes a certificate in FOLDER, prints its port, notes bodies' lengths
"""

import http.server
import ssl
import subprocess
import sys

folder = sys.argv[1]


class Host(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/large/"):
            return self.answer(bytes(int(self.path.split("/")[2])))
        self.answer(self.headers.get("User-Agent", "").encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(str(len(body)).encode())

    def log_message(self, *_):
        pass


key, certificate = folder + "/key.pem", folder + "/certificate.pem"
subprocess.run(
    ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
     "-keyout", key, "-out", certificate, "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.2"],
    check=True, capture_output=True,
)
# An address that no client leaves out of what it sends to a proxy.
server = http.server.ThreadingHTTPServer(("127.0.0.2", 0), Host)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
