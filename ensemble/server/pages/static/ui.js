"use strict";
/* Keys. An element says which key presses it: data-key="j" (and data-told="next case" for the list behind "?").
   Links and buttons are clicked, fields are focused. Nothing happens while somebody writes. */
(() => {
  const writing = (at) => at instanceof Element && at.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]");
  const shown = (one) => one.getClientRects().length > 0;
  const find = (key) => [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key && !one.disabled && shown(one));

  const help = () => {
    const dialog = document.getElementById("keys");
    const list = dialog.querySelector("dl");
    const rows = [...document.querySelectorAll("[data-key]")].filter(shown).map((one) => [one.dataset.key, one.dataset.told || one.textContent.trim()]);
    list.replaceChildren(...[...rows, ["?", "this list"]].flatMap(([key, told]) => {
      const term = document.createElement("dt"), text = document.createElement("dd"), kbd = document.createElement("kbd");
      kbd.textContent = key;
      term.append(kbd);
      text.textContent = told;
      return [term, text];
    }));
    dialog.showModal();
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && writing(event.target)) return event.target.blur();
    if (writing(event.target) || document.querySelector("dialog[open]")) return;
    const one = event.key === "?" ? null : find(event.key);
    if (event.key === "?") help();
    else if (!one) return;
    else if (one.matches("textarea, select, input:not([type=radio]):not([type=checkbox]):not([type=submit])")) one.focus();
    else { one.focus(); one.click(); }
    event.preventDefault();
  });
})();
