"""Takes so much of one of the things that a plan bounds, and holds it until the end."""

import os
import time

BALLAST = b"x" * (40 << 20)


def burn(seconds):
    begun = time.process_time()
    while time.process_time() - begun < seconds:
        pass


def handler(input, context):
    what, count = input["what"], input["count"]
    if what == "memory":
        held = b"x" * (count << 20)
    elif what == "scratch":
        with open("/tmp/held", "wb", buffering=0) as file:
            while count:
                count -= file.write(b"x" * min(count, 1 << 16))
    elif what == "processes":
        holding, end = os.pipe()
        for _ in range(count):
            if os.fork() == 0:
                os.close(end)
                os.read(holding, 1)
                os._exit(0)
    elif what == "cpu":
        for _ in range(count):
            if os.fork() == 0:
                burn(0.1)
                os._exit(0)
        for _ in range(count):
            os.wait()
    elif what == "sleep":
        time.sleep(count / 1000)
    return context.remaining_ms()
