"""The dependency descriptor, a header extension that says what a frame is without a look into its payload.

Specified in appendix A of the "RTP Payload Format For AV1" of the Alliance for Open Media; browsers send it
for VP9 too. A structure (templates, layers, sizes) comes with key frames; every other packet names one of
its templates only, so a reader keeps the last structure of a stream.
"""

from dataclasses import dataclass
from typing import NamedTuple

from .bits import BitReader
from .burst import DESCRIPTOR_ID, Picture

URI = "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"

MANDATORY = 3
"""Bytes of a descriptor that only names a template."""
MAX_TEMPLATES = 64


@dataclass(frozen=True, slots=True)
class Template:
    """What frames have in common that name it: layer, use for each decode target, references."""

    spatial: int
    temporal: int
    targets: tuple[int, ...]
    """for each decode target: 0 not present, 1 discardable, 2 switch, 3 required"""
    references: tuple[int, ...]
    """frame number differences"""


@dataclass(frozen=True, slots=True)
class Structure:
    """A template dependency structure. `sizes` are (width, height) by spatial id, empty when not told."""

    offset: int
    target_count: int
    templates: tuple[Template, ...]
    chain_count: int
    sizes: tuple[tuple[int, int], ...]

    @property
    def spatial_layers(self) -> int:
        return max(template.spatial for template in self.templates) + 1

    @property
    def temporal_layers(self) -> int:
        return max(template.temporal for template in self.templates) + 1


class Frame(NamedTuple):
    """What one packet's descriptor says of its frame."""

    begins: bool
    ends: bool
    number: int
    spatial: int
    temporal: int
    structured: bool
    """a structure came with it: a key frame begins"""
    switches: bool
    """a receiver of a lower layer may begin with this frame in a decode target that has this layer"""


def locate_number(extension: bytes, at: int) -> Picture | None:
    """The frame number in a header extension element of ours (`svc.element`) that stands at `at`.

    It has 16 bits, which a negative place says.
    """
    start, ident = (1, extension[0] >> 4) if extension[0] else (3, extension[1] if len(extension) > 1 else 0)
    if ident != DESCRIPTOR_ID or len(extension) < start + MANDATORY:
        return None
    return -(at + start + 1), extension[start + 1] << 8 | extension[start + 2], 0, 0


class DependencyReader:
    """Reads the descriptors of one stream in order of arrival."""

    __slots__ = ("_known", "structure")

    def __init__(self) -> None:
        self.structure: Structure | None = None
        self._known: dict[int, tuple[int, int, bool]] = {}

    def read(self, data: bytes | memoryview) -> Frame | None:
        """One packet's frame; None for one that is broken or names a template nobody knows (yet)."""
        if len(data) < MANDATORY:
            return None
        first = data[0]
        number = data[1] << 8 | data[2]
        structured = False
        if len(data) > MANDATORY and data[3] & 0x80:
            try:
                self._take(read_structure(BitReader(data[3:])))
            except ValueError:
                return None
            structured = True
        known = self._known.get(first & 0x3F)
        if known is None:
            return None
        spatial, temporal, switches = known
        return Frame(first & 0x80 != 0, first & 0x40 != 0, number, spatial, temporal, structured, switches)

    def _take(self, structure: Structure) -> None:
        self.structure = structure
        self._known = {
            (place + structure.offset) % MAX_TEMPLATES: (
                template.spatial, template.temporal, 2 in template.targets,
            )
            for place, template in enumerate(structure.templates)
        }  # fmt: skip


def read_structure(bits: BitReader) -> Structure:
    """The structure in a descriptor, given what follows its first three bytes. ValueError if broken."""
    bits.read(5)  # the flags: the caller looked at the first, the other four concern what follows
    offset, target_count = bits.read(6), bits.read(5) + 1
    layers = _read_layers(bits)
    uses = [tuple(bits.read(2) for _ in range(target_count)) for _ in layers]
    references = [_read_references(bits) for _ in layers]
    chain_count = bits.below(target_count + 1)
    if chain_count:
        for _ in range(target_count):
            bits.below(chain_count)
        bits.read(4 * chain_count * len(layers))
    sizes: tuple[tuple[int, int], ...] = ()
    if bits.flag():
        count = layers[-1][0] + 1
        sizes = tuple((bits.read(16) + 1, bits.read(16) + 1) for _ in range(count))
    templates = tuple(
        Template(spatial, temporal, use, frames)
        for (spatial, temporal), use, frames in zip(layers, uses, references, strict=True)
    )
    return Structure(offset, target_count, templates, chain_count, sizes)


def _read_layers(bits: BitReader) -> list[tuple[int, int]]:
    """(spatial, temporal) of each template."""
    spatial = temporal = 0
    layers = [(0, 0)]
    while True:
        step = bits.read(2)
        if step == 3:
            return layers
        if step == 1:
            temporal += 1
        elif step == 2:
            spatial, temporal = spatial + 1, 0
        layers.append((spatial, temporal))
        if len(layers) > MAX_TEMPLATES or temporal > 7 or spatial > 3:
            raise ValueError("more layers than there may be")


def _read_references(bits: BitReader) -> tuple[int, ...]:
    found = []
    while bits.flag():
        found.append(bits.read(4) + 1)
    return tuple(found)
