// Opens a part that unfolds and goes into it, or closes it and stays with its head.

export function toggleDetails(details, inner) {
  details.open = !details.open;
  (details.open ? details.querySelector(inner) : details.querySelector("summary"))?.focus();
  details.scrollIntoView({ block: "nearest" });
}
