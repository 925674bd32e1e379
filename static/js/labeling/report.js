// The dialog that tells the admins of a broken or unsafe prompt or response.
import { NetworkError, postReport } from "./api.js";
import { explain } from "./messages.js";
import { t } from "../words.js";

// `task()` is the open task; `onWithdrawn()` goes on when it was taken away from everybody.
export function enableReport(dialog, { task, next, messages, onWithdrawn }) {
  const form = dialog.querySelector("[data-report-form]");
  const error = dialog.querySelector("[data-report-error]");
  const where = dialog.querySelector("[data-report-response]");
  let isSending = false;

  dialog.addEventListener("toggle", (event) => {
    if (event.newState === "open") {
      const { ids, letters, view } = task().store;
      where.replaceChildren(where.options[0], ...ids.map((id) => new Option(t("In response {letter}", { letter: letters.get(id) }), id)));
      where.value = view().active;
      error.textContent = "";
    }
  });

  async function thank(kind, isWithdrawn) {
    task().log("report", { kind });
    if (isWithdrawn) {
      await onWithdrawn();
    }
    const text = isWithdrawn 
      ? t("Reported. The task was taken back until an admin has looked.") : t("Reported. Thank you.");
    messages.show(text, { tone: "good", isPassing: true });
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) {
      return; // A double click is one wish.
    }
    const kind = form.elements.kind.value;
    if (!kind) {
      error.textContent = t("Choose what is wrong.");
      form.querySelector("[name=kind]").focus();
      return;
    }
    isSending = true;
    try {
      const note = form.elements["report-note"].value.trim();
      const { status, body } = await postReport(task().id, kind, Number(where.value) || null, note);
      if (status < 300) {
        dialog.close();
        form.reset();
        await thank(kind, body.withdrawn);
      } else {
        error.textContent = explain(status, body, { next, here: true }).text;
      }
    } catch (failure) {
      if (!(failure instanceof NetworkError)) {
        throw failure;
      }
      error.textContent = t("The server cannot be reached. Nothing was reported; try again.");
    } finally {
      isSending = false;
    }
  });
}
