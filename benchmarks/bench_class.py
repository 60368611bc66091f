"""A class that starts: thirty people click on “Join now” within two seconds, on the whole real portal.

    python -m benchmarks.bench_class [--people 30] [--seconds 2] [--rooms 10]

They are WebSockets without browsers, so what is timed is the server: from `join` (with `media: true`) to its
answer, offer of the media worker included. Before that the first person of each of `rooms` new meetings is
timed in the same way, for whom the room is placed. Writes benchmarks/results/class.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.bench_join import percentile
from tests.e2e.party import book_now
from tests.services.stack import PortalStack, portal_stack

RESULT = Path(__file__).parent / "results" / "class.json"


def open_page(url: str) -> str:
    """The cookies of a browser that opened the room page."""
    with urllib.request.urlopen(url, timeout=20) as page:
        cookies = page.headers.get_all("Set-Cookie") or []
    return "; ".join(cookie.split(";")[0] for cookie in cookies)


async def knock(stack: PortalStack, path: str) -> ClientConnection:
    """A page before joining: its WebSocket stands and has said welcome."""
    cookie = await asyncio.to_thread(open_page, stack.url + path)
    code = path.strip("/").split("/")[-1]
    address = f"{stack.url.replace('http', 'ws', 1)}/ws/room/{code}/"
    socket = await connect(address, origin=stack.url, additional_headers={"Cookie": cookie})  # type: ignore[arg-type]
    assert json.loads(await socket.recv())["type"] == "welcome"
    return socket


async def join(socket: ClientConnection, name: str) -> float:
    """Milliseconds from `join` to its answer, which has to bring an offer."""
    wish: dict[str, Any] = {"name": name, "mic": True, "camera": True, "media": True}
    asked = time.perf_counter()
    await socket.send(json.dumps({"id": 1, "type": "join", "data": wish}))
    while True:
        frame = json.loads(await socket.recv())
        if frame.get("re") == 1:
            assert frame["ok"] and frame["data"]["media"]["subscribe"], frame
            return 1000 * (time.perf_counter() - asked)


async def first_people(stack: PortalStack, paths: list[str]) -> list[float]:
    times = []
    for path in paths:
        socket = await knock(stack, path)
        times.append(await join(socket, "First"))
        await socket.close()
    return times


async def whole_class(stack: PortalStack, path: str, people: int, seconds: float) -> list[float]:
    sockets = [await knock(stack, path) for _ in range(people)]

    async def later(number: int) -> float:
        await asyncio.sleep(seconds * number / people)
        return await join(sockets[number], f"Student {number}")

    times = await asyncio.gather(*map(later, range(people)))
    await asyncio.gather(*(socket.close() for socket in sockets))
    return list(times)


def told(times: list[float]) -> dict[str, int]:
    return {
        "p50": round(statistics.median(times)),
        "p95": round(percentile(times, 0.95)),
        "max": round(max(times)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rooms", type=int, default=10)
    options = parser.parse_args()
    with portal_stack() as stack:
        paths = [book_now(stack).path for _ in range(options.rooms + 1)]
        first = asyncio.run(first_people(stack, paths[1:]))
        everybody = asyncio.run(whole_class(stack, paths[0], options.people, options.seconds))
    result = {
        "people": options.people,
        "seconds": options.seconds,
        "join_answered_ms": told(everybody),
        "first_of_a_room_ms": told(first),
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
