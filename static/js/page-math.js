// Sets the formulas of a page, also those that arrive later by htmx.
import { setMath } from "./set-math.js";

setMath(document);
document.addEventListener("htmx:afterSettle", (event) => setMath(event.target));
