/**
 * Compares what should be sent and seen with what is, from one measurement to the next, and names what is not.
 *
 * Pictures of cameras are watched here, because they always move; sounds and shared screens may rest for long, and only
 * the server, which sees both ends, can tell rest from loss (its `media.trouble`).
 *
 * @import { Trouble, OutStat, InStat } from "../types.js"
 * @import { Extent } from "./ladder.js"
 * @typedef {object} Facts
 * @property {number} at milliseconds, by the clock of the statistics
 * @property {string} own id of oneself
 * @property {string[]} expected whose camera should be seen here: on, shown, not paused
 * @property {InStat[]} subscribe
 * @property {OutStat[]} publish
 * @property {Map<string, number>} heardAt
 * @property {Record<"mic" | "camera", boolean>} sending what this browser should be sending: on, and watched by somebody
 * @property {Record<"mic" | "camera", boolean>} isMute the system or the device gives nothing
 * @typedef {{packets: number, frames: number, packetsAt: number, framesAt: number, since: number}} Seen
 */

/** Without a packet or a picture this long something is amiss; measured every 2 s, so it is named within 5. */
const QUIET = 2_800;
/** The first picture may take longer: a device opens, a key frame is asked for. */
const FIRST = 4_000;
/** Fewer packets than this between two measurements make no picture. */
const FEW = 5;

export class Diagnosis {
  /** @type {Map<string, Seen>} */
  #seen = new Map();
  #at = -Infinity;

  /** New connections count from 0, and have the patience of a beginning. */
  forget() {
    this.#seen.clear();
  }

  /** @param {Facts} facts @returns {Trouble[]} */
  look(facts) {
    /** @type {Map<string, Seen>} */
    const seen = new Map();
    const troubles = [...this.#pictures(facts, seen), ...this.#own(facts, seen)];
    this.#seen = seen;
    this.#at = facts.at;
    return troubles;
  }

  /** @param {Facts} facts @param {Map<string, Seen>} seen @returns {Trouble[]} */
  #pictures({ at, expected, subscribe, heardAt }, seen) {
    const stats = new Map(subscribe.map((stat) => [`${stat.participant} ${stat.source}`, stat]));
    return expected.flatMap((participant) => {
      const key = `${participant} camera`;
      const { packets = 0, frames = 0 } = stats.get(key) ?? {};
      const before = this.#seen.get(key);
      const now = this.#note(key, packets, frames, at, seen);
      // It came since the last look; some browsers tell when.
      if (now.packetsAt === at) now.packetsAt = Math.min(at, Math.max(heardAt.get(key) ?? at, this.#at));
      const hop = silentHop(now, before, at);
      return hop ? [{ participant, source: /** @type {const} */ ("camera"), hop }] : [];
    });
  }

  /** @param {Facts} facts @param {Map<string, Seen>} seen @returns {Trouble[]} */
  #own({ at, own, publish, sending, isMute }, seen) {
    return /** @type {const} */ (["mic", "camera"]).flatMap((source) => {
      if (!sending[source]) return [];
      const layers = publish.filter((stat) => stat.source === source);
      const packets = layers.reduce((sum, stat) => sum + stat.packets, 0);
      const now = this.#note(`${own} ${source}`, packets, packets, at, seen);
      const isQuiet = isMute[source] || at - now.packetsAt >= FIRST;
      return isQuiet ? [{ participant: own, source, hop: /** @type {const} */ ("device") }] : [];
    });
  }

  /**
   * What is known of a source after this measurement.
   * @param {string} key @param {number} packets @param {number} frames @param {number} at @param {Map<string, Seen>} seen
   * @returns {Seen}
   */
  #note(key, packets, frames, at, seen) {
    const before = this.#seen.get(key) ?? { packets, frames, packetsAt: at, framesAt: at, since: at };
    const now = {
      packets,
      frames,
      packetsAt: packets > before.packets ? at : before.packetsAt,
      framesAt: frames > before.frames ? at : before.framesAt,
      since: before.since,
    };
    seen.set(key, now);
    return now;
  }
}

/** @param {Seen} now @param {Seen | undefined} before @param {number} at @returns {"downlink" | "player" | null} */
function silentHop(now, before, at) {
  if (at - now.since < FIRST) return null;
  if (at - now.packetsAt >= QUIET) return "downlink";
  const came = before ? now.packets - before.packets : 0;
  return came >= FEW && now.frames === before?.frames ? "player" : null;
}

/**
 * How far a fault of our own connections reaches. What the server puts down to the sender or to itself is not ours.
 * @param {Trouble[]} troubles of the page and of the server together
 * @param {{own: string, expected: string[]}} facts
 * @returns {Extent}
 */
export function extentOf(troubles, { own, expected }) {
  const uplink = troubles.some(({ participant, hop }) => participant === own && hop === "uplink");
  const ours = troubles.filter(({ participant, hop }) => participant !== own && (hop === "downlink" || hop === "player"));
  const cameras = new Set(ours.filter(({ source, hop }) => source === "camera" && hop === "downlink").map(({ participant }) => participant));
  if (uplink || (expected.length > 0 && expected.every((id) => cameras.has(id)))) return "all";
  return ours.length > 0 ? "one" : "none";
}
