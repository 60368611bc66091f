import { Emitter } from "../emitter.js";

/**
 * Plays the others' microphones and shared sound: one audio element each, all on the chosen speaker.
 * @import { Arrival } from "./subscriber.js"
 * @import { Source } from "../types.js"
 */

/** @extends {Emitter<{blocked: boolean}>} `blocked`: the browser wants a click before it plays */
export class Playback extends Emitter {
  /** @type {Map<string, {arrival: Arrival, element: HTMLAudioElement}>} */
  #playing = new Map();
  #speakerId = "";
  #blocked = false;

  /** @param {HTMLElement} host where the (invisible) audio elements live */
  constructor(host) {
    super();
    this.host = host;
  }

  /** @param {Map<string, Arrival>} arrivals @param {string | null} ownId whose own sound is never played */
  sync(arrivals, ownId) {
    for (const [key, { arrival, element }] of this.#playing) {
      if (arrivals.get(key) === arrival) continue;
      element.srcObject = null;
      element.remove();
      this.#playing.delete(key);
    }
    for (const [key, arrival] of arrivals) {
      if (arrival.track.kind !== "audio" || arrival.participant === ownId || this.#playing.has(key)) continue;
      const element = document.createElement("audio");
      element.dataset.participant = arrival.participant;
      element.dataset.source = arrival.source;
      element.srcObject = new MediaStream([arrival.track]);
      this.host.append(element);
      this.#playing.set(key, { arrival, element });
      this.#useSpeaker(element);
      this.#play(element);
    }
  }

  /** @param {string} id "" for the system's choice */
  setSpeaker(id) {
    this.#speakerId = id;
    for (const { element } of this.#playing.values()) this.#useSpeaker(element);
  }

  /** From a click: plays what the browser had held back. */
  resume() {
    this.#setBlocked(false);
    for (const { element } of this.#playing.values()) this.#play(element);
  }

  /** What stands still is set going again, unless the browser waits for a click. */
  check() {
    if (this.#blocked) return;
    for (const { element } of this.#playing.values()) if (element.paused) this.#play(element);
  }

  /** The sound arrives and is not heard: begins anew with it. @param {string} participant @param {Source} source */
  replay(participant, source) {
    const playing = this.#playing.get(`${participant} ${source}`);
    if (!playing) return;
    const { element, arrival } = playing;
    element.srcObject = new MediaStream([arrival.track]);
    this.#play(element);
  }

  /** @param {HTMLAudioElement} element */
  async #useSpeaker(element) {
    if (!("setSinkId" in element) || (!this.#speakerId && !element.sinkId)) return;
    try {
      await element.setSinkId(this.#speakerId);
    } catch (error) {
      // The chosen speaker was unplugged: the system's own one plays.
      console.warn("the chosen speaker cannot be used", error);
    }
  }

  /** @param {HTMLAudioElement} element */
  async #play(element) {
    try {
      await element.play();
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError") this.#setBlocked(true);
      else if (!(error instanceof DOMException && error.name === "AbortError")) throw error;
    }
  }

  /** @param {boolean} blocked */
  #setBlocked(blocked) {
    if (blocked === this.#blocked) return;
    this.#blocked = blocked;
    this.emit("blocked", blocked);
  }
}
