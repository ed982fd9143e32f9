"""Prints the SCRAM verifier of the password on standard input, as PostgreSQL keeps it.

So the password itself goes to no server, no log and no command line.
"""

import base64
import hashlib
import hmac
import os
import sys

ROUNDS = 4096


def text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


password = sys.stdin.read().strip().encode()
salt = os.urandom(16)
salted = hashlib.pbkdf2_hmac("sha256", password, salt, ROUNDS)
client_key = hmac.digest(salted, b"Client Key", "sha256")
server_key = hmac.digest(salted, b"Server Key", "sha256")
stored_key = hashlib.sha256(client_key).digest()
print(f"SCRAM-SHA-256${ROUNDS}:{text(salt)}${text(stored_key)}:{text(server_key)}")
