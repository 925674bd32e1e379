// form[data-preview="#frame"]: the frame shows what the form says, shortly after it is changed, and the
// page's [data-words] says the same in words.

const DELAY_MS = 250;
const LONGEST = 500; // of a text in an address

const queryOf = (form) => {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    query.append(name, value.slice(0, LONGEST));
  }
  return query;
};

const follow = (form) => {
  const frame = document.querySelector(form.dataset.preview);
  const address = new URL(frame.src);
  let timer = null;
  let scrolled = 0;
  let isLoading = false; // Then it stands at the top, and not where it was left.

  const reload = () => {
    address.search = queryOf(form);
    scrolled = isLoading ? scrolled : frame.contentWindow.scrollY;
    isLoading = true;
    frame.contentWindow.location.replace(address); // unlike `src`, no step in the history
  };

  frame.addEventListener("load", () => {
    frame.contentWindow.scrollTo(0, scrolled);
    isLoading = false;
    const said = frame.contentDocument.querySelectorAll("[data-words] > li");
    if (said.length > 0) {
      document.querySelector("[data-words]").replaceChildren(...said);
    }
  });
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(reload, DELAY_MS);
  });
};

document.querySelectorAll("form[data-preview]").forEach(follow);
