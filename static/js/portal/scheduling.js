/** The booking form: people picker and agenda rows. Without scripts both are plain fields. */
import { initAgenda } from "./scheduling-agenda.js";
import { initPeople } from "./scheduling-people.js";

for (const root of document.querySelectorAll("[data-people]")) initPeople(/** @type {HTMLElement} */ (root));
for (const root of document.querySelectorAll("[data-agenda]")) initAgenda(/** @type {HTMLElement} */ (root));
