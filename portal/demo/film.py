"""A short recording of a lesson: pictures and sounds are made here, journaled as a media worker's would be,
and composed by the portal's own composer.
"""

from __future__ import annotations

import datetime as dt
import json
import struct
from dataclasses import asdict
from fractions import Fraction

import av
import numpy as np
from aiortc.codecs.vpx import Vp8Encoder
from django.utils import timezone
from PIL import Image, ImageDraw

from media_gateway.recorder import feed
from media_gateway.recorder.journal import SUFFIX, JournalWriter, encode_record
from media_gateway.recorder.lettering import load_font
from meetings.live.models import Participant, Session
from meetings.recordings.models import Recording
from meetings.recordings.tasks import compose_recording
from portal.faces import hue, initials

SECONDS = 12
PICTURES_PER_SECOND = 10
WIDTH, HEIGHT = 320, 180
RATE = 48_000
PACKET_SAMPLES = 960  # 20 ms of Opus
SECOND_NS = 1_000_000_000
# As the avatars' colours on the pages, dark enough for white letters.
COLOURS = (
    *((142, 68, 61), (160, 94, 30), (96, 108, 38), (44, 118, 82)),
    *((30, 111, 128), (52, 93, 157), (103, 78, 158), (150, 66, 116)),
)


def film(session: Session) -> Recording:
    """A recording of `session`, composed when this returns or, if a running portal took it, soon after.

    Raises what the composer raises.
    """
    people = list(session.participants.exclude(joined_at=None).order_by("joined_at")[:3])
    started = session.started_at + dt.timedelta(minutes=4)
    recording = Recording.objects.create(
        session=session,
        state=Recording.State.COMPOSING,
        started_at=started,
        stopped_at=started + dt.timedelta(seconds=SECONDS),
        started_by=people[0],
        # Looks claimed until its tracks are written: a running portal would compose what is there so far.
        claimed_at=timezone.now(),
    )
    recording.directory.mkdir(parents=True, mode=0o700)
    start_ns = int(started.timestamp()) * SECOND_NS
    for number, person in enumerate(people):
        _camera(recording, 2 * number, person, start_ns)
        _microphone(recording, 2 * number + 1, person, start_ns, pitch=(220, 330, 277)[number])
    Recording.objects.filter(pk=recording.pk).update(claimed_at=None)
    compose_recording(recording.pk)
    recording.refresh_from_db()
    return recording


class _Track:
    """One track's journal, packets numbered as they come."""

    def __init__(self, recording: Recording, number: int, info: feed.TrackInfo, start_ns: int) -> None:
        path = recording.directory / f"{start_ns:016x}-{number:08x}{SUFFIX}"
        meta = {"version": 1, "recording": str(recording.key), "track": number, "opened_ns": start_ns}
        self._journal = JournalWriter(path, meta)
        self._start_ns = start_ns
        self._ssrc = 1000 + number
        self._sequence = 0
        self._write(feed.KIND_TRACK, 0.0, json.dumps(asdict(info)).encode())

    def packet(self, seconds: float, timestamp: int, payload: bytes, *, marker: bool = True) -> None:
        header = struct.pack("!BBHII", 0x80, marker << 7 | 96, self._sequence & 0xFFFF, timestamp, self._ssrc)
        self._sequence += 1
        self._write(feed.KIND_RTP, seconds, header + payload)

    def _write(self, kind: int, seconds: float, body: bytes) -> None:
        self._journal.append(encode_record(kind, self._start_ns + int(seconds * SECOND_NS), body))

    def close(self) -> None:
        self._write(feed.KIND_STATE, SECONDS, b'{"ended": true}')
        self._journal.close()


def _camera(recording: Recording, number: int, person: Participant, start_ns: int) -> None:
    info = feed.TrackInfo("demo", person.public_id, person.name, "camera", "video", "VP8", 90_000)
    track = _Track(recording, number, info, start_ns)
    encoder = Vp8Encoder()
    encoder.target_bitrate = 200_000
    face = _face(person.name)
    for index in range(SECONDS * PICTURES_PER_SECOND):
        seconds = index / PICTURES_PER_SECOND
        frame = av.VideoFrame.from_image(_lively(face, seconds)).reformat(format="yuv420p")
        frame.pts, frame.time_base = int(seconds * 90_000), Fraction(1, 90_000)
        payloads, _timestamp = encoder.encode(frame)
        for part, payload in enumerate(payloads, 1):
            track.packet(seconds, frame.pts, payload, marker=part == len(payloads))
    track.close()


def _face(name: str) -> Image.Image:
    """Initials in a circle, as people are shown everywhere."""
    colour = COLOURS[hue(name) - 1]
    picture = Image.new("RGB", (WIDTH, HEIGHT), tuple(part // 3 for part in colour))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([WIDTH / 2 - 55, 25, WIDTH / 2 + 55, 135], fill=colour)
    text = initials(name)
    font = load_font("latin" if text.isascii() else "cjk", 44)[0]
    draw.text((WIDTH / 2, 80), text, font=font, fill="white", anchor="mm")
    return picture


def _lively(face: Image.Image, seconds: float) -> Image.Image:
    """The same with a bar for the voice, so that something moves."""
    picture = face.copy()
    width = 50 + 30 * np.sin(2 * np.pi * 0.8 * seconds) + 12 * np.sin(2 * np.pi * 2.3 * seconds)
    ImageDraw.Draw(picture).rounded_rectangle(
        [WIDTH / 2 - width, 150, WIDTH / 2 + width, 158], radius=4, fill=(235, 235, 225)
    )
    return picture


def _microphone(
    recording: Recording, number: int, person: Participant, start_ns: int, *, pitch: float
) -> None:
    info = feed.TrackInfo("demo", person.public_id, person.name, "mic", "audio", "opus", RATE, 2)
    track = _Track(recording, number, info, start_ns)
    t = np.arange(SECONDS * RATE) / RATE
    # One after the other, softly: each hums for two seconds out of six.
    turn = (t % 6 >= number - 1) & (t % 6 < number + 1)
    tone = 0.12 * np.sin(2 * np.pi * pitch * t) * turn * (0.6 + 0.4 * np.sin(2 * np.pi * 1.5 * t))
    samples = np.repeat((tone * 32767).astype(np.int16)[:, None], 2, axis=1)
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE, "stereo", "s16", 48_000
    count = 0
    for index in range(len(samples) // PACKET_SAMPLES):
        part = np.ascontiguousarray(samples[index * PACKET_SAMPLES : (index + 1) * PACKET_SAMPLES])
        frame = av.AudioFrame.from_ndarray(part.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, index * PACKET_SAMPLES, Fraction(1, RATE)
        for packet in encoder.encode(frame):
            track.packet(count * PACKET_SAMPLES / RATE, count * PACKET_SAMPLES, bytes(packet))
            count += 1
    track.close()
