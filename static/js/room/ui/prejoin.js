import { hue, initials } from "../../portal/faces.js";
import { onPermissionGranted } from "../media/devices.js";
import { ProtocolError, isProtocolError } from "../protocol/codes.js";
import { confirm } from "./dialogs.js";
import { DeviceFields } from "./device-fields.js";
import { block, button, byId, fill, setAttribute, setIcon, setText } from "./dom.js";
import { devicesWords, refusalWords } from "./words.js";

/**
 * The page before the room: see and hear oneself, choose devices, give a name, ask to join.
 * @import { App } from "../app.js"
 * @import { Sounds } from "./sounds.js"
 * @import { State, Phase } from "../state/initial.js"
 */

/** As the server does it (docs/protocol.md section 1.2). @param {string} name */
export function isGoodName(name) {
  return name.length >= 1 && [...name].length <= 80 && !/\p{Cc}/u.test(name);
}

/** Answers to `join` after which trying again is of no use. @type {Record<string, Phase>} */
const LOST = { removed: "removed", refused: "refused", meeting_cancelled: "ended" };

export class Prejoin {
  /**
   * @param {App} app
   * @param {Sounds} sounds
   * @param {(speakerId: string) => void} onSpeaker
   */
  constructor(app, sounds, onSpeaker) {
    this.app = app;
    this.sounds = sounds;
    this.form = byId("join-form", HTMLFormElement);
    this.video = byId("preview-video", HTMLVideoElement);
    this.name = /** @type {HTMLInputElement | null} */ (document.getElementById("join-name"));
    this.devices = new DeviceFields("join", { local: app.local, choices: app.choices, sounds, onSpeaker });
    if (this.name && !this.name.value) this.name.value = app.choices.value.name;
    this.name?.addEventListener("input", () => this.#nameProblem(false));
    this.form.addEventListener("submit", (event) => this.#onSubmit(event));
    button("join-mic").addEventListener("click", () => app.toggleMic());
    button("join-camera").addEventListener("click", () => app.toggleCamera());
    button("join-devices").addEventListener("click", () => this.#toggleCameraRow());
    app.local.on("changed", () => this.#showMedia());
    onPermissionGranted((source) => this.#tryAgain(source));
    app.store.watch((state) => state, (state) => this.#show(state));
    this.#showMedia(true);
  }

  /** @param {boolean} [isStarting] the devices are being opened */
  #showMedia(isStarting = false) {
    const { local } = this.app;
    this.#showToggle("join-mic", local.micOn, "mic", "mic-off", local.micError !== null);
    this.#showToggle("join-camera", local.cameraOn, "video", "video-off", local.cameraError !== null);
    const camera = local.tracks.camera;
    const shown = /** @type {MediaStream | null} */ (this.video.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== camera) this.video.srcObject = camera ? new MediaStream([camera]) : null;
    const trouble = devicesWords(local.micError, local.cameraError);
    setText(block("preview-note"), trouble || (isStarting ? gettext("Starting the camera…") : ""));
    block("preview").dataset.state = camera ? "video" : trouble ? "error" : isStarting ? "starting" : "off";
  }

  /** Allowed in the address bar after all: no need to find the button. @param {"mic" | "camera"} source */
  #tryAgain(source) {
    const { local } = this.app;
    if (source === "mic" && local.micError) this.app.toggleMic();
    if (source === "camera" && local.cameraError) this.app.toggleCamera();
  }

  /** @param {string} id @param {boolean} on @param {string} icon @param {string} off @param {boolean} failed */
  #showToggle(id, on, icon, off, failed) {
    const toggle = button(id);
    setAttribute(toggle, "aria-pressed", String(on));
    setIcon(toggle, on ? icon : off);
    toggle.dataset.state = on ? "on" : failed ? "error" : "off";
  }

  /** @param {State} state */
  #show(state) {
    const isHere = state.phase === "prejoin" || state.phase === "joining";
    const isLobby = state.phase === "lobby";
    block("join").hidden = !isHere && !isLobby;
    block("join-side").hidden = !isHere;
    this.devices.show(isHere || isLobby);
    if (!isHere) return;
    const { live } = state;
    const badge = block("join-live");
    badge.hidden = live.count === 0;
    setText(badge, fill(ngettext("Live · %(count)s person", "Live · %(count)s people", live.count), { count: live.count }));
    this.#showFace();
    this.#showConnection(state);
    showRecording(state);
    const submit = button("join-button");
    const words = state.phase === "joining" ? gettext("Joining…") : state.waitsInLobby ? gettext("Ask to join") : gettext("Join now");
    setText(submit, words);
    submit.disabled = button("join-listen").disabled = state.phase === "joining";
  }

  #showFace() {
    const name = this.name?.value.trim() || this.app.state.ownName;
    const face = block("preview-face");
    setText(face, initials(name || gettext("You")));
    block("preview").className = `preview hue-${hue(name)}`;
  }

  /** @param {State} state */
  #showConnection({ connection, rtt }) {
    const note = block("join-connection");
    const words = note.querySelector("span");
    const isOpen = connection.state === "open";
    note.dataset.state = isOpen ? (rtt !== null && rtt > 400 ? "slow" : "good") : connection.attempt > 0 ? "bad" : "wait";
    setIcon(note, { good: "circle-check", slow: "circle-alert", bad: "wifi-off", wait: "loader-circle" }[note.dataset.state] ?? "");
    if (!words) return;
    if (!isOpen) setText(words, connection.attempt > 0 ? gettext("No connection to the server. Trying again…") : gettext("Checking the connection"));
    else if (rtt === null) setText(words, gettext("Connection good"));
    else if (rtt > 400) setText(words, fill(gettext("Connection slow · %(ms)s ms"), { ms: rtt }));
    else setText(words, fill(gettext("Connection good · %(ms)s ms"), { ms: rtt }));
  }

  #toggleCameraRow() {
    const row = block("join-camera-row");
    row.hidden = !row.hidden;
    setAttribute(button("join-devices"), "aria-expanded", String(!row.hidden));
    if (!row.hidden) this.devices.camera.focus();
  }

  /** @param {boolean} isBad */
  #nameProblem(isBad) {
    if (!this.name) return;
    const error = block("join-name-error");
    error.hidden = !isBad;
    if (isBad) setText(error.children[0], refusalWords(new ProtocolError({ code: "bad_name" })));
    setAttribute(this.name, "aria-invalid", isBad ? "true" : null);
    if (isBad) this.name.focus();
    this.#showFace();
  }

  /** @param {SubmitEvent} event */
  async #onSubmit(event) {
    event.preventDefault();
    this.sounds.unlock();
    const name = this.name?.value.trim() ?? "";
    if (this.name && !isGoodName(name)) {
      this.#nameProblem(true);
      return;
    }
    if (this.name) this.app.choices.remember({ name });
    this.app.store.dispatch({ type: "name", name: name || this.app.config.display_name });
    await this.#join(name, event.submitter?.id === "join-listen", false);
  }

  /** @param {string} name @param {boolean} listenOnly @param {boolean} takeover */
  async #join(name, listenOnly, takeover) {
    block("join-error").hidden = true;
    try {
      await this.app.join(name, { listenOnly, takeover });
    } catch (error) {
      if (!isProtocolError(error)) throw error;
      const lost = LOST[error.code];
      if (lost) this.app.finish(lost, error.code === "meeting_cancelled" ? "cancelled" : error.code);
      else if (error.code === "already_joined" && !takeover) await this.#offerTakeover(name, listenOnly);
      else if (error.code === "bad_name" && this.name) this.#nameProblem(true);
      else this.showProblem(refusalWords(error));
    }
  }

  /** @param {string} name @param {boolean} listenOnly */
  async #offerTakeover(name, listenOnly) {
    const sure = await confirm({
      title: gettext("You are already in this meeting"),
      text: gettext("Another tab or device of yours is in the room. Go on here and close it there?"),
      yes: gettext("Go on here"),
      isDangerous: false,
    });
    if (sure) await this.#join(name, listenOnly, true);
  }

  /** After a reload: back in without a question. @param {string} name */
  comeBack(name) {
    return this.#join(name, false, true);
  }

  /** @param {string} words */
  showProblem(words) {
    setText(block("join-error-text"), words);
    block("join-error").hidden = false;
  }
}

/** Whether what is said in there is, or may be, recorded. @param {State} state */
function showRecording({ live, meeting }) {
  const note = block("join-recording");
  note.hidden = !live.recording && !meeting.recording_allowed;
  const words = note.querySelector("span");
  if (words)
    setText(
      words,
      live.recording
        ? gettext("This meeting is being recorded. Joining means you agree.")
        : gettext("This meeting may be recorded. Joining means you agree."),
    );
}
