"""The table that `make bench-sfu` prints."""

from typing import Any

SERVERS = {
    "plenum_gso": "Plenum, GSO",
    "plenum_plain": "Plenum, sendmmsg",
    "janus_tuned": "Janus, OpenSSL",
    "janus_shipped": "Janus, Debian",
    "aiortc_objects": "aiortc objects",
}


def number(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns as wide as they need be; the first one to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells))
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def costs(result: dict[str, Any]) -> str:
    rows = []
    for name, title in SERVERS.items():
        found = [case.get(name) for case in result["cases"].values()]
        if any(found):
            rows.append([title, *(number(f["us_per_packet"]) if f else "-" for f in found)])
    rows.append(["ratio, Plenum GSO / Janus OpenSSL", *(number(r) for r in result["ratios"].values())])
    sends = [case.get("plenum_gso") for case in result["cases"].values()]
    rows.append(["packets a send", *(number(f and f["packets_per_send"], 1) for f in sends)])
    return table(["CPU us a forwarded packet", *(case.replace("_", " ") for case in result["cases"])], rows)


def loads(result: dict[str, Any]) -> str:
    rows = []
    for name, title in SERVERS.items():
        saturated = result["saturation"].get(name)
        if saturated is None:
            continue
        best, half = saturated["best"], result["latency"].get(name)
        rows.append(
            [
                title,
                number(best and best["packets_per_s"], 0),
                number(half and half["p50_ms"]),
                number(half and half["p99_ms"]),
            ]
        )
    return table(["On one core", "packets/s at most", "p50 ms at half", "p99 ms at half"], rows)


def growths(result: dict[str, Any]) -> str:
    sizes = list(next(iter(result["growth"].values()), {}))
    rows = [
        [SERVERS[name], *(number(found[size]["us_per_packet"]) for size in sizes)]
        for name, found in result["growth"].items()
    ]
    return table(["CPU us a packet, by subscribers", *sizes], rows)


def memories(result: dict[str, Any]) -> str:
    rows = [
        [SERVERS[name], f"{found['peer']:,}", f"{found['subscription']:,}"]
        for name, found in result["memory_bytes"].items()
    ]
    return table(["Memory, bytes", "a peer", "a subscription"], rows)


def others(result: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    party = result.get("people")
    if party:
        people = f"{party['people']} people, all on: share of a core, Mbit/s a person"
        rows.append([people, f"{100 * party['core_share']:.0f} %, {number(party['mbit_per_person'])}"])
    for flight, milliseconds in result.get("dtls_lost_flight_ms", {}).items():
        rows.append([f"connected after ms, lost: {flight.replace('_', ' ')}", number(milliseconds, 0)])
    relay = result.get("media_relay")
    if relay:
        both = f"{relay['gateway_ms_per_frame']:.3f} / {relay['relay_ms_per_frame']:.3f}"
        rows.append(["CPU ms a 360p frame and subscriber, Plenum / MediaRelay", both])
    return table(["Besides", ""], rows)


def render(result: dict[str, Any]) -> str:
    """Everything that was measured."""
    parts = []
    for key, part in (
        ("cases", costs), ("saturation", loads), ("growth", growths), ("memory_bytes", memories),
    ):  # fmt: skip
        if result.get(key):
            parts.append(part(result))
    parts.append(others(result))
    return "\n\n".join(parts + [f"note: {note}" for note in result["notes"]])
