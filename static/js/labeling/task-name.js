// What the page around a task says of it, which the next one has otherwise: its number, how many responses it has, and
// their letters.
import { t } from "../words.js";

export function createTaskName(page) {
  const [, ...site] = page.title.split(" · ");
  const find = (selector) => page.querySelector(selector);
  return (number, { letterCount }) => {
    find("[data-task-number]").textContent = number;
    page.title = [t("Task {number}", { number }), ...site].join(" · ");
    find("[data-task-heading]").textContent = t("Rate and rank {count} responses", { count: letterCount });
    find("[data-last-letter]").textContent = String.fromCharCode("A".charCodeAt(0) + letterCount - 1);
  };
}
