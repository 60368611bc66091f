/** Close codes of docs/protocol.md section 1.3 and what they mean for the page. */

/** @typedef {"left" | "protocol" | "refused" | "not_found" | "moved" | "ended"} Ending */

/** @type {Record<number, Ending>} */
const FINAL = {
  1000: "left",
  4400: "protocol",
  4403: "refused",
  4404: "not_found",
  4409: "moved",
  4410: "ended",
};

/**
 * Why a closed socket must not be opened again; null when it should be.
 * @param {number} code
 * @returns {Ending | null}
 */
export function endingOf(code) {
  return FINAL[code] ?? null;
}

/** A refusal by the server, or by the connection itself with the codes `offline` and `timeout`. */
export class ProtocolError extends Error {
  /** @param {{code: string, message?: string, rule?: string, who?: string}} error */
  constructor({ code, message = "", rule = "", who = "" }) {
    super(message || code);
    this.name = "ProtocolError";
    this.code = code;
    this.rule = rule;
    this.who = who;
    /** The server's words for people; empty when there are none. */
    this.words = message;
  }

  /** Nothing was decided: the network or the server was away. */
  get isTransient() {
    return ["offline", "timeout", "internal", "rate_limited"].includes(this.code);
  }
}

/**
 * @param {unknown} error
 * @param {string} [code] only this code
 * @returns {error is ProtocolError}
 */
export function isProtocolError(error, code) {
  return error instanceof ProtocolError && (code === undefined || error.code === code);
}
