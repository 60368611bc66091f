"""What the receivers of the benchmark say back must be what a browser would: the server reads it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sfu.feedback import Feedback, encode
from benchmarks.sfu.receivers import element_offset
from media_gateway.sfu import rtcp, twcc

# Gaps between packets in units of 250 us, and how many packets were lost before each.
PACKETS = st.lists(
    st.tuples(st.one_of(st.integers(0, 300), st.integers(0, 20_000)), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


def columns(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@given(PACKETS, st.integers(0, 65535), st.integers(0, 1 << 40))
def test_the_array_form_tells_the_same(packets: list[tuple[int, int]], base: int, begin: int) -> None:
    numbers, times = [], []
    number, when = base - 1, begin * twcc.DELTA_US
    for gap, lost in packets:
        number, when = number + 1 + lost, when + gap * twcc.DELTA_US
        numbers.append(number)
        times.append(when)
    reference = times[0] // twcc.REFERENCE_US
    ticks = [(t - reference * twcc.REFERENCE_US) // twcc.DELTA_US for t in times]
    told = dict(zip(numbers, ticks, strict=True))
    arrivals = [told.get(n) for n in range(base, numbers[-1] + 1)]
    body = encode(base, columns(*numbers), columns(*times), 7)
    read_base, read, read_reference, count = twcc.decode(body)
    assert (read_base, read_reference, count) == (base & 0xFFFF, reference & 0xFFFFFF, 7)
    assert read == arrivals


def feed(feedback: Feedback, *numbers: int) -> list[int | None] | None:
    """Arrivals told after these numbers came; None when nothing was told."""
    wanted = columns(*numbers)
    feedback.add(wanted, np.arange(len(numbers)) * 1000 + 1_000_000, wanted * 0 + 5, wanted)
    packet, ssrcs, _ = feedback.take()
    assert len(ssrcs) == len(numbers)
    if packet is None:
        return None
    (part,) = rtcp.parse(packet)
    assert isinstance(part, rtcp.TransportFeedback)
    return twcc.decode(part.body)[1]


def test_each_number_is_told_once_and_over_the_turn_of_the_circle() -> None:
    feedback = Feedback()
    assert feed(feedback, 65533, 65534) is not None
    assert feedback.next_number == 65535
    told = feed(feedback, 65535, 1, 0)  # two changed places
    assert told is not None and len(told) == 3 and None not in told
    told = feed(feedback, 4)
    assert told is not None and told[:2] == [None, None] and len(told) == 3
    assert feed(feedback, 3) is None, "that one was told as lost"


def test_packets_without_a_number_are_left_out() -> None:
    feedback = Feedback()
    assert feed(feedback, -1, -1) is None
    told = feed(feedback, 10, -1, 11)
    assert told is not None and len(told) == 2


def test_reports_carry_the_highest_number_and_the_senders_clock() -> None:
    feedback = Feedback()
    feedback.note_rtcp(rtcp.SenderReport(5, 0x1234_5678_9ABC_DEF0, 0, 1, 1).pack())
    compound = feedback.report(columns(5, 5, 6), columns(65535, 2, 9), frozenset({6}))
    assert compound is not None
    (report,) = rtcp.parse(compound)
    assert isinstance(report, rtcp.ReceiverReport)
    (block,) = report.reports
    assert (block.ssrc, block.lsr) == (5, 0x5678_9ABC)
    compound = feedback.report(columns(5), columns(1 << 15), frozenset())
    assert compound is not None and feedback.highest[5] == 1 << 15


def test_the_transport_wide_element_is_found_wherever_it_stands() -> None:
    head = bytes((0x90,)) + bytes(11)
    aligned = head + b"\xbe\xde\x00\x02" + b"\x00\x31\x12\x34" + b"\x40\x30\x00\x00"
    assert element_offset(aligned, 3) == 17
    behind = head + b"\xbe\xde\x00\x03" + b"\x22\xaa\xbb\xcc" + b"\x31\x12\x34\x40" + b"\x30\x00\x00\x00"
    assert element_offset(behind, 3) == 20
    assert element_offset(behind, 5) == 0
    assert element_offset(head, 3) == 0, "cut off"
