/**
 * Keeps a page of the administration up to date: every few seconds its part `[data-refresh]` is fetched anew and
 * put in place of the old one. A button stops and starts this; in a hidden tab nothing is asked.
 */

const AFTER_ERROR_MS = 10_000;

/**
 * Fetches the page and puts its live part in; resolves to whether that worked.
 * @param {Document} page
 * @param {(url: string, init: RequestInit) => Promise<Response>} ask
 * @param {(text: string) => Document} parse
 * @returns {Promise<boolean>}
 */
export async function refresh(page, ask, parse) {
  let text;
  try {
    const response = await ask(page.location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!response.ok) return false;
    text = await response.text();
  } catch {
    return false; // no network, or signed out: the next try or a reload tells
  }
  const fresh = parse(text).querySelector("[data-refresh]");
  const old = page.querySelector("[data-refresh]");
  if (!fresh || !old) return false;
  old.replaceWith(fresh);
  return true;
}

/**
 * The time until the next look, or 0 when there is nothing to look for any more.
 * @param {Document} page
 */
export function pause(page) {
  return Number(page.querySelector("[data-refresh]")?.getAttribute("data-refresh") ?? 0);
}

/** @param {Document} page */
export function start(page) {
  const button = page.querySelector("[data-refresh-switch]");
  let running = true;
  const look = async () => {
    const every = pause(page);
    if (every === 0) {
      if (button instanceof HTMLElement) button.hidden = true;
      return;
    }
    let next = every;
    if (running && !page.hidden) {
      const parse = (/** @type {string} */ text) => new DOMParser().parseFromString(text, "text/html");
      if (!(await refresh(page, (url, init) => fetch(url, init), parse))) next = AFTER_ERROR_MS;
    }
    setTimeout(look, next);
  };
  button?.addEventListener("click", () => {
    running = !running;
    button.setAttribute("aria-pressed", String(!running));
  });
  setTimeout(look, pause(page));
}

if (typeof document !== "undefined") start(document);
