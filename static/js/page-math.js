// Sets the formulas of a page, also those that arrive later by htmx.
import { setMath } from "./set-math.js";

const keepSources = () => {}; // KaTeX cannot be had: the formulas stay as they were written

setMath(document).catch(keepSources);
document.addEventListener("htmx:afterSettle", (event) => setMath(event.target).catch(keepSources));
