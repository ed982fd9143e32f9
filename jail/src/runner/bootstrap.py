def boot():
    import marshal, posix, sys
    fd = int(sys.argv[1])
    posix.dup2(fd, 3, False)
    if fd != 3:
        posix.close(fd)
    def take(n):
        got = b""
        while len(got) < n:
            more = posix.read(3, n - len(got))
            if not more:
                posix._exit(0)
            got += more
        return got
    head = take(16)
    body = take(int.from_bytes(head[4:8], "big"))
    fresh = None
    if head[15] == 0:
        import json
        parts = {}
        for name, source in json.loads(body):
            parts[name] = marshal.dumps(compile(source, "<patchbay>/" + name, "exec", dont_inherit=True))
        fresh = body = marshal.dumps(parts)
        for name in [n for n in sys.modules if n.split(".")[0] in ("json", "re", "enum", "sre_compile")]:
            del sys.modules[name]
    parts = marshal.loads(body)
    start = {"parts": parts, "fresh": fresh, "__name__": "patchbay.loader"}
    exec(marshal.loads(parts["loader"]), start)
boot()
