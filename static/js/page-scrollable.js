// Does so on every page, also for the texts of its dialogs.
import { watchScrollable } from "./scrollable.js";

watchScrollable(document);
