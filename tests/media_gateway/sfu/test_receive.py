"""Order, loss and NACK of an incoming stream."""

from hypothesis import given
from hypothesis import strategies as st

from media_gateway.sfu.cache import PacketCache
from media_gateway.sfu.receive import StreamReceiver


def test_numbers_go_on_over_the_wrap() -> None:
    receiver = StreamReceiver(90000)
    extended = [receiver.receive(n & 0xFFFF, 0, 0.0) for n in range(65530, 65550)]
    assert extended == list(range(extended[0], extended[0] + 20))  # type: ignore[operator, arg-type]


@given(st.integers(0, 0xFFFF), st.permutations(range(20)))
def test_reordering_loses_and_repeats_nothing(first: int, order: list[int]) -> None:
    receiver = StreamReceiver(90000)
    receiver.receive((first - 1) & 0xFFFF, 0, 0.0)
    base = receiver.highest + 1
    results = [receiver.receive((first + step) & 0xFFFF, 0, 0.0) for step in order]
    assert results == [base + step for step in order]
    assert [receiver.receive((first + step) & 0xFFFF, 0, 0.0) for step in order] == [None] * 20
    assert receiver.lost == 0 and not receiver.missing


def test_a_gap_is_asked_for_after_two_later_packets() -> None:
    receiver = StreamReceiver(90000)
    for sequence in (10, 11, 13):
        receiver.receive(sequence, 0, 1.0)
    assert receiver.due(1.001) == []
    receiver.receive(14, 0, 1.002)
    assert receiver.due(1.002) == [12]
    assert receiver.due(1.003) == []
    assert receiver.due(1.2) == [12], "asked again when no answer came"


def test_a_gap_at_the_end_is_asked_for_after_ten_milliseconds() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(12, 0, 1.0)
    assert receiver.due(1.011) == [11]


def test_a_recovered_packet_is_counted_and_not_asked_again() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(12, 0, 1.0)
    receiver.due(1.02)
    assert receiver.receive(11, 0, 1.05, recovered=True) == receiver.highest - 1
    assert receiver.recovered == 1 and receiver.lost == 0
    assert receiver.due(2.0) == []


def test_an_outage_is_not_asked_for() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(11, 0, 1.02)
    receiver.receive(60, 0, 3.0)
    assert receiver.due(3.01) == [] and receiver.abandoned == 48
    receiver.receive(63, 0, 3.02)
    assert receiver.due(3.04) == [61, 62], "single losses are"
    receiver.due(5.0)
    assert receiver.abandoned == 50


def test_a_pause_of_a_still_picture_is_no_outage() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(13, 0, 3.0)
    assert receiver.due(3.02) == [11, 12]


def test_after_an_outage_repetitions_of_it_are_dropped() -> None:
    """Browsers try out a line that is back with what they sent while it was not there."""
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    assert receiver.receive(11, 0, 3.0, recovered=True) is None
    assert receiver.receive(12, 0, 3.0, recovered=True) is None
    assert receiver.receive(60, 0, 3.01) is not None
    assert receiver.due(3.03) == [] and receiver.abandoned == 49
    assert receiver.abandoned_to & 0xFFFF == 59
    assert receiver.receive(61, 0, 3.04, recovered=True) is not None, "the end of a burst may come so"


def test_more_than_anybody_would_resend_is_not_asked_for() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(300, 0, 1.01)
    assert receiver.due(1.03) == [] and receiver.abandoned == 289


def test_what_never_comes_is_given_up() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(10, 0, 1.0)
    receiver.receive(12, 0, 1.0)
    asked = [step for step in range(300) if receiver.due(1.0 + step / 100)]
    assert 2 <= len(asked) <= 10
    assert not receiver.missing
    assert receiver.receive(11, 0, 5.0) is None


def test_a_lone_jump_is_not_believed_but_two_in_a_row_are() -> None:
    receiver = StreamReceiver(90000)
    receiver.receive(100, 0, 1.0)
    assert receiver.receive(30000, 0, 1.0) is None
    assert receiver.receive(101, 0, 1.0) is not None
    assert receiver.receive(40000, 0, 1.0) is None
    begun_anew = receiver.receive(40001, 0, 1.0)
    assert begun_anew is not None and begun_anew & 0xFFFF == 40001
    assert receiver.receive(40002, 0, 1.0) == begun_anew + 1


def test_reports_have_the_loss_since_the_last_one() -> None:
    receiver = StreamReceiver(90000)
    for sequence in range(100):
        if sequence % 4:
            receiver.receive(sequence, sequence * 3000, sequence / 30)
    first = receiver.report(1, 4.0)
    assert (first.packets_lost, first.fraction_lost) == (24, (24 << 8) // 99)
    for sequence in range(100, 200):
        receiver.receive(sequence, sequence * 3000, sequence / 30)
    second = receiver.report(1, 7.0)
    assert (second.packets_lost, second.fraction_lost) == (24, 0)
    assert second.jitter < 90, "an even stream has no jitter to speak of"


def test_jitter_follows_uneven_arrival() -> None:
    receiver = StreamReceiver(48000)
    for sequence in range(400):
        receiver.receive(sequence, sequence * 960, sequence * 0.02 + (0.01 if sequence % 2 else 0))
    assert 0.7 * 480 < receiver.report(1, 9.0).jitter < 1.1 * 480


def test_the_round_trip_fields_tell_the_last_sender_report() -> None:
    receiver = StreamReceiver(48000)
    receiver.receive(1, 0, 1.0)
    receiver.sender_report(0x12345678, 2.0)
    block = receiver.report(1, 2.5)
    assert (block.lsr, block.dlsr) == (0x12345678, 32768)


def test_the_cache_is_bounded_by_count_and_age() -> None:
    cache = PacketCache(8, 1.0)
    for index in range(20):
        cache.put(index, bytes((index,)), index / 10)
    assert cache.get(11, 2.0) is None, "overwritten"
    assert cache.get(12, 2.0) == b"\x0c"
    assert cache.get(12, 2.3) is None, "too old"
    cache.put(4, b"late", 2.0)
    assert cache.get(12, 2.0) == b"\x0c", "a late packet does not drive out a newer one"
    assert len(cache) == 8
    cache.prune(4.0)
    assert len(cache) == 0
