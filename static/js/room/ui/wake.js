/**
 * Keeps the screen on while one is in a meeting, where the browser can (W3C Screen Wake Lock).
 */
export class Wake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #wanted = false;

  constructor() {
    // The lock is lost whenever the page is hidden.
    document.addEventListener("visibilitychange", () => this.#hold());
  }

  /** @param {boolean} wanted */
  async want(wanted) {
    this.#wanted = wanted;
    await this.#hold();
  }

  async #hold() {
    if (!("wakeLock" in navigator)) return;
    if (!this.#wanted) {
      await this.#lock?.release();
      this.#lock = null;
      return;
    }
    if (document.visibilityState !== "visible" || (this.#lock && !this.#lock.released)) return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
    } catch (error) {
      // Low battery, or a policy of the device: the meeting goes on, the screen may darken.
      console.info("the screen may go dark", error);
    }
  }
}
