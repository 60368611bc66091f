import { Emitter } from "../emitter.js";
import { handOrder, people, sharers, spotlight, troubles } from "../state/selectors.js";
import { arrangeGrid, arrangeStage, bringForward } from "./layout.js";
import { block, button, fill, setText } from "./dom.js";
import { Sight } from "./sight.js";
import { Tile } from "./tile.js";
import { tileTroubleWords } from "./words.js";

/**
 * All pictures of the room: which there are, which is large, where each goes.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 * @import { Participant, Shown, Trouble } from "../types.js"
 * @import { Arrival } from "../media/subscriber.js"
 * @import { Rect } from "./layout.js"
 * @import { TileTrouble } from "./tile.js"
 * @typedef {{key: string, participant: Participant, source: "camera" | "screen"}} Wanted
 */

/** What may change while tiles stay as they are. @type {(keyof State)[]} */
const IRRELEVANT = ["chat", "rtt", "lobby", "live", "recording", "connection", "media", "clockSkew", "panel"];

/** More pixels than this for a CSS pixel show no more of a face; letters on a screen gain by each. */
const SHARPEST_FACE = 2;

/**
 * `shown`: the pictures of others that are in sight, on any change; `screen`: a tile for a shared screen was made; `gone`: a
 * tile was taken away.
 * @extends {Emitter<{shown: Shown[], screen: Tile, gone: Tile}>}
 */
export class Tiles extends Emitter {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Map<string, Arrival>} */
  #arrivals = new Map();
  /** @type {string[]} keys in the order they are placed */
  #order = [];
  /** @type {string | null} */
  #large = null;

  /** @param {App} app */
  constructor(app) {
    super();
    this.app = app;
    this.stage = block("stage");
    this.sight = new Sight(this.stage, () => this.#tellShown());
    this.host = block("tiles");
    this.rest = button("hidden-people");
    this.rest.addEventListener("click", () => app.togglePanel("people"));
    new ResizeObserver(() => this.#place()).observe(this.stage);
    app.store.subscribe((state, before) => {
      const keys = /** @type {(keyof State)[]} */ (Object.keys(state));
      if (keys.some((key) => state[key] !== before[key] && !IRRELEVANT.includes(key))) this.render();
    });
    app.local.on("changed", () => this.render());
  }

  /** @param {Map<string, Arrival>} arrivals */
  setArrivals(arrivals) {
    this.#arrivals = arrivals;
    this.render();
  }

  render() {
    const { state } = this.app;
    if (state.phase !== "in") return;
    const wanted = this.#wanted(state);
    this.#large = this.#largeKey(state, wanted);
    this.#sync(wanted);
    this.#order = wanted.map(({ key }) => key);
    const hands = handOrder(state);
    const found = new Map(troubles(state).map((trouble) => [`${trouble.participant} ${trouble.source}`, trouble]));
    for (const { key, participant, source } of wanted) {
      const isYou = participant.id === state.you?.id;
      const shown = isYou ? { ...participant, mic: state.own.mic, camera: state.own.camera } : participant;
      this.#tiles.get(key)?.update({
        participant: shown,
        source,
        isYou,
        isSpeaking: state.speakers.includes(participant.id) && shown.mic,
        isLarge: key === this.#large,
        isPinned: state.pinned === participant.id,
        trouble: this.#troubleOf(participant.id, source, found),
        quality: state.quality[participant.id] ?? null,
        hand: hands[participant.id] ?? null,
        track: this.#trackOf(shown, source, isYou),
      });
    }
    block("alone").hidden = Object.keys(state.participants).length !== 1;
    this.#place();
    this.#tellShown();
  }

  /** The tile of a picture, while there is one. @param {string} participant @param {"camera" | "screen"} source */
  tileOf(participant, source) {
    return this.#tiles.get(`${participant} ${source}`) ?? null;
  }

  #tellShown() {
    if (!this.sight.isSettled) return;
    const { state } = this.app;
    const shown = this.sight.seen.map(({ element, width, height }) => {
      const participant = element.dataset.participant ?? "";
      const source = element.dataset.source === "screen" ? /** @type {const} */ ("screen") : /** @type {const} */ ("camera");
      const ratio = source === "screen" ? devicePixelRatio : Math.min(devicePixelRatio, SHARPEST_FACE);
      const priority = this.#priority(participant, source);
      return { participant, source, width: Math.round(width * ratio), height: Math.round(height * ratio), priority };
    });
    this.emit("shown", shown.filter(({ participant }) => participant !== state.you?.id));
  }

  /** @param {string} participant @param {"camera" | "screen"} source @returns {0 | 1 | 2} */
  #priority(participant, source) {
    const { state } = this.app;
    if (source === "camera" && state.pinned === participant) return 2;
    const speaks = source === "camera" && state.speakers.includes(participant);
    return speaks || this.#large === `${participant} ${source}` ? 1 : 0;
  }

  /** @param {string} participant @param {"camera" | "screen"} source @param {Map<string, Trouble>} found @returns {TileTrouble | null} */
  #troubleOf(participant, source, found) {
    const { paused, you } = this.app.state;
    if (paused[`${participant} ${source}`]) return { kind: "paused", words: gettext("Picture paused: your connection is slow"), icon: "pause" };
    const isYou = participant === you?.id;
    const picture = found.get(`${participant} ${source}`);
    if (picture) return { kind: isYou ? "sound" : "picture", words: tileTroubleWords(picture, isYou), icon: "wifi-off" };
    const sound = found.get(`${participant} ${source === "camera" ? "mic" : "screen_audio"}`);
    return sound ? { kind: "sound", words: tileTroubleWords(sound, isYou), icon: "volume-x" } : null;
  }

  /** @param {State} state @returns {Wanted[]} screens of others first, then people, oneself last */
  #wanted(state) {
    const screens = sharers(state).filter(({ id }) => id !== state.you?.id);
    return [
      ...screens.map((participant) => ({ key: `${participant.id} screen`, participant, source: /** @type {const} */ ("screen") })),
      ...people(state).map((participant) => ({ key: `${participant.id} camera`, participant, source: /** @type {const} */ ("camera") })),
    ];
  }

  /** @param {State} state @param {Wanted[]} wanted @returns {string | null} */
  #largeKey(state, wanted) {
    if (state.pinned) return `${state.pinned} camera`;
    const screen = wanted.find(({ source }) => source === "screen");
    if (screen) return screen.key;
    if (state.view !== "speaker" || wanted.length < 2) return null;
    return `${spotlight(state)} camera`;
  }

  /** @param {Wanted[]} wanted */
  #sync(wanted) {
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      this.sight.remove(tile.element);
      this.emit("gone", tile);
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const { key, participant, source } of wanted) {
      if (this.#tiles.has(key)) continue;
      const tile = new Tile(participant.id, source, (id) => this.app.togglePin(id));
      this.#tiles.set(key, tile);
      this.host.append(tile.element);
      this.sight.add(tile.element);
      if (source === "screen") this.emit("screen", tile);
    }
  }

  /** @param {Participant} participant @param {"camera" | "screen"} source @param {boolean} isYou */
  #trackOf(participant, source, isYou) {
    if (isYou) return this.app.local.tracks[source];
    const isSent = source === "screen" ? participant.screen : participant.camera;
    return isSent ? (this.#arrivals.get(`${participant.id} ${source}`)?.track ?? null) : null;
  }

  #place() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (width === 0 || height === 0) return;
    if (this.#large && this.#tiles.has(this.#large)) this.#placeStage(this.#large, width, height);
    else this.#placeGrid(width, height);
  }

  /** @param {number} width @param {number} height */
  #placeGrid(width, height) {
    const { rects, height: total, fit } = arrangeGrid(this.#order.length, width, height);
    const isScrolling = total > height + 1;
    this.#setHeight(isScrolling ? total : height, isScrolling);
    const order = isScrolling ? bringForward(this.#order, fit, this.#speakerKeys()) : this.#order;
    this.rest.hidden = true;
    order.forEach((key, index) => this.#tiles.get(key)?.place(rects[index], false));
    this.#tabOrder(order);
  }

  /** @param {string} large @param {number} width @param {number} height */
  #placeStage(large, width, height) {
    const others = this.#order.filter((key) => key !== large);
    const { stage, strip } = arrangeStage(others.length, width, height);
    this.#setHeight(height, false);
    this.#tiles.get(large)?.place(stage, false);
    const own = `${this.app.state.you?.id} camera`;
    const order = bringForward(others, strip.length, [...this.#speakerKeys(), own]);
    order.forEach((key, index) => this.#tiles.get(key)?.place(strip[index] ?? stage, index >= strip.length));
    this.#tabOrder([large, ...order]);
    this.#showRest(others.length - strip.length, stage);
  }

  /** Nobody is hidden without a word. @param {number} count @param {Rect} stage */
  #showRest(count, stage) {
    this.rest.hidden = count <= 0;
    setText(this.rest, fill(ngettext("%(count)s more", "%(count)s more", count), { count: `+${count}` }));
    this.rest.style.setProperty("--right", `${this.stage.clientWidth - stage.x - stage.width}px`);
    this.rest.style.setProperty("--bottom", `${this.stage.clientHeight - stage.y - stage.height}px`);
  }

  #speakerKeys() {
    return this.app.state.speakers.map((id) => `${id} camera`);
  }

  /** @param {number} height @param {boolean} isScrolling */
  #setHeight(height, isScrolling) {
    this.host.style.setProperty("height", `${height}px`);
    this.stage.classList.toggle("stage-scrolls", isScrolling);
  }

  /** Reading order follows what is seen; `append` moves playing videos, so only the ARIA order is set. @param {string[]} keys */
  #tabOrder(keys) {
    const ids = keys.map((key) => {
      const element = this.#tiles.get(key)?.element;
      if (element && !element.id) element.id = `tile-${key.replace(" ", "-")}`;
      return element?.id ?? "";
    });
    this.host.setAttribute("aria-owns", ids.join(" "));
  }
}
