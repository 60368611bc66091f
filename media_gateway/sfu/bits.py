"""Reading bit by bit, as parameter sets and descriptors want it."""


class BitReader:
    """Big-endian bits of a few bytes. Reading past the end raises ValueError."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes | memoryview) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    @property
    def left(self) -> int:
        return self._left

    def read(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        if count > self._left:
            raise ValueError("the bits end too early")
        self._left -= count
        return self._value >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        return self.read(1) == 1

    def golomb(self) -> int:
        """ue(v): an unsigned Exp-Golomb number (H.264 section 9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 32:
                raise ValueError("not an Exp-Golomb number")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        """se(v)."""
        number = self.golomb()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def below(self, limit: int) -> int:
        """ns(n): an unsigned number less than `limit` (AV1 section 4.10.7)."""
        width = limit.bit_length()
        short = (1 << width) - limit
        value = self.read(width - 1)
        return value if value < short else (value << 1) - short + self.read(1)
