from tests.meetings.live.conftest import _no_idle_connections, _own_channel_layer, cast, room, tab, worker

__all__ = ["_no_idle_connections", "_own_channel_layer", "cast", "room", "tab", "worker"]
