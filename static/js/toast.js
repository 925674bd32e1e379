// toast(text): a short message in the page's live region.

const SECONDS = 6;

export function toast(text) {
  const region = document.getElementById("toasts");
  const item = document.createElement("p");
  item.className = "toast";
  item.textContent = text;
  region.replaceChildren(item);
  setTimeout(() => item.remove(), SECONDS * 1000);
}
