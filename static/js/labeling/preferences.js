// What the labeler has set for themselves: used at once, and saved on the server.
import { getPreferences, NetworkError, putPreferences } from "./api.js";
import { t } from "../words.js";
import { reasonOf } from "./reasons.js";

// `now` is what the page was told; it is changed in place, so that all who have it see the same.
export function createPreferences(now, { onChange }) {
  let saving = Promise.resolve(null);
  return {
    now,
    // The promise gives null, or a sentence that says why it is not saved.
    change(part) {
      Object.assign(now, part);
      onChange();
      saving = saving.then(() => save(part));
      return saving;
    },
  };
}

// Reads first: another window may have changed something else.
async function save(part) {
  try {
    const stored = await getPreferences();
    const { status, body } = stored.status === 200 ? await putPreferences({ ...stored.body, ...part }) : stored;
    return status === 200 ? null : notSaved(reasonOf(body));
  } catch (error) {
    if (!(error instanceof NetworkError)) {
      throw error;
    }
    return notSaved(t("the server cannot be reached."));
  }
}

function notSaved(why) {
  return t("It is used on this page, but not saved: {why}", { why });
}
