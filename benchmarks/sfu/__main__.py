"""What a forwarded packet costs: our media server with and without segmentation offload, Janus' videoroom as
Debian ships it and with libsrtp on OpenSSL, aiortc's objects, aiortc's MediaRelay.

    python -m benchmarks.sfu [--rounds 5] [--seconds 3] [--only costs,saturation,...]

Prints tables and writes benchmarks/results/sfu.json. Each server runs in its own process on core 0; load and
receivers run on the others. docs/media.md says what the figures hold and what they do not.
"""

import argparse
import asyncio
import json
import os
import platform
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import janus, libsrtp

from .forwarding import Bench
from .handshake import lost_flights
from .people import party
from .processes import hurry, pin
from .relay import beside_relay
from .report import render
from .servers import AiortcObjects, JanusRoom, Plenum
from .session import Make

RESULTS = Path(__file__).parent.parent / "results" / "sfu.json"
HEADLINE = "trace_45k"
CALM = 0.05
"""Share of the server's core that others may use before the result says so."""
PARTS = ("costs", "saturation", "growth", "memory", "people", "dtls", "relay")


def servers(notes: list[str]) -> dict[str, Make]:
    """Those that can run here; `notes` gets a line for each that cannot."""
    makes: dict[str, Make] = {
        "plenum_gso": partial(Plenum, gso=True),
        "plenum_plain": partial(Plenum, gso=False),
    }
    try:
        janus.ensure_installed()
        janus.own_address()
        try:
            makes["janus_tuned"] = partial(JanusRoom, libraries=libsrtp.openssl_libsrtp())
        except libsrtp.BuildError as error:
            notes.append(f"no tuned Janus: libsrtp on OpenSSL could not be built: {error}")
        makes["janus_shipped"] = partial(JanusRoom, libraries=None)
    except janus.JanusError as error:
        notes.append(f"no ratio: {error}")
    makes["aiortc_objects"] = AiortcObjects
    return makes


def headline(result: dict[str, Any]) -> None:
    """The figures that are looked at first, taken out of the rest."""
    cases = result["cases"]
    chosen = {name: figures["us_per_packet"] for name, figures in cases[HEADLINE].items()}
    # Nothing that costs 20 us a packet gets 45,000 of them through a core.
    for name, figures in cases["trace_10k"].items():
        chosen.setdefault(name, figures["us_per_packet"])
    result["us_per_packet"] = chosen
    result["ratios"] = {
        case: round(f["plenum_gso"]["us_per_packet"] / f["janus_tuned"]["us_per_packet"], 3)
        if "janus_tuned" in f
        else None
        for case, f in cases.items()
    }
    disturbed = max(figures["intruders_share"] for case in cases.values() for figures in case.values())
    if disturbed > CALM:
        result["notes"].append(
            f"others used {100 * disturbed:.0f} % of the server's core: run it on a calm machine"
        )
    result["ratio_to_janus"] = result["ratios"][HEADLINE]
    result["packets_per_send"] = {case: f["plenum_gso"]["packets_per_send"] for case, f in cases.items()}


async def run(options: argparse.Namespace) -> dict[str, Any]:
    parts = options.only.split(",")
    notes: list[str] = []
    makes = servers(notes)
    if options.servers:
        makes = {name: makes[name] for name in options.servers.split(",") if name in makes}
    bench = Bench(makes, rounds=options.rounds, seconds=options.seconds, lead_in=options.lead_in)
    compared = [name for name in ("plenum_gso", "plenum_plain", "janus_tuned") if name in makes]
    result: dict[str, Any] = {
        "machine": {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "kernel": platform.release(),
            "load_average": os.getloadavg(),
        },
        "settings": {"rounds": options.rounds, "seconds": options.seconds, "headline": HEADLINE},
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "notes": notes,
    }
    result["cases"] = await bench.costs(options.subscribers) if "costs" in parts else {}
    result["profiles"] = bench.profiles
    if result["cases"]:
        headline(result)
    result["saturation"], result["latency"] = {}, {}
    if "saturation" in parts:
        for name in compared:
            guess = result["cases"].get(HEADLINE, {}).get(name, {}).get("us_per_packet", 12.0)
            found = result["saturation"][name] = await bench.saturation(name, guess)
            if found["best"] is not None:
                rate = found["best"]["packets_per_s"] / 2
                result["latency"][name] = await bench.latency(name, rate)
        best = result["saturation"]["plenum_gso"]["best"]
        result["packets_per_second_core"] = best and best["packets_per_s"]
        half = result["latency"].get("plenum_gso", {})
        result["latency_ms"] = {"p50": half.get("p50_ms"), "p99": half.get("p99_ms")}
    if "growth" in parts:
        result["growth"] = {name: await bench.growth(name, options.growth) for name in compared}
    if "memory" in parts:
        result["memory_bytes"] = {name: await bench.memory(name) for name in compared}
    if "people" in parts:
        result["people"] = await party(options.seconds * 2)
    if "dtls" in parts:
        result["dtls_lost_flight_ms"] = await lost_flights(options.rounds)
    if "relay" in parts:
        result["media_relay"] = await beside_relay(options.rounds, options.seconds)
    return result


def sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--growth", type=sizes, default=(50, 250, 1000), help="subscribers, as 50,250,1000")
    parser.add_argument("--lead-in", type=float, default=2.0, help="seconds of load before each measurement")
    parser.add_argument("--servers", default="", help="only some, as plenum_gso,janus_tuned")
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ", ".join(PARTS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    pin(server=False)
    hurry()
    result = asyncio.run(run(options))
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    print(render(result))


if __name__ == "__main__":
    main()
