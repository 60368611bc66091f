import { planLayers } from "./layers.js";

/**
 * Keeps the encodings of one sender as the captured size and the watchers want them. Every change goes through one
 * queue: a second `setParameters` while one runs would be refused (W3C WebRTC, RTCRtpSender).
 *
 * @import { Layer, Mask } from "./layers.js"
 * @typedef {Pick<RTCRtpSender, "getParameters" | "setParameters" | "track">} Sender
 */

export class Encodings {
  /** @type {Mask} */
  #watched = {};
  #isLegible = false;
  /** @type {Promise<void>} */
  #queue = Promise.resolve();

  /** @param {Sender} sender @param {"camera" | "screen"} source */
  constructor(sender, source) {
    this.sender = sender;
    this.source = source;
  }

  /** The layers that are sent now, lowest first. */
  get active() {
    return this.sender.getParameters().encodings.filter(({ active }) => active !== false).map(({ rid }) => rid ?? "");
  }

  /** @param {Mask} watched exactly these are sent, as far as the device gives them @returns {Promise<void>} */
  watch(watched) {
    this.#watched = { ...watched };
    return this.follow();
  }

  /** Looks at the device again: another one, or another size. @returns {Promise<void>} when it holds */
  follow() {
    const done = this.#queue.then(() => this.#apply());
    this.#queue = done.catch(() => {}); // the caller hears of it; the next change still runs
    return done;
  }

  async #apply() {
    const parameters = this.sender.getParameters();
    const { encodings } = parameters;
    if (encodings.length === 0) return; // nothing is negotiated and this browser tells nothing before
    const plan = planLayers(this.source, this.sender.track?.getSettings() ?? {}, encodings.map(({ rid }) => rid ?? ""), this.#watched);
    let isNew = false;
    encodings.forEach((encoding, index) => {
      if (Object.entries(plan[index]).every(([name, value]) => encoding[/** @type {keyof Layer} */ (name)] === value)) return;
      Object.assign(encoding, plan[index]);
      isNew = true;
    });
    // A slide that is sharp at 5 frames a second is read; one that is blurred at 15 is not.
    const makesLegible = this.source === "screen" && !this.#isLegible;
    if (makesLegible) parameters.degradationPreference = "maintain-resolution";
    if (!isNew && !makesLegible) return;
    await this.sender.setParameters(parameters);
    this.#isLegible ||= makesLegible;
  }
}
