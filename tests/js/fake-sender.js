/** A sender as browsers have it (W3C WebRTC): one `setParameters` at a time, each on the parameters given out last. */

export class FakeSender {
  /** @type {any} */
  track = null;
  /** How often `setParameters` was called. */
  changes = 0;
  #serial = 0;
  #isBusy = false;
  /** @type {any} */
  #held = {};

  /** @param {any[]} encodings */
  constructor(encodings) {
    this.encodings = structuredClone(encodings);
  }

  getParameters() {
    this.#serial++;
    return structuredClone({ transactionId: String(this.#serial), encodings: this.encodings, ...this.#held });
  }

  /** @param {any} parameters */
  async setParameters(parameters) {
    if (this.#isBusy) throw Object.assign(new Error("one is under way"), { name: "InvalidStateError" });
    if (parameters.transactionId !== String(this.#serial)) throw Object.assign(new Error("old parameters"), { name: "InvalidModificationError" });
    if (parameters.encodings.length !== this.encodings.length) throw Object.assign(new Error("another number"), { name: "InvalidModificationError" });
    this.#isBusy = true;
    this.changes++;
    await new Promise((resolve) => setImmediate(resolve));
    this.encodings = structuredClone(parameters.encodings);
    this.#held = parameters.degradationPreference ? { degradationPreference: parameters.degradationPreference } : {};
    this.#isBusy = false;
  }

  /** @param {any} track */
  async replaceTrack(track) {
    this.track = track;
  }
}

/** @param {number} width @param {number} height */
export const trackOf = (width, height) => ({ getSettings: () => ({ width, height }), id: `${width}x${height}` });
