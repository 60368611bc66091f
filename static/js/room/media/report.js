import { Emitter } from "../emitter.js";
import { isProtocolError } from "../protocol/codes.js";
import { inStats, outStats, pathOf, uplinkOf } from "./stats.js";

/**
 * Measures both connections every two seconds, once for all who want to know, and tells the server, which compares what
 * was sent, forwarded and played.
 *
 * @import { Room } from "../protocol/room.js"
 * @import { InStat } from "../types.js"
 * @import { MediaSession } from "./session.js"
 * @import { Measurement } from "./stats.js"
 */

const EVERY = 2_000;
/** Entries a report may have, so that it stays below the limit of a frame (16 KiB). */
const MOST = 60;
/** A counter that stands still is news for this many reports. */
const RECENT = 5;

/** @extends {Emitter<{measured: Measurement}>} */
export class Reporter extends Emitter {
  #isMeasuring = false;
  /** The server does not know the request. */
  #isUnknown = false;
  #trim = new Trim();

  /** @param {MediaSession} media @param {Room} room */
  constructor(media, room) {
    super();
    this.media = media;
    this.room = room;
    media.on("generation", () => {
      this.#trim = new Trim();
    });
    setInterval(() => this.#tick(), EVERY);
  }

  async #tick() {
    const { pair, state, generation } = this.media;
    if (!pair || state !== "connected" || this.#isMeasuring) return;
    this.#isMeasuring = true; // a busy machine may take longer than the time between two
    try {
      await this.media.follow();
      const measured = await measure(pair);
      if (pair !== this.media.pair) return;
      this.emit("measured", measured);
      await this.#send(generation, measured);
    } finally {
      this.#isMeasuring = false;
    }
  }

  /** @param {number} generation @param {Measurement} measured */
  async #send(generation, { publish, subscribe }) {
    if (this.#isUnknown || !this.room.connection.isOpen) return;
    try {
      await this.room.mediaReport({ generation, publish, subscribe: this.#trim.take(subscribe) });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      this.#isUnknown = error.code === "unknown_type"; // an older server; anything else concerns this one alone
    }
  }
}

/**
 * @param {NonNullable<MediaSession["pair"]>} pair
 * @returns {Promise<Measurement>}
 */
export async function measure({ publisher, subscriber }) {
  const [out, arrived] = await Promise.all([publisher.pc.getStats(), subscriber.pc.getStats()]);
  const sent = [...out.values()];
  const received = [...arrived.values()];
  const { stats, heardAt } = inStats(received, subscriber.arrivals.values());
  return {
    at: received[0]?.timestamp ?? performance.timeOrigin + performance.now(),
    publish: outStats(sent, publisher.lines),
    subscribe: stats,
    heardAt,
    paths: { out: pathOf(sent), in: pathOf(received) },
    uplink: uplinkOf(sent),
  };
}

/** @typedef {{packets: number, round: number}} Move packets at the last change, and the number of that report */

/** Chooses what a report tells when there is more than it may hold: what moved lately first. */
export class Trim {
  /** By "<participant> <source>". @type {Map<string, Move>} */
  #moved = new Map();
  #round = 0;

  /** @param {InStat[]} stats @returns {InStat[]} at most 60 */
  take(stats) {
    this.#round++;
    /** @type {Map<string, Move>} */
    const moved = new Map();
    for (const { participant, source, packets } of stats) {
      const key = `${participant} ${source}`;
      const before = this.#moved.get(key);
      moved.set(key, before?.packets === packets ? before : { packets, round: packets > 0 ? this.#round : -RECENT });
    }
    this.#moved = moved;
    if (stats.length <= MOST) return stats;
    const isRecent = (/** @type {InStat} */ { participant, source }) => this.#round - (moved.get(`${participant} ${source}`)?.round ?? 0) < RECENT;
    return [...stats.filter(isRecent), ...stats.filter((stat) => !isRecent(stat))].slice(0, MOST);
  }
}
