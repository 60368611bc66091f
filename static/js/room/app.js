import { DeviceFailure } from "./media/devices.js";
import { isProtocolError } from "./protocol/codes.js";
import { isRecording, may, me } from "./state/selectors.js";
import { say, toast } from "./ui/announce.js";
import { confirm } from "./ui/dialogs.js";
import { fill } from "./ui/dom.js";
import { deviceWords, refusalWords } from "./ui/words.js";

/**
 * What a person can do, as one method each: changes here, tells the server, says what went wrong.
 *
 * @import { Room } from "./protocol/room.js"
 * @import { Store } from "./state/store.js"
 * @import { State, Panel, Phase } from "./state/initial.js"
 * @import { Action } from "./state/reduce.js"
 * @import { LocalMedia } from "./media/local.js"
 * @import { MediaSession } from "./media/session.js"
 * @import { ChoiceStore } from "./media/choices.js"
 * @import { Participant, RoomConfig, Source } from "./types.js"
 * @typedef {{store: Store<State, Action>, room: Room, local: LocalMedia, media: MediaSession, choices: ChoiceStore, config: RoomConfig}} Parts
 */

export class App {
  /** @param {Parts} parts */
  constructor({ store, room, local, media, choices, config }) {
    this.store = store;
    this.room = room;
    this.local = local;
    this.media = media;
    this.choices = choices;
    this.config = config;
  }

  get state() {
    return this.store.state;
  }

  /** What this tab captures, as the server should know it. */
  get ownFlags() {
    return { mic: this.local.micOn, camera: this.local.cameraOn, screen: this.local.screenOn };
  }

  /**
   * @param {string} name
   * @param {{takeover?: boolean, listenOnly?: boolean}} [options]
   * @returns {Promise<void>} rejects with ProtocolError
   */
  async join(name, { takeover = false, listenOnly = false } = {}) {
    performance.mark("join-click");
    // Not awaited: the browser's question about the devices may still stand unanswered.
    if (listenOnly) this.local.stop();
    const { mic, camera } = listenOnly ? { mic: false, camera: false } : this.ownFlags;
    this.store.dispatch({ type: "phase", phase: "joining" });
    try {
      await this.room.join({ name, mic, camera }, { takeover, media: true });
    } catch (error) {
      this.store.dispatch({ type: "phase", phase: "prejoin" });
      throw error;
    }
  }

  async toggleMic() {
    const wanted = !this.local.micOn;
    const on = await this.local.setMic(wanted);
    this.choices.remember({ mic: wanted });
    if (wanted && !on) this.#deviceTrouble("mic");
    await this.#tell({ mic: on });
  }

  async toggleCamera() {
    const wanted = !this.local.cameraOn;
    const on = await this.local.setCamera(wanted);
    this.choices.remember({ camera: wanted });
    if (wanted && !on) this.#deviceTrouble("camera");
    await this.#tell({ camera: on });
  }

  /** @param {"mic" | "camera"} source */
  #deviceTrouble(source) {
    const code = source === "mic" ? this.local.micError : this.local.cameraError;
    if (code && this.state.phase === "in") {
      toast(deviceWords(source, code), { icon: source === "mic" ? "mic-off" : "video-off", kind: "warning", seconds: 12, key: `device-${source}` });
    }
  }

  async toggleShare() {
    if (this.local.screenOn) await this.stopSharing();
    else await this.#startSharing();
  }

  async #startSharing() {
    try {
      if (await this.local.startScreen()) await this.#tell({ screen: true });
    } catch (error) {
      if (!(error instanceof DeviceFailure)) throw error;
      const words = error.code === "unsupported"
        ? gettext("This browser cannot share a screen. On a computer a current Chrome, Edge, Firefox or Safari can.")
        : gettext("The screen could not be captured. Your system may ask for a permission in its privacy settings.");
      toast(words, { icon: "screen-share-off", kind: "warning", seconds: 12 });
    }
  }

  async stopSharing() {
    await this.local.stopScreen();
    await this.#tell({ screen: false });
  }

  async toggleHand() {
    const raised = Boolean(me(this.state)?.hand);
    await this.#try(() => this.room.updateMe({ hand: !raised }));
  }

  /** @param {Source} source a host switched it off */
  async obeyMute(source) {
    if (source === "mic") await this.local.setMic(false);
    else if (source === "camera") await this.local.setCamera(false);
    else if (source === "screen") await this.local.stopScreen();
    else await this.local.stopScreenAudio();
    this.room.wishAgain({ mic: this.local.micOn, camera: this.local.cameraOn });
  }

  /** The server may know something else of us than what is true (after a return). */
  async resync() {
    const known = me(this.state);
    if (!known) return;
    const flags = this.ownFlags;
    const change = Object.fromEntries(Object.entries(flags).filter(([name, on]) => known[/** @type {"mic"} */ (name)] !== on));
    if (Object.keys(change).length > 0) await this.#tell(change);
  }

  /** After devices came or went by themselves. */
  tellFlags() {
    return this.#tell(this.ownFlags);
  }

  /** The place in the meeting is lost before or instead of coming in. @param {Phase} phase @param {string} reason */
  finish(phase, reason) {
    this.room.giveUp();
    this.store.dispatch({ type: "phase", phase, ending: { reason, by: "", url: "" } });
  }

  /** @param {Partial<Record<"mic" | "camera" | "screen", boolean>>} change */
  async #tell(change) {
    this.room.wishAgain(change);
    if (this.state.phase !== "in") return;
    try {
      await this.room.updateMe(change);
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      if (error.isTransient) return; // coming back tells it again
      toast(refusalWords(error), { icon: "lock", kind: "warning" });
      for (const source of /** @type {Source[]} */ (Object.keys(change))) {
        await this.obeyMute(source);
      }
    }
  }

  /** @param {NonNullable<Panel>} panel */
  togglePanel(panel) {
    this.store.dispatch({ type: "panel", panel: this.state.panel === panel ? null : panel });
  }

  toggleView() {
    this.store.dispatch({ type: "view", view: this.state.view === "grid" ? "speaker" : "grid" });
  }

  /** @param {string} id */
  togglePin(id) {
    this.store.dispatch({ type: "pin", id: this.state.pinned === id ? null : id });
  }

  async toggleRecording() {
    if (isRecording(this.state)) {
      const sure = await confirm({
        title: gettext("Stop recording?"),
        text: gettext("What was recorded is kept and will be ready on the meeting's page. You can start another recording later."),
        yes: gettext("Stop recording"),
      });
      if (sure) await this.#try(() => this.room.stopRecording());
    } else {
      await this.#try(() => this.room.startRecording());
    }
  }

  /** @param {string} id */
  admit(id) {
    return this.#try(() => this.room.admit(id));
  }

  /** @param {string} id */
  refuse(id) {
    return this.#try(() => this.room.refuse(id));
  }

  async admitAll() {
    await this.#try(() => this.room.admitAll());
  }

  async muteAll() {
    await this.#try(async () => {
      const { muted } = await this.room.muteAll();
      say(fill(ngettext("%(count)s person muted", "%(count)s people muted", muted), { count: muted }));
    });
  }

  /** @param {string} id @param {Source} source */
  mute(id, source) {
    return this.#try(() => this.room.mute(id, source));
  }

  /** @param {string} id @param {"cohost" | "participant"} role */
  promote(id, role) {
    return this.#try(() => this.room.promote(id, role));
  }

  /** @param {string} id */
  lowerHand(id) {
    return this.#try(() => this.room.lowerHand(id));
  }

  /** @param {Participant} participant */
  async remove({ id, name }) {
    const sure = await confirm({
      title: fill(gettext("Remove %(name)s?"), { name }),
      text: gettext("They leave the meeting at once and cannot come back to it today."),
      yes: gettext("Remove"),
    });
    if (sure) await this.#try(() => this.room.remove(id));
  }

  async leave() {
    this.store.dispatch({ type: "phase", phase: "left", ending: { reason: "left", by: "", url: "" } });
    this.media.stop();
    await Promise.all([this.local.stop(), this.room.leave()]);
    location.assign(this.config.left_url);
  }

  async endForAll() {
    if (!may(this.state, "session.end")) return;
    const sure = await confirm({
      title: gettext("End the meeting for all?"),
      text: gettext("Everybody leaves. Chat, files and recording are kept, and the minutes are drafted."),
      yes: gettext("End for all"),
    });
    if (sure) await this.#try(() => this.room.endSession());
  }

  /** Does something that the server may refuse, and says why it did. @param {() => Promise<unknown>} task @returns {Promise<boolean>} */
  async #try(task) {
    try {
      await task();
      return true;
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      toast(refusalWords(error), { icon: "circle-alert", kind: "warning", key: "refusal" });
      say(refusalWords(error), { now: true });
      return false;
    }
  }
}
