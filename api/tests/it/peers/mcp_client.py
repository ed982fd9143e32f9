"""The official MCP client, doing what a test tells it.

Reads from stdin one JSON object: {url, key, mode, steps}; each step is
{"list": {}} or {"call": {"name": …, "arguments": …}}. Prints one JSON array with what
the client's user would see of each step: the tools, the result, or the error raised.
`mode` is the client's own: "auto", "2026-07-28", or "legacy".
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client


def seen(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def do(client, step):
    try:
        if "list" in step:
            tools = (await client.list_tools()).tools
            return {"tools": [seen(tool) for tool in tools]}
        call = step["call"]
        return {"result": seen(await client.call_tool(call["name"], call["arguments"]))}
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}
    except RuntimeError as error:
        # What the client itself has against an answer, as a result that is not of
        # the tool's output schema.
        return {"complaint": str(error)}


async def main():
    asked = json.load(sys.stdin)
    headers = {"Authorization": f"Bearer {asked['key']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(asked["url"], http_client=http)
        async with Client(transport, mode=asked["mode"]) as client:
            done = [{"version": client.protocol_version}]
            for step in asked["steps"]:
                done.append(await do(client, step))
    json.dump(done, sys.stdout)


asyncio.run(main())
