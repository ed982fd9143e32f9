"""Runs in a sandbox of its own, with a way to the package index and nothing else.

Resolves requirements to a list with hashes, or installs such a list, compiles it, and
delivers the files to the worker over a socket, which decides about each.
"""

import compileall
import os
import py_compile
import socket
import stat
import struct
import subprocess

UV = "/layer/uv"
PROXY = "http://127.0.0.1:3128"
DELIVERY = ("127.0.0.1", 3129)
SITE = "/tmp/site"
WORDS = 4096


def main(step: str, index: str, text: str):
    return {"resolve": resolve, "install": install}[step](index, text)


def resolve(index, requirements):
    with open("/tmp/requirements.in", "w") as asked:
        asked.write(requirements)
    words = uv(
        index,
        *("pip", "compile", "/tmp/requirements.in", "--output-file", "/tmp/lock.txt"),
        *("--generate-hashes", "--no-header", "--no-annotate", "--python-version", "3.11"),
    )
    if words is not None:
        return {"refused": words}
    with open("/tmp/lock.txt") as lock:
        return {"lock": lock.read()}


def install(index, lock):
    with open("/tmp/lock.txt", "w") as file:
        file.write(lock)
    words = uv(
        index,
        *("pip", "install", "--requirements", "/tmp/lock.txt", "--require-hashes", "--no-deps"),
        *("--target", SITE, "--link-mode", "hardlink"),
    )
    if words is not None:
        return {"refused": words}
    compile_all()
    return {"files": deliver()}


def uv(index, *arguments):
    """What it said where it failed, else None."""
    environment = {
        "HOME": "/tmp",
        "PATH": "/usr/bin",
        "NO_COLOR": "1",
        "HTTP_PROXY": PROXY,
        "HTTPS_PROXY": PROXY,
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        "UV_CACHE_DIR": "/tmp/cache",
        # Threads count as processes.
        "UV_CONCURRENT_DOWNLOADS": "8",
        "UV_CONCURRENT_INSTALLS": "4",
        "RAYON_NUM_THREADS": "4",
        "UV_HTTP_TIMEOUT": "20",
        "UV_HTTP_RETRIES": "2",
    }
    command = [UV, *arguments, "--python", "/usr/bin/python3.11", "--no-python-downloads"]
    command += ["--only-binary", ":all:", "--index-url", index, "--no-config", "--quiet"]
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    words = done.stderr.decode("utf-8", "replace").strip()[:WORDS]
    if done.returncode == 0:
        return None
    if done.returncode in (1, 2) and words:
        return words
    raise RuntimeError("the resolver ended with %d: %s" % (done.returncode, words))


def compile_all():
    """By content of the layer alone: its files never change, so none is looked at twice."""
    try:
        compileall.compile_dir(
            SITE,
            quiet=2,
            workers=len(os.sched_getaffinity(0)),
            stripdir=SITE,
            prependdir="/layer",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    except Exception:
        pass  # what isn't compiled is compiled when it is imported


def deliver():
    """How many files. Each: kind, length of its path, length of its body; then both."""
    count = 0
    with socket.create_connection(DELIVERY) as worker:
        for folder, folders, names in os.walk(SITE):
            folders.sort()
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted(names + links):
                path = os.path.join(folder, name)
                if path != SITE + "/.lock":
                    deliver_one(worker, path, os.path.relpath(path, SITE))
                    count += 1
        worker.sendall(struct.pack(">cHQ", b"E", 0, 0))
        if worker.recv(1) != b"K":
            raise ConnectionError("the worker refused the files")
    return count


def deliver_one(worker, path, name):
    name = os.fsencode(name)
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        target = os.fsencode(os.readlink(path))
        worker.sendall(struct.pack(">cHQ", b"L", len(name), len(target)) + name + target)
        return
    if not stat.S_ISREG(status.st_mode):
        worker.sendall(struct.pack(">cHQ", b"?", len(name), 0) + name)
        return
    kind = b"X" if status.st_mode & 0o111 else b"F"
    worker.sendall(struct.pack(">cHQ", kind, len(name), status.st_size) + name)
    with open(path, "rb") as file:
        worker.sendfile(file, 0, status.st_size or None)
