"""The simulated line with what a media server sends: audio, and simulcast layers chosen by the allocator."""

from dataclasses import dataclass, field

from media_gateway.sfu.allocator import Allocator, Demand
from tests.media_gateway.sfu.bandwidth.simulator import FRAME, PACKET, START, World

LAYERS = (150e3, 500e3, 1700e3)
AUDIO_PACKET, AUDIO_EVERY = 100, 0.02
AUDIO = AUDIO_PACKET * 8 / AUDIO_EVERY


@dataclass
class LayeredWorld(World):
    """`cameras` pictures; the first one is the speaker's and large, the others need the middle layer.

    Layers go on as they are until the allocator says otherwise: frames vary in size by `variation`, and each
    third second there is a key frame of four times the size. Layers are measured with an error of `noise`.
    """

    cameras: int = 1
    variation: float = 0.3
    noise: float = 0.05
    switches: list[tuple[float, int, int]] = field(default_factory=list)
    """(time, camera, layer)."""

    def __post_init__(self) -> None:
        self.allocator = Allocator()
        self.layers: dict[object, int] = {}
        super().__post_init__()
        self.at(0, self.voice)

    def voice(self) -> None:
        self.at(AUDIO_EVERY, self.voice)
        self.send(1, AUDIO_PACKET)

    def tick(self) -> None:
        demands = [Demand("audio", "audio", 0, (AUDIO,), (AUDIO,), 0, 0)]
        for camera in range(self.cameras):
            rates = tuple(rate * self.random.uniform(1 - self.noise, 1 + self.noise) for rate in LAYERS)
            demands.append(
                Demand(camera, "camera", 1 if camera == 0 else 0, rates, LAYERS, 2 if camera == 0 else 1)
            )
        layers = self.allocator.allocate(self.estimator.estimate, demands, self.now)
        for camera in range(self.cameras):
            if layers[camera] != self.layers.get(camera):
                self.switches.append((self.now - START, camera, layers[camera]))
        self.layers = layers
        self.wanted = self.allocator.wanted
        super().tick()

    def frame(self) -> None:
        self.at(FRAME, self.frame)
        self.frames += 1
        size = self.rest
        for camera in range(self.cameras):
            layer = self.layers.get(camera, -1)
            if layer >= 0:
                part = LAYERS[layer] * FRAME / 8 * self.random.uniform(1 - self.variation, 1 + self.variation)
                size += part * (4 if (self.frames + 17 * camera) % 90 == 0 else 1)
        packets = int(size // PACKET)
        self.rest = size - packets * PACKET
        self.hand_over(packets)

    def at_layer(self, camera: int, layer: int, since: float, until: float) -> float:
        """The share of the time that `camera` was at `layer` or higher."""
        now, time, total = -1, 0.0, 0.0
        for when, who, to in [*self.switches, (until, camera, -1)]:
            if who == camera:
                if now >= layer:
                    total += max(0.0, min(when, until) - max(time, since))
                now, time = to, when
        return total / (until - since)

    def changes(self, camera: int, since: float, until: float) -> int:
        """How often its picture changed."""
        return sum(who == camera and since < when <= until for when, who, _ in self.switches)
