"""Codecs and encryption: tried on a little data, not only looked up."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
import pylibsrtp
from OpenSSL import SSL

from portal.doctor.report import Finding, fail, ok

REINSTALL = "install the Python packages again: make clean setup"


def codecs() -> Iterator[Finding]:
    """Recordings can be read (VP8, Opus) and written (H.264, AAC in MP4)."""
    broken = []
    for name, attempt in (("VP8", _vp8), ("Opus", _opus), ("H.264 and AAC in MP4", _mp4)):
        try:
            attempt()
        except (av.FFmpegError, ValueError, AssertionError) as error:
            broken.append(f"{name} ({error})")
    if broken:
        yield fail("Codecs", f"do not work: {', '.join(broken)}", REINSTALL)
    else:
        version = ".".join(map(str, av.library_versions["libavcodec"]))
        yield ok("Codecs", f"VP8, Opus, H.264 and AAC work (PyAV {av.__version__}, libavcodec {version})")


def _picture(pts: int) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 16 * pts, np.uint8), format="rgb24")
    frame.pts, frame.time_base = pts, Fraction(1, 15)
    return frame


def _sound(samples: int, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.zeros((1, samples), np.float32), format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
    return frame


def _vp8() -> None:
    encoder = av.CodecContext.create("libvpx", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 96, 64, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15)
    packets = [packet for pts in range(3) for packet in encoder.encode(_picture(pts))] + encoder.encode(None)
    decoder = av.CodecContext.create("vp8", "r")
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    if not frames or (frames[0].width, frames[0].height) != (96, 64):
        raise ValueError("no picture came back")


def _opus() -> None:
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "mono", "flt"
    packets = encoder.encode(_sound(960, 48000)) + encoder.encode(None)
    decoder = av.CodecContext.create("opus", "r")
    if not [frame for packet in packets for frame in decoder.decode(packet)]:
        raise ValueError("no sound came back")


def _mp4() -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as file:
        video = file.add_stream("libx264", rate=15)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        audio = file.add_stream("aac", rate=48000, layout="mono")
        for pts in range(15):
            file.mux(video.encode(_picture(pts)))
        file.mux(video.encode(None))
        file.mux(audio.encode(_sound(4800, 48000)))
        file.mux(audio.encode(None))
    target.seek(0)
    with av.open(target) as file:
        kinds = sorted(stream.codec_context.name for stream in file.streams)
    if kinds != ["aac", "h264"]:
        raise ValueError(f"the file holds {kinds}")


def encryption() -> Iterator[Finding]:
    """SRTP with both profiles that browsers are offered, and DTLS that can negotiate them."""
    broken = []
    profiles = {
        "AES-128-GCM": (pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 28),
        "AES-128-CM": (pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 30),
    }
    packet = struct.pack("!BBHII", 0x80, 96, 1, 0, 1234) + bytes(100)
    for name, (profile, key_bytes) in profiles.items():
        try:
            key = bytes(range(key_bytes))
            policies = [
                pylibsrtp.Policy(key=key, ssrc_type=kind, srtp_profile=profile)
                for kind in (pylibsrtp.Policy.SSRC_ANY_OUTBOUND, pylibsrtp.Policy.SSRC_ANY_INBOUND)
            ]
            sealed = pylibsrtp.Session(policies[0]).protect(packet)
            if sealed == packet or pylibsrtp.Session(policies[1]).unprotect(sealed) != packet:
                broken.append(name)
        except pylibsrtp.Error as error:
            broken.append(f"{name} ({error})")
    try:
        SSL.Context(SSL.DTLS_METHOD).set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80")
    except SSL.Error as error:
        broken.append(f"DTLS-SRTP ({error})")
    if broken:
        yield fail("Encryption", f"does not work: {', '.join(broken)}", REINSTALL)
    else:
        openssl = SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode().split(" ")[1]
        yield ok("Encryption", f"SRTP with AES-128-GCM and -CM, DTLS of OpenSSL {openssl}")
