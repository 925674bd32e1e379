// Where the links of a text lead, as text behind each of them: two links may say the same and lead elsewhere.

const CLASS = "link-address";

// As the server writes them into the text that it compares: `shown_text` in app/web/markdown.py.
export function showAddresses(root) {
  for (const link of root.querySelectorAll("a[href]")) {
    const address = document.createElement("small");
    address.className = CLASS;
    address.dir = "ltr";
    address.textContent = ` <${[link.getAttribute("href"), link.title].filter(Boolean).join(" ")}>`;
    link.after(address);
  }
}

// Leaves only those with something marked in them.
export function removeSameAddresses(root) {
  for (const address of root.querySelectorAll(`.${CLASS}`)) {
    if (!address.querySelector(".difference")) {
      address.remove();
    }
  }
}
