"""The operations of the control link (docs/protocol.md section 2.1): checked, then done on the rooms."""

import ipaddress
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import arguments
from .codecs import SOURCES
from .errors import GatewayError
from .peer import Peer, Services
from .play import PlayConnection
from .recorder_feed import RecorderFeed
from .room import Room
from .sdp import ICE_CHARS
from .sdp_write import candidate_lines
from .udp import UdpSocket, open_socket

if TYPE_CHECKING:
    from .gateway import GatewayConfig

MAX_NAME = 200
EMPTY_RECORDING = 600.0
"""Seconds for which an empty room keeps its recording going."""


class Operations:
    """`table` has a function for each operation: (room id, peer id, data) -> reply data, or GatewayError."""

    def __init__(
        self, config: "GatewayConfig", instance: str, services: Services, rooms: dict[str, Room]
    ) -> None:
        self.config = config
        self.instance = instance
        self.services = services
        self.rooms = rooms
        self.feed_sockets: dict[bool, UdpSocket] = {}
        self.table: dict[str, Callable[[str, str | None, dict[str, Any]], dict[str, Any]]] = {
            "peer.add": self._peer_add,
            "peer.publish": self._peer_publish,
            "peer.answer": self._peer_answer,
            "peer.permit": self._peer_permit,
            "peer.pause": self._peer_pause,
            "peer.restart": self._peer_restart,
            "peer.view": self._peer_view,
            "peer.report": self._peer_report,
            "peer.remove": self._peer_remove,
            "peer.ice": self._peer_ice,
            "peer.play": self._peer_play,
            "relay.open": self._relay_open,
            "relay.answer": self._relay_answer,
            "relay.pull": self._relay_pull,
            "relay.close": self._relay_close,
            "room.data": self._room_data,
            "room.close": self._room_close,
            "room.record": self._room_record,
            "room.unrecord": self._room_unrecord,
            "room.stats": self._room_stats,
        }

    def close(self) -> None:
        for socket in self.feed_sockets.values():
            socket.close()
        self.feed_sockets.clear()

    # -- peers ------------------------------------------------------------

    def _peer_add(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        assert peer_id is not None
        generation = arguments.integer(data, "generation")
        name = data.get("name", "")
        if not isinstance(name, str) or len(name) > MAX_NAME:
            raise GatewayError("bad_request", "bad name")
        allowed = arguments.sources(data, "publish")
        room = self.rooms.get(room_id)
        if room is None or peer_id not in room.peers:
            if room is None and len(self.rooms) >= self.config.max_rooms:
                raise GatewayError("overloaded", "no more rooms fit on this worker")
            if room is not None and len(room.peers) >= self.config.max_peers_per_room:
                raise GatewayError("overloaded", "the room is full")
            if sum(len(other.peers) for other in self.rooms.values()) >= self.config.max_peers:
                raise GatewayError("overloaded", "no more peers fit on this worker")
        if room is None:
            room = self.rooms[room_id] = Room(room_id, self.services, self.instance)
        topics = arguments.topics(data)
        pause = arguments.sources(data, "pause") if "pause" in data else None
        added = room.add_peer(peer_id, generation, name, allowed, time.monotonic())
        added.topics = topics
        if pause is not None:
            room.stage.pause(added, SOURCES.keys() - pause, False)
            room.stage.pause(added, pause, True)
        version, text = added.subscribe.current_offer()
        return {"subscribe": {"version": version, "sdp": text}}

    def _peer_publish(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id, data)
        return {"sdp": room.stage.publish(peer, data.get("sdp"), arguments.tracks(data))}

    def _peer_answer(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        peer.subscribe.answer(arguments.integer(data, "version"), data.get("sdp"))
        return {}

    def _peer_permit(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id)
        topics = arguments.topics(data)
        room.stage.permit(peer, arguments.sources(data, "publish"))
        peer.topics = topics
        return {}

    def _peer_pause(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id)
        paused = data.get("paused")
        if not isinstance(paused, bool):
            raise GatewayError("bad_request", "paused must be true or false")
        room.stage.pause(peer, arguments.sources(data, "sources"), paused)
        return {}

    def _peer_restart(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        peer.subscribe.restart()
        return {}

    def _peer_view(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        peer.subscribe.allocation.show(arguments.view(data), time.monotonic())
        return {}

    def _peer_report(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room, peer = self._peer(room_id, peer_id, data)
        publish, subscribe = arguments.report(data)
        room.watch.of(peer.id).reports.take(publish, subscribe, time.monotonic())
        return {}

    def _peer_remove(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self.rooms.get(room_id)
        peer = room.peers.get(peer_id) if room is not None and peer_id is not None else None
        if room is not None and peer is not None:
            room.remove_peer(peer)
            self.close_if_empty(room)
        return {}

    def _peer_ice(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        ufrag = data.get("ufrag")
        if not isinstance(ufrag, str) or not ICE_CHARS.fullmatch(ufrag):
            raise GatewayError("bad_request", "bad ufrag")
        if isinstance(peer.subscribe, PlayConnection):
            lines = peer.subscribe.restart_ice()
        elif peer.publish is not None:
            lines = peer.publish.restart(ufrag)
        else:
            raise GatewayError("not_found", "there is no connection to restart")
        return {"ufrag": lines.ufrag, "pwd": lines.pwd, "candidates": candidate_lines(lines)}

    def _peer_play(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        _, peer = self._peer(room_id, peer_id, data)
        return {"sdp": peer.play(data.get("sdp"))}

    def _room_close(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self.rooms.pop(room_id, None)
        if room is not None:
            room.close()
        return {}

    def _room_record(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        room = self._room(room_id)
        recording = arguments.recording(data)
        token = data.get("token")
        if not isinstance(token, str) or not re.fullmatch(r"[0-9a-fA-F]{16}", token):
            raise GatewayError("bad_request", "token must be 16 hex digits")
        socket, destination = self._feed_target(data.get("address"))
        feed = RecorderFeed(recording, bytes.fromhex(token), socket, destination, self.instance)
        return {"tracks": room.record(feed)}

    def _room_unrecord(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        self._room(room_id).unrecord(arguments.recording(data))
        return {}

    def _room_stats(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        return self._room(room_id).describe()

    def _room_data(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        sender, topic, body = arguments.message(data)
        return {"missed": self._room(room_id).send_data(sender, topic, body)}

    # -- rooms on several workers ------------------------------------------------------------

    def _relay_open(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        return {"sdp": self._room(room_id).relays.open(arguments.relay(data))}

    def _relay_answer(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        self._room(room_id).relays.answer(arguments.relay(data), data.get("sdp"))
        return {}

    def _relay_pull(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "sdp": self._room(room_id).relays.pull(
                arguments.relay(data), data.get("sdp"), leader=data.get("leader") is True
            )
        }

    def _relay_close(self, room_id: str, peer_id: str | None, data: dict[str, Any]) -> dict[str, Any]:
        relays, name = self._room(room_id).relays, arguments.relay(data)
        relays.close_in(name)
        relays.close_out(name)
        return {}

    # -- look-ups ------------------------------------------------------------

    def _room(self, room_id: str) -> Room:
        room = self.rooms.get(room_id)
        if room is None:
            raise GatewayError("not_found", "no such room")
        return room

    def _peer(
        self, room_id: str, peer_id: str | None, data: dict[str, Any] | None = None
    ) -> tuple[Room, Peer]:
        """The room and the peer; with `data`, its `generation` must be the current one."""
        room = self._room(room_id)
        peer = room.peers.get(peer_id) if peer_id is not None else None
        if peer is None:
            raise GatewayError("not_found", "no such peer")
        if data is not None and arguments.integer(data, "generation") != peer.generation:
            raise GatewayError("stale_generation", f"the peer's generation is {peer.generation}")
        return room, peer

    def close_if_empty(self, room: Room) -> None:
        """Close a room nobody is in; one that is being recorded waits for somebody to come back."""
        if room.peers:
            room.empty_since = None
            return
        now = time.monotonic()
        if room.empty_since is None:
            room.empty_since = now
        if (not room.feeds or now - room.empty_since > EMPTY_RECORDING) and self.rooms.get(room.id) is room:
            room.close()
            del self.rooms[room.id]

    def _feed_target(self, address: object) -> tuple[UdpSocket, Any]:
        """A sending socket for the recorder's address, and the address in the socket's own terms."""
        if not isinstance(address, list | tuple) or len(address) != 2 or not isinstance(address[0], str):
            raise GatewayError("bad_request", "address must be [ip, port]")
        port = address[1]
        try:
            ip = ipaddress.ip_address(address[0])
        except ValueError as error:
            raise GatewayError("bad_request", "address must be [ip, port]") from error
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise GatewayError("bad_request", "bad port")
        if ip.is_multicast or ip.is_unspecified:
            raise GatewayError("bad_request", "not the address of a recorder")
        v6 = ip.version == 6
        if v6 not in self.feed_sockets:
            socket = open_socket("::" if v6 else "0.0.0.0", 0, batched=self.config.batched)  # noqa: S104
            self.feed_sockets[v6] = socket
            self.services.endpoint.followers.append(socket)
        socket = self.feed_sockets[v6]
        return socket, socket.destination(socket.address_of(str(ip), port))
