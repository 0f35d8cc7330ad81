// A point's words beside it, when it is pointed at and when it has the focus. A reader of screens
// gets the same words as its label, so the box itself is hidden from one.
const tip = document.getElementById("tip");

function showTip(mark, x, y) {
  tip.textContent = mark.dataset.tip;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const above = y - box.height - 12;
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - box.width - 8))}px`;
  tip.style.top = `${above > 8 ? above : y + 18}px`;
}

function hideTip() {
  tip.hidden = true;
}

for (const mark of document.querySelectorAll("[data-tip]")) {
  mark.querySelector("title")?.remove(); // or the browser would show the words a second time
  mark.addEventListener("pointerenter", (event) => showTip(mark, event.clientX, event.clientY));
  mark.addEventListener("pointermove", (event) => showTip(mark, event.clientX, event.clientY));
  mark.addEventListener("pointerleave", hideTip);
  mark.addEventListener("focus", () => {
    const box = mark.getBoundingClientRect();
    showTip(mark, box.left + Math.min(box.width / 2, 40), box.top + Math.min(box.height / 2, 12));
  });
  mark.addEventListener("blur", hideTip);
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTip();
});
addEventListener("scroll", hideTip, { passive: true });
