/**
 * The page of a recording that is being prepared: asks how far it is every two seconds and shows the film when
 * it is there. `<… data-recording-state="url">` around a `<progress>` and its number.
 */

const ASK_EVERY_MS = 2000;
const AFTER_ERROR_MS = 10_000;

/**
 * Shows `percent` in the box.
 * @param {Element} box
 * @param {number} percent
 */
export function showPercent(box, percent) {
  const bar = box.querySelector("progress");
  if (!(bar instanceof HTMLProgressElement)) return;
  bar.value = percent;
  const number = bar.nextElementSibling;
  if (number) number.textContent = `${percent} %`;
}

/**
 * One question; resolves to the time until the next one, or null when there is nothing to wait for any more.
 * @param {Element} box
 * @param {(url: string, init: RequestInit) => Promise<Response>} ask
 * @param {() => void} done called when the recording left the state "composing"
 * @returns {Promise<number | null>}
 */
export async function askOnce(box, ask, done) {
  let answer;
  try {
    const response = await ask(box.getAttribute("data-recording-state") ?? "", {
      headers: { Accept: "application/json" },
    });
    if (response.status === 403 || response.status === 404) {
      done(); // the right was taken back or the recording deleted: the page says so better
      return null;
    }
    if (!response.ok) return AFTER_ERROR_MS;
    answer = await response.json();
  } catch {
    return AFTER_ERROR_MS; // the network is away; the composition goes on without us
  }
  if (answer.state !== "composing") {
    done();
    return null;
  }
  showPercent(box, answer.percent);
  return ASK_EVERY_MS;
}

async function watch() {
  const box = document.querySelector("[data-recording-state]");
  if (!box) return;
  for (;;) {
    const wait = await askOnce(box, (url, init) => fetch(url, init), () => location.reload());
    if (wait === null) return;
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

if (typeof document !== "undefined") watch();
