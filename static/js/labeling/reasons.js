// Why the server refused something, in the language of the page. Its own sentences are English and say the most; in
// another language their code says which sentence stands for them.
import { language, t } from "../words.js";

const BY_CODE = {
  already_submitted: t("This task is submitted already."),
  lease_lost: t("Your hold on this task has ended; ask for a task again."),
  not_found: t("There is no such task, or it is not yours."),
  round_closed: t("The round is closed: its rankings cannot be changed any more."),
  too_large: t("It is too large."),
  version_conflict: t("This ranking was changed elsewhere; load it again."),
  withdrawn: t("This task was withdrawn by an admin."),
};

export function reasonOf({ code, detail }) {
  if (language === "en") {
    return detail ?? "The server refused this without a reason.";
  }
  return BY_CODE[code] ?? t("The server refused this ({code}).", { code: code ?? "?" });
}
