"""httpx-sse as the tests' peer: reads a stream to its end, and resumes one."""

import json
import sys

import httpx
import httpx_sse


def read(asked, after, most):
    headers = {"Authorization": f"Bearer {asked['key']}"}
    if after:
        headers["Last-Event-ID"] = after
    seen = []
    with httpx.Client(timeout=30) as client:
        with httpx_sse.connect_sse(client, "GET", asked["url"], headers=headers) as source:
            for event in source.iter_sse():
                seen.append({"event": event.event, "id": event.id, "data": event.json()})
                if len(seen) == most:
                    break
    return seen


def main():
    asked = json.load(sys.stdin)
    first = read(asked, None, asked["first"])
    json.dump(first + read(asked, first[-1]["id"], None), sys.stdout)


main()
