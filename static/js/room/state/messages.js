/** @import { Message } from "../types.js" */

/**
 * Both lists in one, oldest first, each message once. A newer copy of a message replaces the older one.
 * @param {Message[]} known in order
 * @param {Message[]} more in any order
 * @returns {Message[]}
 */
export function addMessages(known, more) {
  if (more.length === 0) return known;
  const byId = new Map(known.map((message) => [message.id, message]));
  for (const message of more) byId.set(message.id, message);
  return [...byId.values()].sort(compare);
}

/** @param {Message} a @param {Message} b */
function compare(a, b) {
  const [left, right] = [Date.parse(a.at), Date.parse(b.at)];
  if (left !== right) return left - right;
  return Number(a.id) - Number(b.id) || 0;
}
