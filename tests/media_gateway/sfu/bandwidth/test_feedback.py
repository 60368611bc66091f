"""Reading feedback: the fast reader says what `twcc.decode` says."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import twcc
from media_gateway.sfu.bandwidth.feedback import read


def expected(body: bytes) -> tuple[int, int, int, bytes | None, list[int]]:
    base, arrivals, reference, _ = twcc.decode(body)
    came = [tick for tick in arrivals if tick is not None]
    statuses = None if len(came) == len(arrivals) else bytes(tick is not None for tick in arrivals)
    return base, len(arrivals), reference, statuses, list(accumulate(came, max))


def normal(read_body: tuple[int, int, int, bytes | None, list[int]]) -> tuple[object, ...]:
    base, total, reference, statuses, ticks = read_body
    return base, total, reference, statuses and bytes(map(bool, statuses)), ticks


steps = st.one_of(
    st.none(),
    st.integers(0, 255),
    st.integers(-32768, 32767),
)


@given(
    base=st.integers(0, 0xFFFF),
    gaps=st.lists(steps, min_size=1, max_size=80),
    reference=st.integers(0, 0xFFFFFF),
)
def test_same_as_the_plain_decoder(base: int, gaps: list[int | None], reference: int) -> None:
    arrivals: list[int | None] = []
    tick = 0
    for gap in gaps:
        tick += gap or 0
        arrivals.append(None if gap is None else tick)
    # What is not received takes no part in the steps between arrivals.
    tick, ordered = 0, []
    for gap in gaps:
        if gap is None:
            ordered.append(None)
        else:
            tick += gap
            ordered.append(tick)
    body = twcc.encode(base, ordered, reference, 7)
    assert normal(read(body)) == expected(body)
    assert normal(read(body + b"\0\0\0")) == expected(body), "padding of the packet is passed over"


@given(
    base=st.integers(0, 0xFFFF),
    deltas=st.lists(st.integers(0, 255), min_size=7, max_size=300),
    more=st.integers(0, 500),
)
def test_one_run_may_be_longer_than_the_count(base: int, deltas: list[int], more: int) -> None:
    body = twcc.encode(base, list(accumulate(deltas)), 1, 0)
    body = body[:8] + (0x2000 | len(deltas) + more).to_bytes(2, "big") + body[10:]
    assert normal(read(body)) == expected(body)
    assert read(body)[3] is None


@given(st.binary(max_size=60))
def test_anything_is_refused_or_read_alike(body: bytes) -> None:
    try:
        wanted = expected(body)
    except ValueError:
        with pytest.raises(ValueError, match="transport feedback"):
            read(body)
    else:
        assert normal(read(body)) == wanted


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=30), st.integers(0, 0xFFFF))
def test_any_chunks_are_read_alike(chunks: list[int], total: int) -> None:
    body = (
        b"\x12\x34" + total.to_bytes(2, "big") + b"\0\0\1\0" + b"".join(c.to_bytes(2, "big") for c in chunks)
    )
    body += bytes(range(256)) * 4
    try:
        wanted = expected(body)
    except ValueError:
        with pytest.raises(ValueError, match="transport feedback"):
            read(body)
    else:
        assert normal(read(body)) == wanted


@pytest.mark.parametrize("cut", range(1, 27))
def test_cut_off_anywhere(cut: int) -> None:
    body = twcc.encode(5, list(range(17)), 3, 1)
    assert len(body) == 27
    with pytest.raises(ValueError, match="cut off"):
        read(body[:-cut])


def test_overtaken_packets_count_as_come_together() -> None:
    body = twcc.encode(5, [10, 30, 20, 40], 3, 1)
    assert read(body)[4] == [10, 30, 30, 40]
