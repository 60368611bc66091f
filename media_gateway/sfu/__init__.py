"""Selective forwarding media server on plain asyncio: no Django, nothing of the meeting domain.

`gateway.Gateway` is the facade; `docs/media.md` tells how a packet travels through the modules.
"""
