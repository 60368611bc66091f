/**
 * What this person chose the last time in this browser: devices and whether microphone and camera are on.
 * @typedef {{mic: boolean, camera: boolean, micId: string, cameraId: string, speakerId: string, name: string}} Choices
 */

const KEY = "plenum.devices";

/** @type {Choices} */
const FIRST = { mic: true, camera: true, micId: "", cameraId: "", speakerId: "", name: "" };

export class ChoiceStore {
  /** @param {Pick<Storage, "getItem" | "setItem"> | null} storage null when the browser refuses it */
  constructor(storage) {
    this.storage = storage;
    /** @type {Choices} */
    this.value = { ...FIRST, ...this.#read() };
  }

  /** @returns {Partial<Choices>} */
  #read() {
    const text = this.storage?.getItem(KEY);
    if (!text) return {};
    try {
      const kept = JSON.parse(text);
      return Object.fromEntries(
        Object.entries(FIRST)
          .filter(([name, first]) => typeof kept[name] === typeof first)
          .map(([name]) => [name, kept[name]]),
      );
    } catch (error) {
      console.warn("the remembered devices are unreadable", error);
      return {};
    }
  }

  /** @param {Partial<Choices>} change */
  remember(change) {
    this.value = { ...this.value, ...change };
    this.storage?.setItem(KEY, JSON.stringify(this.value));
  }
}
