/**
 * What the browser's statistics (W3C webrtc-stats) say of our connections, in the shapes of docs/protocol.md section 1.9
 * and for the panel "Connection". Pure: reports in, facts out.
 *
 * @import { Source, OutStat, InStat, Limit } from "../types.js"
 * @import { Arrival } from "./subscriber.js"
 * @typedef {Iterable<any>} Entries of an RTCStatsReport
 * @typedef {{source: Source, isLayered: boolean}} Published what a line carries, and whether in several layers
 * @typedef {"udp" | "tcp" | "turn-udp" | "turn-tcp" | "turn-tls"} Way
 * @typedef {object} Path
 * @property {Way} way
 * @property {number | null} roundTrip milliseconds
 * @property {number} sent bytes since the path was chosen
 * @property {number} received
 * @typedef {object} Measurement
 * @property {number} at milliseconds, by the clock of the statistics
 * @property {OutStat[]} publish
 * @property {InStat[]} subscribe
 * @property {Map<string, number>} heardAt "<participant> <source>" → when its last packet came, where the browser tells
 * @property {{out: Path | null, in: Path | null}} paths
 * @property {{sent: number, lost: number}} uplink packets, as the server told the browser
 */

/** @type {readonly string[]} */
const LIMITS = ["none", "cpu", "bandwidth", "other"];

/**
 * @param {Entries} entries of the publish connection
 * @param {Map<string, Published>} lines by mid
 * @returns {OutStat[]}
 */
export function outStats(entries, lines) {
  const all = byId(entries);
  /** @type {OutStat[]} */
  const stats = [];
  for (const entry of all.values()) {
    const line = entry.type === "outbound-rtp" ? lines.get(entry.mid) : undefined;
    if (!line) continue;
    const { source, isLayered } = line;
    const isVideo = entry.kind === "video";
    const seconds = all.get(entry.remoteId)?.roundTripTime;
    // Layers that the server did not take stay in the statistics and never move.
    if (!isLayered && entry.active === false) continue;
    stats.push({
      source,
      rid: isLayered ? (entry.rid ?? null) : null,
      packets: whole(entry.packetsSent),
      bytes: whole(entry.bytesSent),
      frames: isVideo ? whole(entry.framesEncoded) : 0,
      width: isVideo ? whole(entry.frameWidth) : 0,
      height: isVideo ? whole(entry.frameHeight) : 0,
      limited: /** @type {Limit} */ (LIMITS.includes(entry.qualityLimitationReason) ? entry.qualityLimitationReason : "none"),
      round_trip_ms: typeof seconds === "number" ? whole(seconds * 1000) : null,
    });
  }
  return stats;
}

/**
 * @param {Entries} entries of the subscribe connection
 * @param {Iterable<Arrival>} arrivals
 * @returns {{stats: InStat[], heardAt: Map<string, number>}} one for each arrival that the browser knows anything of
 */
export function inStats(entries, arrivals) {
  const byMid = new Map();
  const byTrack = new Map();
  for (const entry of entries) {
    if (entry.type !== "inbound-rtp") continue;
    if (entry.mid !== undefined) byMid.set(entry.mid, busier(entry, byMid.get(entry.mid)));
    if (entry.trackIdentifier) byTrack.set(entry.trackIdentifier, busier(entry, byTrack.get(entry.trackIdentifier)));
  }
  const stats = [];
  /** @type {Map<string, number>} */
  const heardAt = new Map();
  for (const { participant, source, mid, track } of arrivals) {
    const entry = byMid.get(mid) ?? byTrack.get(track.id);
    if (!entry) continue;
    stats.push(inStat(entry, participant, source));
    if (entry.lastPacketReceivedTimestamp) heardAt.set(`${participant} ${source}`, entry.lastPacketReceivedTimestamp);
  }
  return { stats, heardAt };
}

/** @param {any} entry @param {string} participant @param {Source} source @returns {InStat} */
function inStat(entry, participant, source) {
  const isVideo = entry.kind === "video";
  return {
    participant,
    source,
    packets: whole(entry.packetsReceived),
    lost: whole(entry.packetsLost),
    bytes: whole(entry.bytesReceived),
    frames: isVideo ? whole(entry.framesDecoded) : 0,
    freezes: isVideo ? whole(entry.freezeCount) : 0,
    freeze_ms: isVideo ? whole((entry.totalFreezesDuration ?? 0) * 1000) : 0,
    width: isVideo ? whole(entry.frameWidth) : 0,
    height: isVideo ? whole(entry.frameHeight) : 0,
    samples: isVideo ? 0 : whole(entry.totalSamplesReceived),
    concealed: isVideo ? 0 : whole(entry.concealedSamples),
    jitter_ms: Math.round((entry.jitter ?? 0) * 10_000) / 10,
  };
}

/**
 * Where the packets go: the candidate pair that is in use.
 * @param {Entries} entries
 * @returns {Path | null}
 */
export function pathOf(entries) {
  const all = byId(entries);
  const transport = [...all.values()].find(({ type }) => type === "transport");
  const pairs = [...all.values()].filter(({ type }) => type === "candidate-pair");
  const isSelected = (/** @type {any} */ { selected }) => selected === true; // Firefox says so here
  const isUsable = (/** @type {any} */ { nominated, state }) => nominated && state === "succeeded";
  const pair = all.get(transport?.selectedCandidatePairId) ?? pairs.find(isSelected) ?? pairs.find(isUsable);
  if (!pair) return null;
  return {
    way: wayOf(all.get(pair.localCandidateId)),
    roundTrip: typeof pair.currentRoundTripTime === "number" ? whole(pair.currentRoundTripTime * 1000) : null,
    sent: whole(pair.bytesSent),
    received: whole(pair.bytesReceived),
  };
}

/** @param {any} candidate @returns {Way} */
function wayOf(candidate) {
  if (candidate?.candidateType === "relay") {
    if (candidate.relayProtocol === "tls") return "turn-tls";
    return candidate.relayProtocol === "tcp" ? "turn-tcp" : "turn-udp";
  }
  return candidate?.protocol === "tcp" ? "tcp" : "udp";
}

/** What the server says of our packets (its receiver reports). @param {Entries} entries */
export function uplinkOf(entries) {
  const total = { sent: 0, lost: 0 };
  for (const entry of entries) {
    if (entry.type === "outbound-rtp") total.sent += whole(entry.packetsSent);
    if (entry.type === "remote-inbound-rtp") total.lost += whole(entry.packetsLost);
  }
  return total;
}

/** Of two with the same line the one that is in use: a line is given to another when somebody left. @param {any} a @param {any} b */
function busier(a, b) {
  return b && (b.lastPacketReceivedTimestamp ?? b.packetsReceived ?? 0) > (a.lastPacketReceivedTimestamp ?? a.packetsReceived ?? 0) ? b : a;
}

/** @param {Entries} entries @returns {Map<string, any>} */
function byId(entries) {
  return new Map([...entries].map((entry) => [entry.id, entry]));
}

/** @param {unknown} value @returns {number} a whole number that is not negative */
function whole(value) {
  return typeof value === "number" && value > 0 ? Math.round(value) : 0;
}
