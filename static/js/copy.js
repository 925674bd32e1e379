// button[data-copy="#selector"]: copies that element's text.
import { toast } from "./toast.js";
import { t } from "./words.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) {
    return;
  }
  const source = document.querySelector(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    toast(t("Copied."));
  } catch {
    getSelection().selectAllChildren(source);
    toast(t("Copying is not allowed here. The text is selected: press Ctrl+C."));
  }
});
