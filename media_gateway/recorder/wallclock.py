"""Puts all tracks of a recording on one wall clock, sound and picture of a person in step.

A browser's sender reports tie the timestamps of all its tracks to one clock of its own. Where there are
reports, that clock is used between the tracks of a person and only its distance to ours is taken from the
arrivals, the same for all of them. Tracks without reports are placed by their own arrivals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .clock import Floats, fit_lower, fit_middle, split_epochs
from .feed import TrackInfo

if TYPE_CHECKING:
    from .reader import Stream

NTP_EPOCH_S = 2_208_988_800
REPORT_NEAR_S = 5.0
REPORT_SPREAD_S = 0.2
DISAGREE_S = 1.0


class Report(NamedTuple):
    """A sender report: ``ntp`` and ``media`` (the RTP timestamp) in seconds, at ``packet`` of its
    stream."""

    packet: int
    ntp: float
    media: float


@dataclass(slots=True)
class _Epoch:
    """A stretch of a stream whose timestamps run evenly."""

    info: TrackInfo
    stream: Stream
    part: slice
    media: Floats
    arrival: Floats
    ntp: Floats | None = None


def place_report(
    streams: Sequence[Stream], clock_rate: int, arrival: float, ntp_time: int, timestamp: int, origin_ns: int
) -> None:
    """Give a sender report to the stream it belongs to; one that fits none is ignored.

    The feed does not name the SSRC, but a report's timestamp has advanced since the stream's last packet by
    as much as the clock on the wall.
    """
    for stream in streams:
        index = int(np.searchsorted(np.maximum.accumulate(stream.arrival), arrival, side="right")) - 1
        if index < 0:
            continue
        reference = int(stream.timestamp[index])
        ahead = ((timestamp - reference + (1 << 31)) % (1 << 32)) - (1 << 31)
        if abs(ahead / clock_rate - (arrival - float(stream.arrival[index]))) < REPORT_NEAR_S:
            ntp = (ntp_time >> 32) - NTP_EPOCH_S - origin_ns // 10**9 + (ntp_time & 0xFFFFFFFF) / 2**32
            stream.reports.append(Report(index, ntp, (reference + ahead) / clock_rate))
            return


def set_wall_clock(tracks: Sequence[tuple[TrackInfo, Sequence[Stream]]]) -> list[str]:
    """Fill in ``wall`` of every stream; returns warnings."""
    warnings: list[str] = []
    people: dict[tuple[str, str], list[_Epoch]] = defaultdict(list)
    for info, streams in tracks:
        for stream in streams:
            stream.wall = np.empty(len(stream.sequence))
            for epoch in _split(info, stream):
                if epoch.ntp is None:
                    _place_by_arrival(epoch)
                else:
                    people[info.instance, info.peer].append(epoch)
    for epochs in people.values():
        warnings += _place_by_reports(epochs)
    return warnings


def _split(info: TrackInfo, stream: Stream) -> list[_Epoch]:
    media = stream.timestamp / info.clock_rate
    epochs = []
    for part in split_epochs(media, stream.arrival):
        epoch = _Epoch(info, stream, part, media[part], stream.arrival[part])
        reports = [report for report in stream.reports if part.start <= report.packet < part.stop]
        if reports:
            x = np.array([report.media for report in reports])
            y = np.array([report.ntp - report.media for report in reports])
            line = fit_middle(x, y)
            if float(np.median(np.abs(y - line.at(x)))) < REPORT_SPREAD_S:
                epoch.ntp = epoch.media + line.at(epoch.media)
        epochs.append(epoch)
    return epochs


def _place_by_arrival(epoch: _Epoch) -> None:
    line = fit_lower(epoch.media, epoch.arrival - epoch.media)
    epoch.stream.wall[epoch.part] = epoch.media + line.at(epoch.media)


def _place_by_reports(epochs: list[_Epoch]) -> list[str]:
    """Epochs of one person at one media worker, all with reports of one clock."""
    warnings = []
    timed = [(epoch, epoch.ntp) for epoch in epochs if epoch.ntp is not None]
    floors = [float((epoch.arrival - ntp).min()) for epoch, ntp in timed]
    middle = float(np.median(floors))
    agreeing = []
    for (epoch, ntp), floor in zip(timed, floors, strict=True):
        if abs(floor - middle) <= DISAGREE_S:
            agreeing.append((epoch, ntp))
            continue
        warnings.append(f"{epoch.info.peer} {epoch.info.source}: sender reports disagree, arrivals used")
        _place_by_arrival(epoch)
    if agreeing:
        clock = np.concatenate([ntp for _, ntp in agreeing])
        arrival = np.concatenate([epoch.arrival for epoch, _ in agreeing])
        line = fit_lower(clock, arrival - clock)
        for epoch, ntp in agreeing:
            epoch.stream.wall[epoch.part] = ntp + line.at(ntp)
    return warnings
