/**
 * What went wrong with a camera, a microphone or a screen, as a code the page has words for (ui/words.js).
 * @typedef {"blocked" | "blocked-system" | "dismissed" | "missing" | "in-use" | "insecure" | "unplugged" | "unsupported" | "unknown"} DeviceError
 */

/**
 * @param {unknown} error what getUserMedia or getDisplayMedia rejected with (W3C Media Capture section 10)
 * @returns {DeviceError}
 */
export function classify(error) {
  const name = error instanceof Error ? error.name : "";
  const message = error instanceof Error ? error.message.toLowerCase() : "";
  switch (name) {
    case "NotAllowedError":
    case "PermissionDeniedError":
      if (message.includes("system")) return "blocked-system";
      return message.includes("dismissed") ? "dismissed" : "blocked";
    case "SecurityError":
      return "insecure";
    case "NotFoundError":
    case "DevicesNotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return "in-use";
    case "NotSupportedError":
    case "TypeError":
      return "unsupported";
    default:
      return "unknown";
  }
}
