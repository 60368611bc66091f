/**
 * Sends a file to the meeting with its progress (fetch cannot tell how much has left).
 */

/** An upload that did not succeed; `words` may be shown. */
export class UploadFailure extends Error {
  /** @param {string} words */
  constructor(words) {
    super(words);
    this.name = "UploadFailure";
    this.words = words;
  }
}

/**
 * @param {File} file
 * @param {{url: string, csrf: string, onProgress: (share: number) => void, onStart?: (abort: () => void) => void}} options
 *   `onProgress` is given 0…1
 * @returns {Promise<void>} the chat shows the file by its own event; rejects with UploadFailure
 */
export function uploadFile(file, { url, csrf, onProgress, onStart }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new UploadFailure(words(request)));
    };
    request.onerror = () => reject(new UploadFailure(gettext("The connection was interrupted while the file was sent.")));
    request.onabort = () => reject(new UploadFailure(""));
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrf);
    request.setRequestHeader("Accept", "application/json");
    const form = new FormData();
    form.append("file", file);
    request.send(form);
    onStart?.(() => request.abort());
  });
}

/** What the server says, else what its status means. @param {XMLHttpRequest} request */
function words(request) {
  const said = messageIn(request.responseText);
  if (said) return said;
  if (request.status === 413) return gettext("The file is too large.");
  if (request.status === 403) return gettext("You are not allowed to share files here.");
  return gettext("The server did not take the file.");
}

/** @param {string} text JSON with `error.message` */
function messageIn(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? error : String(error?.message ?? "");
  } catch {
    return ""; // a page instead of an answer
  }
}
