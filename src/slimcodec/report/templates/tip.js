// Points and cells carry their words as titles too, or as text that a reader of screens gets.
(() => {
  const tip = document.getElementById("tip");
  const place = (event) => {
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, innerWidth - box.width - 8);
    const above = event.clientY - box.height - 12;
    tip.style.left = `${Math.max(8, x)}px`;
    tip.style.top = `${above > 8 ? above : event.clientY + 18}px`;
  };
  for (const mark of document.querySelectorAll("[data-tip]")) {
    mark.querySelector("title")?.remove();
    mark.addEventListener("pointerenter", (event) => {
      tip.textContent = mark.dataset.tip;
      tip.hidden = false;
      place(event);
    });
    mark.addEventListener("pointermove", place);
    mark.addEventListener("pointerleave", () => { tip.hidden = true; });
  }
})();
