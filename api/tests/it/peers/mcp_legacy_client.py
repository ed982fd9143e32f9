"""The official MCP client of the 1.x line: same questions and answers as mcp_client.py."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from mcp.shared.exceptions import McpError


def seen(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def do(session, step):
    try:
        if "list" in step:
            return {"tools": [seen(tool) for tool in (await session.list_tools()).tools]}
        call = step["call"]
        return {"result": seen(await session.call_tool(call["name"], call["arguments"]))}
    except McpError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}
    except RuntimeError as error:
        return {"complaint": str(error)}


async def main():
    asked = json.load(sys.stdin)
    headers = {"Authorization": f"Bearer {asked['key']}"}
    async with streamablehttp_client(asked["url"], headers=headers) as (read, write, _):
        async with ClientSession(read, write) as session:
            hello = await session.initialize()
            done = [{"version": hello.protocolVersion}]
            for step in asked["steps"]:
                done.append(await do(session, step))
    json.dump(done, sys.stdout)


asyncio.run(main())
