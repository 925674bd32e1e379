// The dialog that gives the task back with a reason.
import { NetworkError, postSkip } from "./api.js";
import { explain } from "./messages.js";
import { t } from "../words.js";

// `task()` is the open task.
export function enableSkip(dialog, { task, next, onSkipped }) {
  const form = dialog.querySelector("[data-skip-form]");
  const error = dialog.querySelector("[data-skip-error]");
  let isSending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) {
      return; // A double click is one wish.
    }
    const reason = form.elements.reason.value;
    const note = form.elements["skip-note"].value.trim();
    if (!reason) {
      error.textContent = t("Choose a reason.");
      form.querySelector("[name=reason]").focus();
      return;
    }
    if (reason === "other" && !note) {
      error.textContent = t("Say in the note what the reason is.");
      form.elements["skip-note"].focus();
      return;
    }
    isSending = true;
    try {
      const { id, token } = task().lease();
      const { status, body } = await postSkip(id, token, reason, note);
      if (status < 300) {
        dialog.close();
        form.reset();
        error.textContent = "";
        task().log("skip", { reason });
        await onSkipped();
      } else {
        error.textContent = explain(status, body, { next, here: true }).text;
      }
    } catch (failure) {
      if (!(failure instanceof NetworkError)) {
        throw failure;
      }
      error.textContent = t("The server cannot be reached. The task is still yours; try again.");
    } finally {
      isSending = false;
    }
  });
}
