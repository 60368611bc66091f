"""Redundant audio: broken payloads first, then unpacking, recovery and what each kind of receiver gets."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import red
from media_gateway.sfu.red import Block, RedundantAudio


@given(st.binary(max_size=40))
def test_any_payload_is_unpacked_or_refused(payload: bytes) -> None:
    try:
        blocks = red.unpack(payload)
    except ValueError:
        return
    assert sum(len(block.data) for block in blocks) + 4 * (len(blocks) - 1) + 1 == len(payload)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xef", b"\xef\x00\x00\x05", b"\xef\x0f\x00\x09\x6fabc", b"\xef\x00\x00\x00" * 12 + b"\x6f"],
)
def test_broken_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError):
        red.unpack(payload)


blocks_strategy = st.lists(
    st.tuples(st.integers(0, 127), st.integers(0, 0x3FFF), st.binary(max_size=60)), min_size=1, max_size=5
)


@given(blocks_strategy)
def test_packing_is_undone_by_unpacking(parts: list[tuple[int, int, bytes]]) -> None:
    blocks = [Block(*part) for part in parts]
    blocks[-1] = blocks[-1]._replace(offset=0)
    assert red.unpack(red.pack(blocks)) == blocks
    renumbered = red.unpack(red.renumber(red.pack(blocks), 111))
    assert renumbered == [block._replace(payload_type=111) for block in blocks]


def test_what_does_not_fit_a_header_is_not_packed() -> None:
    for block in (Block(111, 0x4000, b""), Block(111, 0, bytes(0x400))):
        with pytest.raises(ValueError):
            red.pack([block, Block(111, 0, b"")])


class Taken:
    """Stands for a layer."""

    def __init__(self) -> None:
        self.live: list[object] = []
        self.got: list[tuple[int, int, bytes]] = []
        self.resumed = 0

    def deliver(
        self, extended: int, timestamp: int, marker: int, payload: bytes, now: float, extension: bytes = b"",
        *, forward: bool = True,
    ) -> None:  # fmt: skip
        self.got.append((extended, timestamp, bytes(payload)))

    def new_stream(self) -> None:
        self.got.append((-1, 0, b"new"))

    def resume(self) -> None:
        self.resumed += 1


class Quiet:
    tap = None


def make(payload_type: int = 111) -> tuple[RedundantAudio, Any, Any]:
    whole, plain = Taken(), Taken()
    audio = RedundantAudio(Quiet(), whole, plain, payload_type)  # type: ignore[arg-type]
    assert plain.got.pop() == (-1, 0, b"new") and whole.got == []
    return audio, whole, plain


def packet(number: int, payload_type: int = 111, depth: int = 1) -> bytes:
    older = [Block(payload_type, 960 * back, b"sound %d" % (number - back)) for back in range(depth, 0, -1)]
    return red.pack([*older, Block(payload_type, 0, b"sound %d" % number)])


def feed(audio: RedundantAudio, number: int, **options: int) -> None:
    audio.deliver(number, 960 * number, 0, packet(number, **options), 1.0)


def test_broken_and_foreign_payloads_go_nowhere() -> None:
    audio, whole, plain = make()
    plain.live.append(object())
    audio.deliver(1, 0, 0, b"\xef\x0f", 1.0)
    audio.deliver(2, 0, 0, red.pack([Block(13, 0, b"comfort noise")]), 1.0)
    assert audio.malformed == 1 and whole.got == [] and plain.got == []


def test_the_plain_layer_is_fed_only_while_somebody_takes_it() -> None:
    audio, whole, plain = make()
    feed(audio, 10)
    assert [number for number, _, _ in whole.got] == [10] and plain.got == []
    plain.live.append(object())
    feed(audio, 11)
    assert plain.got == [(11, 960 * 11, b"sound 11")], "nothing older is dug up for a newcomer"
    plain.live.clear()
    feed(audio, 12)
    plain.live.append(object())
    feed(audio, 13)
    assert [number for number, _, _ in plain.got] == [11, 13] and plain.resumed == 2


def test_lost_packets_come_back_once_out_of_later_ones() -> None:
    audio, _, plain = make()
    plain.live.append(object())
    feed(audio, 10)
    feed(audio, 12)
    assert plain.got[1:] == [(11, 960 * 11, b"sound 11"), (12, 960 * 12, b"sound 12")]
    feed(audio, 11)
    assert len(plain.got) == 3 and audio.recovered == 1, "the late packet was already given"
    feed(audio, 16, depth=2)
    assert [data for _, _, data in plain.got[3:]] == [b"sound 14", b"sound 15", b"sound 16"]


def test_payload_types_become_ours_and_plain_opus_is_wrapped() -> None:
    audio, whole, plain = make(109)
    plain.live.append(object())
    feed(audio, 10, payload_type=109)
    audio.deliver_plain(11, 960 * 11, 0, b"alone", 1.0)
    assert whole.got[0][2] == packet(10) and whole.got[1][2] == b"\x6falone"
    assert red.unpack(whole.got[1][2]) == [Block(111, 0, b"alone")]
    assert [data for _, _, data in plain.got] == [b"sound 10", b"alone"]


def test_a_new_stream_may_use_the_same_numbers_again() -> None:
    audio, whole, plain = make()
    plain.live.append(object())
    feed(audio, 10)
    audio.new_stream()
    feed(audio, 10)
    assert [data for _, _, data in plain.got] == [b"sound 10", b"new", b"sound 10"]
    assert whole.got[1] == (-1, 0, b"new")
