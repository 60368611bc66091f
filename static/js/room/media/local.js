import { Emitter } from "../emitter.js";
import { DeviceFailure, cameraConstraints, listDevices, micConstraints, openBoth, openDevices, openScreen } from "./devices.js";

/**
 * What this browser captures: microphone, camera, screen. Opens and closes devices; sends nothing.
 *
 * The microphone stays open while muted (`track.enabled`), so that unmuting is instant; the camera is closed when
 * off, so that its lamp is.
 *
 * @import { Source } from "../types.js"
 * @import { DeviceError } from "./errors.js"
 * @import { ChoiceStore } from "./choices.js"
 * @typedef {{
 *   track: {source: Source, track: MediaStreamTrack | null},
 *   changed: void,
 *   lost: {source: Source, replaced: boolean},
 * }} LocalEvents
 */

/** What the encoder should take care of (W3C mst-content-hint). @type {Record<Source, string>} */
const HINTS = { mic: "speech", camera: "", screen: "detail", screen_audio: "music" };

/** @extends {Emitter<LocalEvents>} */
export class LocalMedia extends Emitter {
  /** @type {Record<Source, MediaStreamTrack | null>} */
  tracks = { mic: null, camera: null, screen: null, screen_audio: null };
  micOn = false;
  /** @type {DeviceError | null} */
  micError = null;
  /** @type {DeviceError | null} */
  cameraError = null;
  /** One thing at a time, in the order of the clicks. @type {Promise<unknown>} */
  #queue = Promise.resolve();

  /** @param {ChoiceStore} choices */
  constructor(choices) {
    super();
    this.choices = choices;
  }

  get cameraOn() {
    return this.tracks.camera !== null;
  }

  get screenOn() {
    return this.tracks.screen !== null;
  }

  /** Opens what was on the last time. Never rejects: failures are in `micError` and `cameraError`. */
  start() {
    return this.#enqueue(async () => {
      const { mic, camera, micId, cameraId } = this.choices.value;
      const opened = await openBoth({ mic: mic ? micId : null, camera: camera ? cameraId : null });
      this.#take("mic", opened.mic);
      this.#take("camera", opened.camera);
      this.micOn = this.tracks.mic !== null;
      this.emit("changed", undefined);
    });
  }

  /** @param {boolean} on @returns {Promise<boolean>} whether it is on now */
  setMic(on) {
    return this.#enqueue(async () => {
      if (on && !this.tracks.mic) await this.#open("mic");
      this.micOn = on && this.tracks.mic !== null;
      if (this.tracks.mic) this.tracks.mic.enabled = this.micOn;
      this.emit("changed", undefined);
      return this.micOn;
    });
  }

  /** @param {boolean} on @returns {Promise<boolean>} */
  setCamera(on) {
    return this.#enqueue(async () => {
      if (on && !this.tracks.camera) await this.#open("camera");
      else if (!on) this.#put("camera", null);
      this.emit("changed", undefined);
      return this.cameraOn;
    });
  }

  /** @param {string} id @returns {Promise<boolean>} whether the microphone works */
  switchMic(id) {
    this.choices.remember({ micId: id });
    return this.#enqueue(async () => {
      this.#put("mic", null); // some systems open a device only once
      await this.#open("mic");
      if (this.tracks.mic) this.tracks.mic.enabled = this.micOn;
      this.emit("changed", undefined);
      return this.tracks.mic !== null;
    });
  }

  /** @param {string} id @returns {Promise<boolean>} */
  switchCamera(id) {
    this.choices.remember({ cameraId: id });
    return this.#enqueue(async () => {
      const wasOn = this.cameraOn;
      this.#put("camera", null);
      if (wasOn) await this.#open("camera");
      this.emit("changed", undefined);
      return this.cameraOn;
    });
  }

  /** @returns {Promise<boolean>} false when the person thought better of it; rejects with DeviceFailure otherwise */
  startScreen() {
    return this.#enqueue(async () => {
      if (this.screenOn) return true;
      let stream;
      try {
        stream = await openScreen();
      } catch (error) {
        // A closed picker and "no" cannot be told apart in every browser; neither needs a message.
        if (error instanceof DeviceFailure && ["blocked", "dismissed"].includes(error.code)) return false;
        throw error;
      }
      this.#put("screen_audio", stream.getAudioTracks()[0] ?? null);
      this.#put("screen", stream.getVideoTracks()[0]);
      this.emit("changed", undefined);
      return true;
    });
  }

  stopScreen() {
    return this.#enqueue(async () => {
      this.#put("screen", null);
      this.#put("screen_audio", null);
      this.emit("changed", undefined);
    });
  }

  /** When all that was asked so far is done. */
  idle() {
    return this.#enqueue(async () => {});
  }

  /** The picture of the screen goes on. */
  stopScreenAudio() {
    return this.#enqueue(async () => this.#put("screen_audio", null));
  }

  /** Closes everything. */
  stop() {
    return this.#enqueue(async () => {
      for (const source of /** @type {Source[]} */ (Object.keys(this.tracks))) this.#put(source, null);
      this.micOn = false;
      this.emit("changed", undefined);
    });
  }

  /** @param {"mic" | "camera"} source */
  async #open(source) {
    const { micId, cameraId } = this.choices.value;
    const constraints = source === "mic" ? { audio: micConstraints(micId) } : { video: cameraConstraints(cameraId) };
    try {
      this.#take(source, (await openDevices(constraints)).getTracks()[0]);
    } catch (error) {
      if (!(error instanceof DeviceFailure)) throw error;
      this.#take(source, error);
    }
  }

  /** @param {"mic" | "camera"} source @param {MediaStreamTrack | DeviceFailure | null} result */
  #take(source, result) {
    const failed = result instanceof DeviceFailure;
    if (source === "mic") this.micError = failed ? result.code : null;
    else this.cameraError = failed ? result.code : null;
    this.#put(source, failed ? null : result);
  }

  /** @param {Source} source @param {MediaStreamTrack | null} track */
  #put(source, track) {
    const before = this.tracks[source];
    if (before === track) return;
    this.tracks[source] = track;
    if (track) {
      track.onended = () => this.#onEnded(source, track);
      track.contentHint = HINTS[source];
    }
    this.emit("track", { source, track });
    if (before) {
      before.onended = null;
      before.stop();
    }
  }

  /** The device was unplugged, taken away, or the sharing was stopped from the browser's own bar. @param {Source} source @param {MediaStreamTrack} track */
  #onEnded(source, track) {
    if (this.tracks[source] !== track) return;
    if (source === "screen" || source === "screen_audio") {
      this.stopScreen().then(() => this.emit("lost", { source: "screen", replaced: false }));
      return;
    }
    this.#enqueue(async () => {
      if (this.tracks[source] !== track) return;
      this.#put(source, null);
      const replaced = source === "mic" && (await this.#replaceMic());
      if (source === "mic" && !replaced) this.micOn = false;
      if (!replaced) this.#fail(source);
      this.emit("changed", undefined);
      this.emit("lost", { source, replaced });
    });
  }

  /** @param {"mic" | "camera"} source */
  #fail(source) {
    if (source === "mic") this.micError = "unplugged";
    else this.cameraError = "unplugged";
  }

  /** Another microphone takes over from one that went away: to be heard matters more than which. */
  async #replaceMic() {
    const { mics } = await listDevices();
    if (mics.length === 0) return false;
    await this.#open("mic");
    if (this.tracks.mic) this.tracks.mic.enabled = this.micOn;
    return this.tracks.mic !== null;
  }

  /**
   * @template T
   * @param {() => Promise<T>} task
   * @returns {Promise<T>}
   */
  #enqueue(task) {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => {}); // the caller hears of it; the next task still runs
    return done;
  }
}
