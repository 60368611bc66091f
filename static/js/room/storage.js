/**
 * The browser's storage, or null where it is refused (private windows, blocked cookies).
 * @param {"localStorage" | "sessionStorage"} name
 * @returns {Storage | null}
 */
export function storage(name) {
  try {
    const found = window[name];
    found.setItem("plenum.probe", "1");
    found.removeItem("plenum.probe");
    return found;
  } catch (error) {
    console.info(`${name} is refused; choices last as long as this page`, error);
    return null;
  }
}
