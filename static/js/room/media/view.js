import { isProtocolError } from "../protocol/codes.js";

/**
 * Tells the server which pictures are shown and how large, so that nothing else is sent (docs/protocol.md section 1.9):
 * only what really changed, at most four times a second, the last one always.
 *
 * @import { Shown } from "../types.js"
 * @typedef {(data: {generation: number, tracks: Shown[]}) => Promise<unknown>} Send
 */

const PAUSE = 250;
const RETRY = 1_000;
/** A picture that grew or shrank by less is the same size. */
const SLACK = 0.1;

export class Views {
  /** Null until the page was laid out: everything counts as shown till then. @type {Shown[] | null} */
  #wanted = null;
  /** What the server knows; null in a new generation. @type {Shown[] | null} */
  #sent = null;
  #generation = 0;
  #sentAt = -Infinity;
  #isUnknown = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Send} send */
  constructor(send) {
    this.send = send;
  }

  /** What the server has been told. @returns {readonly Shown[]} */
  get current() {
    return this.#sent ?? [];
  }

  /** @param {Shown[]} shown the whole list */
  show(shown) {
    this.#wanted = shown;
    this.#plan(0);
  }

  /** A new generation knows nothing. @param {number} generation */
  renew(generation) {
    this.#generation = generation;
    this.#sent = null;
    this.#plan(0);
  }

  /** @param {number} wait */
  #plan(wait) {
    if (this.#timer !== undefined || !this.#isDue()) return;
    const pause = Math.max(wait, this.#sentAt + PAUSE - Date.now());
    if (pause <= 0) {
      this.#tell();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isDue()) this.#tell();
    }, pause);
  }

  #isDue() {
    const wanted = this.#wanted;
    if (wanted === null || this.#generation === 0 || this.#isUnknown) return false;
    return this.#sent === null || differs(this.#sent, wanted);
  }

  async #tell() {
    const generation = this.#generation;
    const tracks = this.#wanted ?? [];
    this.#sent = tracks;
    this.#sentAt = Date.now();
    try {
      await this.send({ generation, tracks });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      this.#isUnknown = error.code === "unknown_type"; // an older server sends everything
      if (generation !== this.#generation || !error.isTransient) return;
      this.#sent = null;
      if (error.code !== "offline") this.#plan(RETRY); // coming back calls `renew`
    }
  }
}

/**
 * @param {readonly Shown[]} before
 * @param {readonly Shown[]} now
 * @returns {boolean} whether the server should hear of it
 */
export function differs(before, now) {
  if (before.length !== now.length) return true;
  const known = new Map(before.map((shown) => [keyOf(shown), shown]));
  return now.some((shown) => {
    const old = known.get(keyOf(shown));
    return !old || old.priority !== shown.priority || isFar(old.width, shown.width) || isFar(old.height, shown.height);
  });
}

/** @param {Shown} shown */
function keyOf({ participant, source }) {
  return `${participant} ${source}`;
}

/** @param {number} before @param {number} now */
function isFar(before, now) {
  return Math.abs(now - before) > before * SLACK;
}
