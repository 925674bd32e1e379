// Sends the ranking and says whether it is stored; what goes wrong is shown, and the work stays.
import { NetworkError, putRanking } from "./api.js";
import { explain } from "./messages.js";

export function createSubmit({ taskId, next, button, messages }) {
  let isUnderWay = false;

  return async (key, body) => {
    if (isUnderWay) {
      return false;
    }
    isUnderWay = true;
    button.setAttribute("aria-disabled", "true");
    button.textContent = "Submitting…";
    messages.clear();
    try {
      const { status, body: answer } = await putRanking(taskId, key, body, () => {
        messages.show("The server cannot be reached. Your work is kept; trying again…", { tone: "warn" });
      });
      if (status < 300) {
        return true;
      }
      const { text, link } = explain(status, answer, next);
      messages.show(text, { link });
    } catch (error) {
      if (!(error instanceof NetworkError)) {
        throw error;
      }
      messages.show("Not submitted: the server cannot be reached. Your work is kept; submit again later.");
    } finally {
      isUnderWay = false;
      button.removeAttribute("aria-disabled");
      button.textContent = "Submit";
    }
    return false;
  };
}
