import { isOn, troubles } from "../state/selectors.js";
import { say } from "./announce.js";
import { block, button, fill, setText } from "./dom.js";
import { troubleWords } from "./words.js";

/**
 * Says in words what does not come through, to those it concerns: read out when it begins and when it is over, and for
 * one's own sound and picture in a line above the room that stays until then. The tiles have their own short mark.
 *
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 * @import { Source, Trouble } from "../types.js"
 */

export class Troubles {
  /** Sentence of each that was said, by "<participant> <source>". @type {Map<string, string>} */
  #said = new Map();

  /** @param {App} app @param {() => void} onSettings */
  constructor(app, onSettings) {
    this.app = app;
    button("note-trouble-settings").addEventListener("click", onSettings);
    for (const part of /** @type {const} */ (["noticed", "told", "paused", "participants", "own", "media"])) {
      app.store.watch((state) => state[part], (_, state) => this.#show(state));
    }
  }

  /** @param {State} state */
  #show(state) {
    // While the connection itself is away, that is said, and all else follows from it.
    const found = state.phase === "in" && state.media === "connected" ? troubles(state) : [];
    this.#announce(found, state);
    const own = found.filter(({ participant }) => participant === state.you?.id);
    const note = block("note-trouble");
    note.hidden = own.length === 0;
    button("note-trouble-settings").hidden = !own.some(({ hop }) => hop === "device");
    const words = note.querySelector("span");
    if (words) setText(words, own.map((trouble) => troubleWords(trouble, null)).join(" "));
  }

  /** @param {Trouble[]} found @param {State} state */
  #announce(found, state) {
    /** @type {Map<string, string>} */
    const said = new Map();
    for (const trouble of found) {
      const { participant, source } = trouble;
      const isYou = participant === state.you?.id;
      const name = state.participants[participant]?.name ?? "";
      const words = troubleWords(trouble, isYou ? null : name);
      said.set(`${participant} ${source}`, words);
      if (!this.#said.has(`${participant} ${source}`)) say(words, { now: isYou });
    }
    for (const key of this.#said.keys()) if (!said.has(key) && state.media === "connected") this.#sayHealed(key, state);
    this.#said = said;
  }

  /** @param {string} key @param {State} state */
  #sayHealed(key, state) {
    const { participants, you } = state;
    const [id, source] = /** @type {[string, Source]} */ (key.split(" "));
    const person = participants[id];
    if (!isOn(state, { participant: id, source })) return;
    const isSound = source === "mic" || source === "screen_audio";
    if (id === you?.id) say(isSound ? gettext("Your sound reaches the meeting again.") : gettext("Your picture reaches the meeting again."));
    else say(fill(isSound ? gettext("The sound of %(name)s is back.") : gettext("The picture of %(name)s is back."), { name: person.name }));
  }
}
