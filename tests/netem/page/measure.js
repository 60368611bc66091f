// What the browser at one end of a call measures: getStats every 100 ms, and of every decoded picture when it
// came and what is in it. Times are milliseconds since 1970, the same clock in all browsers of a machine.
const measured = { frames: [], video: [], audio: [], sender: [], tones: [], states: [] };
const now = () => performance.timeOrigin + performance.now();

// The clip's geometry (tests/netem/clip.py), set by the test.
let clip = null;

/** Reads the number bar and the colour patch of pictures through one reused buffer. */
class PictureReader {
  buffer = new Uint8Array(1 << 16);

  /** Copies a rectangle, given in shares of the picture, into the buffer. */
  async planes(frame, top, bottom, left, right) {
    const even = (share, size) => 2 * Math.round((share * size) / 2);
    const rect = {
      x: even(left, frame.codedWidth), y: even(top, frame.codedHeight),
      width: even(right - left, frame.codedWidth), height: Math.max(2, even(bottom - top, frame.codedHeight)),
    };
    const size = frame.allocationSize({ rect });
    if (size > this.buffer.length) this.buffer = new Uint8Array(size);
    const layout = await frame.copyTo(this.buffer, { rect });
    return { rect, layout };
  }

  async number(frame) {
    const [top, bottom, left, right] = clip.bar;
    const middle = (top + bottom) / 2, half = (bottom - top) / 16;
    const { rect, layout } = await this.planes(frame, middle - half, middle + half, left, right);
    const cell = rect.width / clip.cells;
    const bits = [];
    for (let place = 0; place < clip.cells; place++) {
      let sum = 0, count = 0;
      for (let x = Math.ceil((place + 0.3) * cell); x < (place + 0.7) * cell; x++) {
        sum += this.buffer[layout[0].offset + x];
        count += 1;
      }
      const light = sum / count;
      if (light > 95 && light < 155) return -1;
      bits.push(light >= 155 ? 1 : 0);
    }
    const number = bits.slice(2, 9).reduce((value, bit) => value * 2 + bit, 0);
    const parity = bits.slice(2, 9).reduce((sum, bit) => sum ^ bit, 0);
    return bits[0] === 1 && bits[1] === 0 && parity === bits[9] && number < clip.count ? number : -1;
  }

  /** Whether the middle of the patch has its colour. */
  async coloured(frame) {
    const [top, bottom, left, right] = clip.patch;
    const across = (right - left) / 4, down = (bottom - top) / 4;
    const { layout, rect } = await this.planes(frame, top + down, bottom - down, left + across, right - across);
    const luma = rect.width * rect.height;
    return layout.every(({ offset }, plane) => {
      let sum = 0, count = 0;
      for (let at = offset; at < offset + (plane ? luma / 4 : luma); at += 7) { sum += this.buffer[at]; count += 1; }
      return Math.abs(sum / count - clip.colour[plane]) < 30;
    });
  }
}

async function watchPictures(track) {
  const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: 8 }).readable.getReader();
  const pictures = new PictureReader();
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) return;
    // The media time of a remote picture is an estimate of when to show it; its RTP timestamp is exact.
    const row = [now(), frame.metadata().rtpTimestamp, frame.codedHeight, -1, 0];
    try {
      if (frame.format !== "I420") throw new Error(`pictures come as ${frame.format}`);
      row[3] = await pictures.number(frame);
      row[4] = (await pictures.coloured(frame)) ? 1 : 0;
    } finally {
      frame.close();
    }
    measured.frames.push(row);
  }
}

/** Hears whether the tone is there: its level over that of the rest, every 100 ms. */
function watchSound(track) {
  const element = new Audio();
  element.muted = true;
  element.srcObject = new MediaStream([track]); // without an element Chromium does not play a remote track at all
  element.play();
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 2048;
  analyser.smoothingTimeConstant = 0;
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const bins = new Float32Array(analyser.frequencyBinCount);
  const at = Math.round((clip.tone * analyser.fftSize) / context.sampleRate);
  setInterval(() => {
    analyser.getFloatFrequencyData(bins);
    const tone = Math.max(...bins.slice(at - 1, at + 2));
    const rest = Math.max(...bins.slice(at + 12, at + 200));
    measured.tones.push([now(), Math.max(-150, tone), Math.max(-150, rest)]);
  }, 100);
}

function watchTrack(track) {
  if (track.kind === "video") watchPictures(track);
  else watchSound(track);
}

const IN = {
  video: ["framesReceived", "framesDecoded", "framesDropped", "keyFramesDecoded", "freezeCount", "totalFreezesDuration",
    "frameWidth", "frameHeight", "packetsReceived", "packetsLost", "retransmittedPacketsReceived", "nackCount",
    "pliCount", "firCount", "bytesReceived", "jitterBufferDelay", "jitterBufferEmittedCount", "packetsDiscarded"],
  audio: ["totalSamplesReceived", "concealedSamples", "silentConcealedSamples", "concealmentEvents",
    "insertedSamplesForDeceleration", "removedSamplesForAcceleration", "packetsReceived", "packetsLost", "packetsDiscarded",
    "fecPacketsReceived", "fecPacketsDiscarded", "jitterBufferDelay", "jitterBufferEmittedCount", "bytesReceived",
    "nackCount", "retransmittedPacketsReceived"],
};
const OUT = ["rid", "active", "frameHeight", "framesPerSecond", "framesEncoded", "bytesSent", "retransmittedPacketsSent",
  "packetsSent", "targetBitrate", "qpSum", "qualityLimitationReason", "nackCount", "pliCount", "keyFramesEncoded"];

const pick = (stat, names) => Object.fromEntries(names.map((name) => [name, stat[name] ?? 0]));

function watchReceiver(pc) {
  pc.addEventListener("connectionstatechange", () => measured.states.push([now(), pc.connectionState]));
  setInterval(async () => {
    const report = await pc.getStats();
    const at = now();
    for (const stat of report.values()) {
      if (stat.type === "inbound-rtp" && IN[stat.kind] && measured[stat.kind]) {
        measured[stat.kind].push({ at, ...pick(stat, IN[stat.kind]) });
      }
    }
  }, 100);
}

function watchSender(pc) {
  pc.addEventListener("connectionstatechange", () => measured.states.push([now(), pc.connectionState]));
  setInterval(async () => {
    const report = [...(await pc.getStats()).values()];
    const pair = report.find((stat) => stat.type === "candidate-pair" && stat.availableOutgoingBitrate);
    const layers = report.filter((stat) => stat.type === "outbound-rtp" && stat.kind === "video");
    const sound = report.find((stat) => stat.type === "outbound-rtp" && stat.kind === "audio");
    measured.sender.push({
      at: now(), available: pair?.availableOutgoingBitrate ?? 0, roundTrip: pair?.currentRoundTripTime ?? 0,
      layers: layers.map((stat) => pick(stat, OUT)), audio: sound ? pick(sound, ["bytesSent", "packetsSent", "nackCount"]) : null,
    });
  }, 250);
}
