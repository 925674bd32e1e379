// The texts of the scripts in the language of the page. They stand in English where they are used; a module of locales/
// has another language, by the English text, and only pages in that language load it. Without a page it is English.

export const language = globalThis.document?.documentElement.lang || "en";

const catalogue = language === "en" ? {} : (await import(`./locales/${language}.js`)).default;
const plurals = new Intl.PluralRules(language);

// "{letter} rated {rating}" with its values.
export function t(text, values = {}) {
  return filled(catalogue[text] ?? text, values);
}

// `forms` are {one, other}; the value `count` is in them. A catalogue has its own forms by the English one for many.
export function tn(forms, count, values = {}) {
  const all = catalogue[forms.other] ?? forms;
  return filled(all[plurals.select(count)] ?? all.other, { count, ...values });
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
