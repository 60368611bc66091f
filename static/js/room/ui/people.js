import { createAvatar } from "../../portal/faces.js";
import { createIcon } from "../../portal/icon.js";
import { handOrder, may, peopleByRank } from "../state/selectors.js";
import { block, button, fill, h, setText, wordsFor } from "./dom.js";
import { initMenu, openMenu } from "./menus.js";
import { roleWord } from "./words.js";

/**
 * The list of people with what hosts may do, and those who wait.
 * @import { App } from "../app.js"
 * @import { State } from "../state/initial.js"
 * @import { Participant } from "../types.js"
 * @typedef {{action: string, icon: string, words: string, isBad?: boolean}} Choice
 */

export class People {
  /** @type {string} whose menu is open */
  #chosen = "";

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.menu = block("person-menu");
    button("admit-all").addEventListener("click", () => app.admitAll());
    button("mute-all").addEventListener("click", () => app.muteAll());
    initMenu(this.menu, (action) => this.#run(action));
    for (const part of /** @type {const} */ (["participants", "lobby", "you", "panel", "own"])) {
      app.store.watch((state) => state[part], (_, state) => this.#show(state));
    }
  }

  /** @param {State} state */
  #show(state) {
    if (state.phase !== "in" || state.panel !== "people") return;
    const waiting = block("people-waiting");
    waiting.hidden = state.lobby.length === 0;
    setText(block("people-waiting-title"), fill(gettext("Waiting · %(count)s"), { count: state.lobby.length }));
    button("admit-all").hidden = state.lobby.length < 2;
    this.#draw("people-waiting-list", state.lobby.map((person) => this.#waitingRow(person)));
    const people = peopleByRank(state, this.app.config.language);
    setText(block("people-title"), fill(gettext("In the meeting · %(count)s"), { count: people.length }));
    button("mute-all").hidden = !may(state, "participant.mute") || people.length < 2;
    const order = handOrder(state);
    this.#draw("people-list", people.map((person) => this.#row(person, order[person.id] ?? null, state)));
  }

  /** Replaces the rows and keeps the focus on the same button of the same person. @param {string} id @param {HTMLElement[]} rows */
  #draw(id, rows) {
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.focus : undefined;
    const list = block(id);
    const hadFocus = list.contains(document.activeElement);
    list.replaceChildren(...rows);
    if (!hadFocus) return;
    const again = focused ? list.querySelector(`[data-focus="${CSS.escape(focused)}"]`) : null;
    if (again instanceof HTMLElement) again.focus();
    else button("tab-people").focus();
  }

  /** @param {Participant} person */
  #waitingRow({ id, name }) {
    const admit = h("button", { class: "btn-room btn-room-main", type: "button", "data-focus": `admit-${id}`, click: () => this.app.admit(id) }, wordsFor(gettext("Let %(name)s in"), name));
    const refuse = h("button", { class: "btn-room", type: "button", "data-focus": `refuse-${id}`, click: () => this.app.refuse(id) }, wordsFor(gettext("Refuse %(name)s"), name));
    return h("li", { class: "person-row", "data-participant": id }, createAvatar(name), h("span", { class: "person-words" }, name), refuse, admit);
  }

  /** @param {Participant} person @param {number | null} hand @param {State} state */
  #row(person, hand, state) {
    const { id, name, guest, role, connected } = person;
    const isYou = id === state.you?.id;
    const marks = [isYou ? gettext("you") : "", roleWord(role), guest ? gettext("guest") : "", connected ? "" : gettext("connection lost")];
    const mic = isYou ? state.own.mic : person.mic;
    const camera = isYou ? state.own.camera : person.camera;
    const row = h(
      "li",
      { class: "person-row", "data-participant": id },
      createAvatar(name),
      h("span", { class: "person-words" }, name, h("small", {}, marks.filter(Boolean).join(" · "))),
      hand === null ? null : h("span", { class: "person-hand", "aria-label": fill(gettext("hand raised, number %(place)s"), { place: hand }), role: "img" }, createIcon("hand", "s"), String(hand)),
      person.screen ? sign("screen-share", gettext("shares the screen"), true) : null,
      sign(mic ? "mic" : "mic-off", mic ? gettext("microphone on") : gettext("microphone off"), mic),
      sign(camera ? "video" : "video-off", camera ? gettext("camera on") : gettext("camera off"), camera),
    );
    const choices = this.#choices(person, state);
    if (choices.length === 0) return row;
    const opener = h(
      "button",
      { class: "person-more", type: "button", "aria-haspopup": "menu", "aria-expanded": "false", "data-focus": `more-${id}`, "aria-label": fill(gettext("Actions for %(name)s"), { name }), click: () => this.#open(id, opener) },
      createIcon("ellipsis"),
    );
    row.append(opener);
    return row;
  }

  /** Only what the server will allow is offered. @param {Participant} person @param {State} state @returns {Choice[]} */
  #choices({ id, role, mic, camera, screen, hand }, state) {
    if (id === state.you?.id) return [];
    /** @type {Choice[]} */
    const choices = [{ action: "pin", icon: state.pinned === id ? "pin-off" : "pin", words: state.pinned === id ? gettext("Show no longer large") : gettext("Show large") }];
    if (hand && may(state, "hand.lower")) choices.push({ action: "lower", icon: "hand", words: gettext("Lower the hand") });
    if (may(state, "participant.mute")) {
      if (mic) choices.push({ action: "mute-mic", icon: "mic-off", words: gettext("Mute") });
      if (camera) choices.push({ action: "mute-camera", icon: "video-off", words: gettext("Stop the video") });
      if (screen) choices.push({ action: "mute-screen", icon: "screen-share-off", words: gettext("Stop the sharing") });
    }
    if (may(state, "participant.promote") && role !== "host" && role !== "stream") {
      if (role === "cohost") choices.push({ action: "demote", icon: "user-minus", words: gettext("Make participant again") });
      else choices.push({ action: "promote", icon: "user-cog", words: gettext("Make co-host") });
    }
    if (may(state, "participant.remove") && role !== "host") choices.push({ action: "remove", icon: "user-x", words: gettext("Remove from the meeting"), isBad: true });
    return choices;
  }

  /** @param {string} id @param {HTMLElement} opener */
  #open(id, opener) {
    const person = this.app.state.participants[id];
    if (!person) return;
    this.#chosen = id;
    const items = this.#choices(person, this.app.state).map(({ action, icon, words, isBad }) =>
      h("button", { class: `room-menu-item${isBad ? " room-menu-bad" : ""}`, role: "menuitem", type: "button", "data-action": action }, createIcon(icon), h("span", {}, words)),
    );
    this.menu.replaceChildren(...items);
    openMenu(this.menu, opener);
  }

  /** @param {string} action */
  #run(action) {
    const { app } = this;
    const person = app.state.participants[this.#chosen];
    if (!person) return;
    const { id } = person;
    /** @type {Record<string, () => unknown>} */
    const actions = {
      pin: () => app.togglePin(id),
      lower: () => app.lowerHand(id),
      "mute-mic": () => app.mute(id, "mic"),
      "mute-camera": () => app.mute(id, "camera"),
      "mute-screen": () => app.mute(id, "screen"),
      promote: () => app.promote(id, "cohost"),
      demote: () => app.promote(id, "participant"),
      remove: () => app.remove(person),
    };
    actions[action]?.();
  }
}

/** A state by shape and word. @param {string} icon @param {string} words @param {boolean} on */
function sign(icon, words, on) {
  return h("span", { class: `person-sign${on ? "" : " person-off"}`, role: "img", "aria-label": words, title: words }, createIcon(icon, "s"));
}
