import { createAvatar } from "../../portal/faces.js";
import { createIcon } from "../../portal/icon.js";
import { h } from "./dom.js";
import { piecesOf } from "./links.js";
import { fileSize, timeOfDay } from "./time.js";

/**
 * One message of the chat.
 * @import { Message, SharedFile } from "../types.js"
 */

/** Messages of one person within this time stand under one name. */
const TOGETHER = 4 * 60_000;

/** @param {Message} message @param {Message | undefined} before */
export function continues(message, before) {
  return before?.participant === message.participant && Date.parse(message.at) - Date.parse(before.at) < TOGETHER;
}

/**
 * @param {Message} message
 * @param {{isYou: boolean, isContinued: boolean, language: string, zone: string}} options
 * @returns {HTMLLIElement}
 */
export function renderMessage(message, { isYou, isContinued, language, zone }) {
  const time = h("time", { class: "message-time", datetime: message.at }, timeOfDay(message.at, language, zone));
  const head = h("div", { class: "chat-head" }, h("b", {}, isYou ? gettext("You") : message.name), time);
  const body = h("div", { class: "chat-body" }, head);
  if (message.body) body.append(h("p", { class: "chat-text" }, ...linked(message.body)));
  if (message.file) body.append(renderFile(message.file, language));
  const line = h("li", { class: "chat-message", "data-message": String(message.id) }, createAvatar(message.name), body);
  line.classList.toggle("chat-continued", isContinued);
  return line;
}

/** @param {string} text @returns {(Node | string)[]} text nodes and links, never HTML */
function linked(text) {
  return piecesOf(text).map(({ text: words, url }) =>
    url ? h("a", { href: url, target: "_blank", rel: "noopener noreferrer nofollow" }, words) : words,
  );
}

const FILE_ICONS = /** @type {const} */ ([
  ["image/", "file-image"],
  ["video/", "file-video"],
  ["audio/", "file-audio"],
  ["text/", "file-text"],
  ["application/pdf", "file-text"],
  ["application/zip", "file-archive"],
]);

/** @param {SharedFile} file @param {string} language */
function renderFile(file, language) {
  const icon = FILE_ICONS.find(([start]) => file.content_type.startsWith(start))?.[1] ?? "file";
  return h(
    "a",
    { class: "chat-file", href: safePath(file.url), target: "_blank", rel: "noopener" },
    createIcon(icon),
    h("span", { class: "chat-file-words" }, h("b", {}, file.name), h("small", {}, fileSize(file.size, language))),
  );
}

/** Only addresses of this site. @param {string} url */
function safePath(url) {
  const address = new URL(url, location.href);
  return address.origin === location.origin ? address.href : "#";
}
