from tests.meetings.live.conftest import _own_channel_layer, cast, room, tab, worker

__all__ = ["_own_channel_layer", "cast", "room", "tab", "worker"]
