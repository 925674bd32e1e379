// [data-opens="id"] opens that dialog, [data-closes] closes the one around it, so does a click beside it.

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) {
    document.getElementById(opener.dataset.opens).showModal();
  } else if (event.target.closest("[data-closes]") || isBackdrop(event)) {
    event.target.closest("dialog").close();
  }
});

function isBackdrop(event) {
  if (event.target.tagName !== "DIALOG" || event.detail === 0) {
    return false;
  }
  const box = event.target.getBoundingClientRect();
  const isInside = event.clientX >= box.left && event.clientX <= box.right
    && event.clientY >= box.top && event.clientY <= box.bottom;
  return !isInside;
}
