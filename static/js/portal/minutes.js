/** The page of minutes: a button that prints, shown only where scripts run. */

for (const button of document.querySelectorAll("[data-print]")) {
  if (!(button instanceof HTMLElement)) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    // What is folded away on the screen belongs on paper.
    for (const details of document.querySelectorAll("details")) details.open = true;
    print();
  });
}
