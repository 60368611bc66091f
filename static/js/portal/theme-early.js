// Runs before the first paint (a classic script in the head), so that a chosen theme never flashes the other one.
(() => {
  try {
    const theme = localStorage.getItem("plenum.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is blocked for this site: the system's theme stays in force.
  }
})();
