// Says when an HTMX request got no answer or one that is not shown.
import { toast } from "./toast.js";
import { t } from "./words.js";

document.body.addEventListener("htmx:sendError", () => {
  toast(t("The server cannot be reached. This page shows what it had; it tries again by itself."));
});
document.body.addEventListener("htmx:timeout", () => {
  toast(t("The server took too long to answer. Try again."));
});
