import { createAvatar } from "./faces.js";
import { createIcon } from "./icon.js";
import { showToast } from "./toast.js";

/**
 * @typedef {{email: string, name: string}} Person
 * @typedef {{kind: string, value: string, label: string, detail: string}} Suggestion
 */

const ADDRESS = /^[^\s@<>",;]+@[^\s@<>",;]+\.[^\s@<>",;]+$/;
const KIND_ICONS = /** @type {Record<string, string>} */ ({ class: "graduation-cap", department: "building-2" });

/**
 * People of a text, one a line or separated by commas or semicolons; what is no address comes back as `rest`.
 * @param {string} text
 * @returns {{people: Person[], rest: string[]}}
 */
export function readPeople(text) {
  const people = [];
  const rest = [];
  const pieces = text.match(/(?:"[^"\n]*"|<[^>\n]*>|[^,;\n"<])+/g) ?? [];
  for (const piece of pieces.map((part) => part.trim()).filter(Boolean)) {
    const named = piece.match(/^"?([^"<]*?)"?\s*<([^>]+)>$/);
    const email = (named ? named[2] : piece).trim().toLowerCase();
    if (ADDRESS.test(email)) people.push({ email, name: named ? named[1].trim() : "" });
    else rest.push(piece);
  }
  return { people, rest };
}

/**
 * One line of the field for a person.
 * @param {Person} person
 */
export function writePerson({ email, name }) {
  return name ? `"${name.replace(/["\\]/g, "")}" <${email}>` : email;
}

/**
 * Makes a picker of the text field: type to find people, classes and departments, or any address.
 * @param {HTMLElement} root `[data-people]` with the textarea and the co-hosts' field
 */
export function initPeople(root) {
  const field = /** @type {HTMLTextAreaElement} */ (root.querySelector("textarea"));
  const cohostField = /** @type {HTMLInputElement} */ (root.querySelector("[data-cohosts] input"));
  /** @type {Map<string, Person>} */
  const people = new Map();
  const cohosts = new Set(readPeople(cohostField.value).people.map((one) => one.email));
  const input = document.createElement("input");
  const list = document.createElement("ul");
  const picked = document.createElement("ul");
  const box = document.createElement("div");
  /** @type {Suggestion[]} */
  let shown = [];
  let active = -1;
  /** @type {AbortController | undefined} */
  let asking;
  let timer = 0;

  const first = readPeople(field.value);
  for (const person of [...first.people, ...readPeople(cohostField.value).people]) keep(person);
  build();
  draw();

  function build() {
    const id = field.id;
    field.removeAttribute("id");
    field.hidden = true;
    /** @type {HTMLElement} */ (root.querySelector("[data-cohosts]")).hidden = true;
    Object.assign(input, { id, type: "text", autocomplete: "off", placeholder: gettext("Name, class, department or e-mail") });
    input.setAttribute("autocapitalize", "off");
    input.spellcheck = false;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", `${id}-list`);
    for (const name of ["aria-describedby", "aria-invalid"]) {
      const value = field.getAttribute(name);
      if (value) input.setAttribute(name, value);
    }
    input.value = first.rest.join(", ");
    list.id = `${id}-list`;
    list.className = "picker-list";
    list.setAttribute("role", "listbox");
    list.hidden = true;
    picked.className = "picked";
    picked.setAttribute("aria-label", gettext("Invited"));
    box.className = "picker";
    box.append(input, list);
    root.prepend(box, picked);
  }

  /** @param {Person} person */
  function keep(person) {
    const known = people.get(person.email);
    if (!known || (!known.name && person.name)) people.set(person.email, person);
  }

  /** The fields that are sent follow what is seen; what is still being typed counts too. */
  function write() {
    field.value = [...[...people.values()].map(writePerson), input.value].filter(Boolean).join("\n");
    cohostField.value = [...cohosts].filter((email) => people.has(email)).join(", ");
  }

  function draw() {
    picked.replaceChildren(...[...people.values()].map(row));
    write();
  }

  /** @param {Person} person */
  function row({ email, name }) {
    const item = document.createElement("li");
    item.className = "picked-row";
    const words = document.createElement("span");
    words.className = "picked-name";
    words.append(line(name || email, "truncate"));
    if (name) words.append(line(email, "person-meta truncate"));
    const cohost = document.createElement("button");
    cohost.type = "button";
    cohost.className = "btn btn-small";
    cohost.textContent = gettext("Co-host");
    cohost.setAttribute("aria-pressed", String(cohosts.has(email)));
    cohost.addEventListener("click", () => {
      if (!cohosts.delete(email)) cohosts.add(email);
      cohost.setAttribute("aria-pressed", String(cohosts.has(email)));
      write();
    });
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "btn btn-quiet btn-icon btn-small";
    remove.setAttribute("aria-label", interpolate(gettext("Remove %s"), [name || email]));
    remove.append(createIcon("x"));
    remove.addEventListener("click", () => {
      people.delete(email);
      cohosts.delete(email);
      draw();
      input.focus();
    });
    item.append(createAvatar(name || email), words, cohost, remove);
    return item;
  }

  /** Takes the addresses that are typed; what is none stays in the field. */
  function take() {
    const read = readPeople(input.value);
    if (read.people.length === 0) return false;
    read.people.forEach(keep);
    input.value = read.rest.join(", ");
    close();
    draw();
    return true;
  }

  /** @param {Suggestion} suggestion */
  async function choose(suggestion) {
    input.value = "";
    close();
    if (suggestion.kind === "person") {
      keep({ email: suggestion.value, name: suggestion.label });
      draw();
      return;
    }
    try {
      const answer = await ask({ group: suggestion.value });
      const before = people.size;
      answer.people.forEach(keep);
      draw();
      const added = people.size - before;
      showToast(interpolate(ngettext("%s person added", "%s people added", added), [added]), { seconds: 3 });
    } catch (error) {
      console.warn("members were not to be had", error);
      showToast(gettext("The members could not be loaded. Please try again."), { kind: "error" });
    }
  }

  /**
   * @param {Record<string, string>} query
   * @param {AbortSignal} [signal]
   */
  async function ask(query, signal) {
    const response = await fetch(`${root.dataset.url}?${new URLSearchParams(query)}`, { signal, headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response.json();
  }

  async function suggest() {
    asking?.abort();
    const query = input.value.trim();
    if (query.length < 2) return close();
    asking = new AbortController();
    try {
      const answer = await ask({ q: query }, asking.signal);
      open(answer.suggestions.filter((/** @type {Suggestion} */ one) => !people.has(one.value)));
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return undefined;
      console.warn("no suggestions", error);
      close();
    }
    return undefined;
  }

  /** @param {Suggestion[]} suggestions */
  function open(suggestions) {
    shown = suggestions;
    list.replaceChildren(...suggestions.map(option));
    list.hidden = suggestions.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (!list.hidden) list.scrollIntoView({ block: "nearest" });
    mark(suggestions.length ? 0 : -1);
  }

  function close() {
    clearTimeout(timer);
    asking?.abort();
    shown = [];
    active = -1;
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {Suggestion} suggestion
   * @param {number} place
   */
  function option(suggestion, place) {
    const item = document.createElement("li");
    item.id = `${list.id}-${place}`;
    item.className = "picker-option";
    item.setAttribute("role", "option");
    const icon = KIND_ICONS[suggestion.kind];
    const words = document.createElement("span");
    words.append(line(suggestion.label, ""), line(suggestion.detail, "person-meta"));
    item.append(icon ? createIcon(icon, "l") : createAvatar(suggestion.label), words);
    // Before the field loses the focus.
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      void choose(suggestion);
    });
    return item;
  }

  /** @param {number} place */
  function mark(place) {
    active = place;
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === place)));
    if (place >= 0) {
      input.setAttribute("aria-activedescendant", `${list.id}-${place}`);
      list.children[place].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  input.addEventListener("input", () => {
    write();
    if (/[,;\n]\s*$/.test(input.value) && take()) return;
    clearTimeout(timer);
    timer = window.setTimeout(suggest, 150);
  });
  input.addEventListener("paste", () => setTimeout(() => { if (/[,;\n<]/.test(input.value)) take(); }));
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!shown.length) return;
      event.preventDefault();
      mark((active + (event.key === "ArrowDown" ? 1 : shown.length - 1)) % shown.length);
    } else if (event.key === "Enter") {
      event.preventDefault(); // the form is sent by its button only: half a list of people is no list
      if (active >= 0) void choose(shown[active]);
      else if (!take() && input.value.trim()) showToast(gettext("That is neither a person of the portal nor an e-mail address."), { kind: "warning" });
    } else if (event.key === "Escape") close();
  });
  input.addEventListener("blur", () => { take(); close(); });
  root.closest("form")?.addEventListener("submit", write);
}

/**
 * @param {string} text
 * @param {string} className
 */
function line(text, className) {
  const element = document.createElement("span");
  element.className = className;
  element.textContent = text;
  return element;
}
