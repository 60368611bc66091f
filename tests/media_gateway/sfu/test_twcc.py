"""Transport-wide feedback: every arrival is reported once, with its time, and every loss."""

from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu import rtcp, twcc

ticks = st.one_of(st.none(), st.integers(0, 30000))


@given(st.integers(0, 0xFFFF), st.lists(ticks, min_size=1, max_size=300), st.integers(0, 0xFFFFFF))
def test_decode_undoes_encode(base: int, arrivals: list[int | None], reference: int) -> None:
    assert twcc.decode(twcc.encode(base, arrivals, reference, 5)) == (base, arrivals, reference, 5)


@given(st.binary(max_size=60))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        twcc.decode(body)
    except ValueError:
        pass


def read(bodies: list[bytes]) -> dict[int, int | None]:
    """16-bit number -> arrival in us (None: lost), of several feedbacks."""
    seen: dict[int, int | None] = {}
    for body in bodies:
        base, arrivals, reference, _ = twcc.decode(body)
        for i, arrival in enumerate(arrivals):
            number = (base + i) & 0xFFFF
            assert number not in seen, "reported twice"
            seen[number] = None if arrival is None else reference * 64_000 + arrival * 250
    return seen


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 400_000)), min_size=1, max_size=200),
    st.integers(1, 50),
)
def test_all_packets_of_a_lossy_stream_are_reported(
    first: int, steps: list[tuple[int, int]], every: int
) -> None:
    recorder = twcc.Recorder()
    bodies: list[bytes] = []
    number, now = first, 10_000_000
    sent: dict[int, int] = {}
    for i, (step, wait) in enumerate(steps):
        sent[number & 0xFFFF] = now
        recorder.add(number & 0xFFFF, now)
        number, now = number + step, now + wait
        if i % every == 0:
            bodies += recorder.take()
    bodies += recorder.take()
    seen = read(bodies)
    for key, when in sent.items():
        arrival = seen[key]
        assert arrival is not None and when - 250 < arrival <= when
    assert {key for key, arrival in seen.items() if arrival is not None} == set(sent)


def test_reordered_packets_within_one_feedback_are_in_order() -> None:
    recorder = twcc.Recorder()
    for number, now in ((10, 1000_000), (12, 1010_000), (11, 1011_000)):
        recorder.add(number, now)
    (body,) = recorder.take()
    base, arrivals, _, _ = twcc.decode(body)
    assert base == 10 and len(arrivals) == 3 and None not in arrivals
    assert arrivals[2] < arrivals[1]  # type: ignore[operator]


def test_feedback_counts_up_and_nothing_makes_none() -> None:
    recorder = twcc.Recorder()
    assert recorder.take() == []
    counts = []
    for number in range(260):
        recorder.add(number, 1_000_000 + number * 1000)
        counts += [twcc.decode(body)[3] for body in recorder.take()]
    assert counts == [number & 0xFF for number in range(260)]


def test_a_jump_of_the_counter_is_not_thousands_of_losses() -> None:
    recorder = twcc.Recorder()
    recorder.add(1, 1_000_000)
    recorder.take()
    recorder.add(20_000, 1_010_000)
    assert read(recorder.take()) == {20_000: 1_010_000}


def test_the_packet_is_whole_words() -> None:
    body = twcc.encode(1, [0, 1, 2], 3, 4)
    packet = rtcp.transport_feedback(5, 6, body)
    assert len(packet) % 4 == 0
    (back,) = rtcp.parse(packet)
    assert back == rtcp.TransportFeedback(5, 6, body)
