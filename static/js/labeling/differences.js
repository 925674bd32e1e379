// What differs between two responses of a task, from the server.
import { getDifferences, NetworkError } from "./api.js";
import { t } from "../words.js";

// {left, right} in pieces; or {problem} with a sentence.
export async function differencesOf(taskId, left, right) {
  try {
    const { status, body } = await getDifferences(taskId, left, right);
    return status < 300 ? body : { problem: body.detail ?? t("The differences cannot be shown.") };
  } catch (error) {
    if (!(error instanceof NetworkError)) {
      throw error;
    }
    return { problem: t("The server cannot be reached.") };
  }
}
