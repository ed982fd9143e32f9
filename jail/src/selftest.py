"""Run in a sandbox at a worker's start: meets each wall, and names those that are not there."""

import ctypes
import errno
import fcntl
import mmap
import os
import resource
import signal
import socket
import time

libc = ctypes.CDLL(None, use_errno=True)
EXECUTION = 1001
NEWUSER = 0x10000000
# What the worker tells of its own side.
OUTSIDE = {}


def main(probe, outside):
    OUTSIDE.update(outside)
    return [[name, bool(holds)] for name, holds in PROBES[probe]()]


def refused(attempt, *numbers):
    """Whether the attempt fails with one of these errors."""
    try:
        result = attempt()
    except OSError as error:
        return not numbers or error.errno in numbers
    if isinstance(result, int) and result < 0:
        return not numbers or ctypes.get_errno() in numbers
    return False


def mounts():
    with open("/proc/self/mountinfo") as file:
        return [line.split()[4] for line in file]


def unwritable(place):
    """The template may write to `/code`; everything else is read-only for all."""
    if place != "/code":
        return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
    path = os.path.join(place, "selftest")
    if not refused(lambda: os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)), errno.EACCES):
        os.unlink(path)
        return False
    return True


def is_own(namespace):
    return bool(OUTSIDE[namespace]) and os.readlink("/proc/self/ns/" + namespace) != OUTSIDE[namespace]


def asked(host):
    """The status line of a tunnel to it."""
    with socket.create_connection(("127.0.0.1", 3128)) as proxy:
        proxy.sendall(b"CONNECT %s HTTP/1.1\r\n\r\n" % host)
        return proxy.recv(1000).split(b"\r\n")[0]


def status():
    with open("/proc/self/status") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def foreign_calls_die():
    """`int 0x80` would reach the kernel by another table of calls."""
    pid = os.fork()
    if pid == 0:
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # getpid of the 32-bit table
        address = ctypes.addressof(ctypes.c_char.from_buffer(code))
        number = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0 if number > 0 else 1)
    _, ended = os.waitpid(pid, 0)
    return not (os.WIFEXITED(ended) and os.WEXITSTATUS(ended) == 0)


def remembers_connections():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        far.close()
        near.close()
    with open("/proc/self/net/tcp") as table:
        return len(table.readlines()) > 1


def walls():
    for place in mounts():
        if place not in ("/tmp", "/dev/shm"):
            yield "read-only mount " + place, unwritable(place)
    mine = status()
    yield "no new privileges", mine["NoNewPrivs"] == "1"
    yield "system call filter", mine["Seccomp"] == "2"
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        yield "capabilities (%s)" % name, int(mine[name], 16) == 0
    yield "uid of executions", os.getresuid() == (EXECUTION,) * 3 and os.getgroups() in ([], [EXECUTION])
    yield "system call filter (unshare)", refused(lambda: libc.unshare(NEWUSER), errno.EPERM)
    yield "system call filter (clone3)", refused(lambda: libc.syscall(435, 0, 0), errno.ENOSYS)
    yield "system call filter (inotify)", refused(lambda: libc.inotify_init(), errno.ENOSYS)
    yield "system call filter (netlink)", refused(lambda: socket.socket(16, socket.SOCK_RAW, 0), errno.EAFNOSUPPORT)
    yield "system call filter (lingering sockets)", refused(lambda: socket.socket().setsockopt(1, 13, bytes(8)), errno.EPERM)
    yield "system call filter (watched folders)", refused(lambda: fcntl.fcntl(os.open("/", os.O_RDONLY), 1026, 1), errno.EPERM)
    yield "system call filter (32-bit calls)", foreign_calls_die()
    yield "system call filter (x32 calls)", refused(lambda: libc.syscall(0x40000000 | 39), errno.ENOSYS)
    yield "pid namespace", os.getppid() == 1 and os.getpid() < 100
    yield "template out of reach (kill)", refused(lambda: os.kill(1, 9), errno.EPERM)
    yield "template out of reach (prlimit)", refused(lambda: resource.prlimit(1, resource.RLIMIT_NOFILE, (8, 8)), errno.EPERM)
    yield "template out of sight", not os.path.exists("/proc/1")
    yield "proc shows processes only", not os.path.exists("/proc/meminfo") and not os.path.exists("/proc/sys")
    with open("/proc/self/net/dev") as file:
        alone = [line.split(":")[0].strip() for line in file if ":" in line] == ["lo"]
    yield "network namespace", alone and is_own("net")
    for name in ("cgroup", "ipc", "mnt", "user", "uts"):
        yield name + " namespace", is_own(name)
    yield "forgotten connections", not remembers_connections()
    here, there = os.fstat(0), os.stat("/dev/null")
    yield "standard input", (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
    yield "host name", socket.gethostname() == "sandbox"
    for name, most in (("NOFILE", 256), ("CORE", 1), ("MSGQUEUE", 0), ("RTPRIO", 0)):
        soft, hard = resource.getrlimit(getattr(resource, "RLIMIT_" + name))
        yield "resource limit " + name, soft <= most and hard <= most and soft >= 0
    yield "queued signals", resource.getrlimit(11) == (256, 256)


def scratch():
    def fill():
        with open("/tmp/fill", "wb") as file:
            for _ in range(3 << 8):
                file.write(bytes(4096))

    def many():
        for number in range(100):
            open("/tmp/%d" % number, "w").close()

    yield "scratch bytes", refused(fill, errno.ENOSPC)
    os.unlink("/tmp/fill")
    yield "scratch files", refused(many, errno.ENOSPC)


def empty():
    yield "nothing left in scratch space", os.listdir("/tmp") == [] and os.listdir("/dev/shm") == []


def processes():
    def forks():
        for _ in range(30):
            if os.fork() == 0:
                signal.pause()

    yield "processes", refused(forks, errno.EAGAIN)


def cpu():
    """More than a period's quota, in the time of this process: a busy host only slows it."""
    until = time.process_time() + 0.04
    while time.process_time() < until:
        pass
    return ()


def memory():
    block = mmap.mmap(-1, 64 << 20)
    for at in range(0, 64 << 20, 4096):
        block[at] = 1
    yield "memory", False


def proxy():
    """It was given port 9 of an address that no operator can open."""
    yield "named hosts alone", b"is not among the hosts" in asked(b"[::ffff:127.0.0.1]:10")
    yield "public addresses alone", b"no address that may be reached" in asked(b"[::ffff:127.0.0.1]:9")


PROBES = {name: globals()[name] for name in ("walls", "scratch", "empty", "processes", "cpu", "memory", "proxy")}
