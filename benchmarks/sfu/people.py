"""Twenty people in one room, everybody sending a camera in three layers and a microphone, everybody seeing
all the others: one large, the rest small. What share of a core the server needs for it.
"""

import asyncio
from typing import Any

from media_gateway.sfu.client import MediaClient
from media_gateway.sfu.identity import Identity

from .processes import Child, memory_bytes
from .publish import Load
from .schedule import camera, microphone
from .servers import Plenum
from .session import TIMED, measured

PEOPLE = 20
RIDS = ("q", "h", "f")
LARGE, SMALL = (1280, 720), (320, 180)


class Party:
    """The room with its people."""

    def __init__(self, people: int = PEOPLE, rids: tuple[str, ...] = RIDS, **options: Any) -> None:
        self.people, self.rids, self.options = people, rids, options

    async def __aenter__(self) -> "Party":
        self.receivers = await Child("benchmarks.sfu.receivers").__aenter__()
        self.server = Plenum(self.receivers, **self.options)
        self.clients: list[MediaClient] = []
        self.load = Load()
        try:
            await self.server.start()
            await self._gather()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _gather(self) -> None:
        identity = Identity()
        names = [f"person{number}" for number in range(self.people)]
        for number, name in enumerate(names):
            await self.server.subscribe(name, timed=number < TIMED, sources=("camera", "mic"))
        for name in names:
            client = MediaClient(identity)
            self.clients.append(client)
            video, audio = client.add_track("camera", self.rids), client.add_track("mic")
            await self.server.publish(name, client)
            for rid in self.rids:
                self.load.add(client, video, rid, camera(rid))
            self.load.add(client, audio, "", microphone())
        for number, name in enumerate(names):
            speaker = names[(number + 1) % self.people]
            await self.server.view(
                name,
                [
                    {
                        "peer": other,
                        "source": "camera",
                        "width": (LARGE if other == speaker else SMALL)[0],
                        "height": (LARGE if other == speaker else SMALL)[1],
                        "priority": 1 if other == speaker else 0,
                    }
                    for other in names
                    if other != name
                ],
            )
        # The offers with everybody's lines come as events and are answered meanwhile.
        await asyncio.sleep(1.0)
        await self.receivers.call("begin")

    async def __aexit__(self, *exc: object) -> None:
        for client in self.clients:
            client.close()
        await self.server.stop()
        await self.receivers.__aexit__()


async def party(seconds: float, **options: Any) -> dict[str, Any]:
    """Figures of the room; `mbit_per_person` says whether people got what they were to see."""
    async with Party(**options) as room:
        await room.load.play(6.0)  # estimates rise, layers are chosen
        sample = await measured(room, lambda: room.load.play(seconds), 0)
        return sample.as_dict() | {
            "people": room.people,
            "mbit_per_person": round(sample.mbit_per_s / room.people, 3),
            "memory_bytes": memory_bytes(room.server.pid),
        }
