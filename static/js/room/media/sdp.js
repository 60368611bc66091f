/**
 * The little the page reads of SDP.
 * @import { Source } from "../types.js"
 * @typedef {{mid: string, participant: string, source: Source}} Line
 */

const SOURCES = ["mic", "camera", "screen", "screen_audio"];

/**
 * Which m-line of a subscribe offer carries what: `a=msid:<participant id> <source>` (docs/protocol.md section 1.8).
 * Lines that are inactive or switched off are left out.
 * @param {string} sdp
 * @returns {Line[]}
 */
export function linesOf(sdp) {
  const lines = [];
  for (const section of sdp.split(/^m=/m).slice(1)) {
    const port = /^\S+ (\d+)/.exec(section)?.[1];
    const mid = /^a=mid:(\S+)/m.exec(section)?.[1];
    const msid = /^a=msid:(\S+) (\S+)/m.exec(section);
    const isSent = !/^a=(inactive|recvonly)\s*$/m.test(section) && !(port === "0" && !/^a=bundle-only/m.test(section));
    if (!mid || !msid || !isSent || !SOURCES.includes(msid[2])) continue;
    lines.push({ mid, participant: msid[1], source: /** @type {Source} */ (msid[2]) });
  }
  return lines;
}

/**
 * Codecs in another order: those of `first` (MIME type, any case) in front, the rest as the browser has them.
 * @template {{mimeType: string}} T
 * @param {T[]} codecs
 * @param {string} first
 * @returns {T[]}
 */
export function preferCodec(codecs, first) {
  const wanted = (/** @type {T} */ codec) => codec.mimeType.toLowerCase() === first.toLowerCase();
  return [...codecs.filter(wanted), ...codecs.filter((codec) => !wanted(codec))];
}

/**
 * Whether an answer takes pictures in several sizes at once.
 * @param {string} sdp
 */
export function takesLayers(sdp) {
  return /^a=simulcast:\s?recv /m.test(sdp);
}
