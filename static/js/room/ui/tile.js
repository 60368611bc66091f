import { createIcon } from "../../portal/icon.js";
import { hue, initials } from "../../portal/faces.js";
import { fill, h, setAttribute, setIcon, setText } from "./dom.js";
import { qualityWords, tileName } from "./words.js";

/**
 * One picture: a person, or a screen somebody shares.
 * @import { Participant } from "../types.js"
 * @import { Rect } from "./layout.js"
 * @typedef {{
 *   participant: Participant,
 *   source: "camera" | "screen",
 *   isYou: boolean,
 *   isSpeaking: boolean,
 *   isLarge: boolean,
 *   isPinned: boolean,
 *   trouble: TileTrouble | null,
 *   quality: number | null,
 *   hand: number | null,
 *   track: MediaStreamTrack | null,
 * }} TileFacts `track`: the picture, null when there is none to show; `quality`: of the connection, 1 to 5
 * @typedef {{kind: "paused" | "picture" | "sound", words: string, icon: string}} TileTrouble
 */

const SIGNALS = ["signal-zero", "signal-low", "signal-medium", "signal-high", "signal"];

let sawFirstFrame = false;

export class Tile {
  /** @type {MediaStreamTrack | null} */
  #track = null;
  #hasPicture = false;

  /** @param {string} participantId @param {"camera" | "screen"} source @param {(id: string) => void} onPin */
  constructor(participantId, source, onPin) {
    this.source = source;
    this.participant = participantId;
    this.video = h("video", { class: "tile-video", playsinline: true, autoplay: true, "aria-hidden": "true", tabindex: "-1" });
    this.video.muted = true; // sound has elements of its own
    this.face = h("div", { class: "tile-face", "aria-hidden": "true" });
    this.mic = h("span", { class: "tile-mic" }, createIcon("mic", "s"));
    this.words = h("span", { class: "tile-words" });
    this.hand = h("span", { class: "tile-hand", hidden: true }, createIcon("hand", "s"), h("span"));
    this.signal = h("span", { class: "tile-signal", role: "img", hidden: true }, createIcon("signal", "s"), createIcon("signal", "s"));
    this.trouble = h("span", { class: "tile-trouble", hidden: true }, createIcon("wifi-off", "s"), h("span"));
    this.pin = h("button", { class: "tile-pin", type: "button", click: () => onPin(participantId) }, createIcon("maximize", "s"));
    this.point = h("button", { class: "tile-point", type: "button", "aria-pressed": "false" }, createIcon("mouse-pointer-2", "s"), h("span", {}, gettext("Point")));
    /** What moves over the picture: reactions, pointers. */
    this.overlay = h("div", { class: "tile-overlay", "aria-hidden": "true" });
    this.element = h(
      "article",
      { class: `tile tile-${source}`, "data-participant": participantId, "data-source": source },
      this.face,
      this.video,
      this.overlay,
      h("div", { class: "tile-badges" }, this.trouble, this.hand),
      h("div", { class: "tile-name" }, source === "camera" ? this.mic : createIcon("monitor-up", "s"), this.words, this.signal),
      this.pin,
      source === "screen" ? this.point : null,
    );
  }

  /** @param {boolean} isPointing one's pointer over this screen is seen by all */
  setPointing(isPointing) {
    setAttribute(this.point, "aria-pressed", String(isPointing));
    this.element.classList.toggle("tile-pointing", isPointing);
  }

  /** @param {TileFacts} facts */
  update(facts) {
    const { participant, isYou, isSpeaking, isPinned, hand } = facts;
    this.#showTrack(facts.track, isYou);
    const isScreen = this.source === "screen";
    const name = isScreen ? fill(gettext("%(name)s's screen"), { name: participant.name }) : tileName(participant, isYou);
    setText(this.words, name);
    setText(this.face, isScreen ? "" : initials(participant.name));
    setIcon(this.mic, participant.mic ? "mic" : "mic-off");
    const { classList, dataset } = this.element;
    for (let number = 1; number <= 8; number++) classList.toggle(`hue-${number}`, number === hue(participant.name));
    classList.toggle("tile-you", isYou && !isScreen);
    classList.toggle("tile-speaking", isSpeaking && !isScreen);
    classList.toggle("tile-large", facts.isLarge);
    dataset.mic = participant.mic ? "on" : "off";
    dataset.state = this.#state(facts);
    this.hand.hidden = hand === null || isScreen;
    if (hand !== null) setText(/** @type {Element} */ (this.hand.lastElementChild), String(hand));
    const trouble = this.#showTrouble(facts);
    this.#showQuality(facts.quality);
    setAttribute(this.pin, "aria-label", fill(isPinned ? gettext("Show %(name)s no longer large") : gettext("Show %(name)s large"), { name: participant.name }));
    setIcon(this.pin, isPinned ? "minimize" : "maximize");
    setAttribute(this.element, "aria-label", this.#label(name, facts, trouble));
  }

  /** @param {Rect} rect @param {boolean} isHidden */
  place(rect, isHidden) {
    this.element.hidden = isHidden;
    if (isHidden) return;
    const { style } = this.element;
    style.setProperty("transform", `translate(${rect.x.toFixed(1)}px, ${rect.y.toFixed(1)}px)`);
    style.setProperty("width", `${rect.width.toFixed(1)}px`);
    style.setProperty("height", `${rect.height.toFixed(1)}px`);
    style.setProperty("--face", `${Math.round(Math.min(rect.width, rect.height) * 0.4)}px`);
    this.element.classList.toggle("tile-small", rect.width < 190);
    this.element.classList.toggle("tile-tiny", rect.width < 150 && rect.height < 130);
  }

  remove() {
    this.#showTrack(null, false);
    this.element.remove();
  }

  /** The picture is there and does not play: begins anew with it. */
  replay() {
    const { srcObject } = this.video;
    this.video.srcObject = null;
    this.video.srcObject = srcObject;
    this.#play();
  }

  /** @param {TileFacts} facts @returns {"video" | "waiting" | "avatar" | "stalled" | "paused" | "lost"} */
  #state({ participant, trouble, track }) {
    if (!participant.connected) return "lost";
    if (!track && !this.#isSent(participant)) return "avatar";
    if (trouble?.kind === "picture") return "stalled";
    if (!this.#hasPicture) return "waiting"; // the face stands there
    return trouble?.kind === "paused" ? "paused" : "video";
  }

  /** @param {Participant} participant */
  #isSent(participant) {
    return this.source === "screen" ? participant.screen : participant.camera;
  }

  /** @param {TileFacts} facts @returns {string} what is said of it */
  #showTrouble({ participant, trouble }) {
    const words = participant.connected ? (trouble?.words ?? "") : gettext("Connection lost");
    this.trouble.hidden = words === "";
    setIcon(this.trouble, (participant.connected && trouble?.icon) || "wifi-off");
    setText(/** @type {Element} */ (this.trouble.lastElementChild), words);
    setAttribute(this.trouble, "title", words || null);
    return words;
  }

  /** @param {number | null} quality */
  #showQuality(quality) {
    this.signal.hidden = quality === null || this.source === "screen";
    if (quality === null) return;
    setIcon(this.signal, SIGNALS[quality - 1]); // the first of the two; the other one is the faint ground of all bars
    setAttribute(this.signal, "aria-label", qualityWords(quality));
    setAttribute(this.signal, "title", qualityWords(quality));
    this.signal.dataset.level = String(quality);
  }

  /** @param {string} name @param {TileFacts} facts @param {string} trouble */
  #label(name, { participant, isSpeaking, hand }, trouble) {
    const parts = [name];
    if (this.source === "camera") parts.push(participant.mic ? gettext("microphone on") : gettext("microphone off"));
    if (isSpeaking) parts.push(gettext("speaking"));
    if (hand !== null) parts.push(fill(gettext("hand raised, number %(place)s"), { place: hand }));
    if (trouble) parts.push(trouble);
    return parts.join(", ");
  }

  /** @param {MediaStreamTrack | null} track @param {boolean} isYou */
  #showTrack(track, isYou) {
    if (track === this.#track) return;
    this.#track = track;
    this.#hasPicture = false;
    this.video.srcObject = track ? new MediaStream([track]) : null;
    if (!track) return;
    this.#play();
    const onFrame = () => {
      if (this.#track !== track) return;
      this.#hasPicture = true;
      if (this.element.dataset.state === "waiting") this.element.dataset.state = "video";
      if (isYou || sawFirstFrame) return;
      sawFirstFrame = true;
      performance.mark("first-remote-frame");
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(onFrame);
    else /** @type {HTMLVideoElement} */ (this.video).addEventListener("loadeddata", onFrame, { once: true });
  }
  #play() {
    this.video.play().catch((error) => {
      // Taken away again before it began.
      if (error.name !== "AbortError") console.warn("a picture does not play", error);
    });
  }
}
