// Says when an HTMX request got no answer or one that is not shown.
import { toast } from "./toast.js";

document.body.addEventListener("htmx:sendError", () => {
  toast("The server cannot be reached. This page shows what it had; it tries again by itself.");
});
document.body.addEventListener("htmx:timeout", () => {
  toast("The server took too long to answer. Try again.");
});
