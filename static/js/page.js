// What every page has but the labeling page, which takes of it what it needs.
import "./confirm.js";
import "./copy.js";
import "./dialog.js";
import "./network-notice.js";
import "./page-math.js";
import "./page-scrollable.js";
import "./theme.js";
