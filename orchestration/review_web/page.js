"use strict";
// One key a decision: the key presses the control that carries it, so that nothing can be done that a click could not.
const note = document.querySelector("input[name=note]");
let sent = false;

document.addEventListener("submit", (event) => {
  if (sent) event.preventDefault(); // a second press before the next page is there
  sent = true;
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
  if (event.target === note) {
    if (event.key === "Escape") note.blur();
    if (event.key === "Enter") event.preventDefault(); // a note is no decision
    return;
  }
  if (event.key === "/" && note) {
    event.preventDefault();
    note.focus();
    return;
  }
  const control = document.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (control && !control.disabled) {
    event.preventDefault();
    control.click();
  }
});
