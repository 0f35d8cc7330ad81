// Links open the whole pictures; with this they do so in place.
(() => {
  const viewer = document.getElementById("viewer");
  if (!viewer) return; // a page without pictures
  let links = [];
  let now = 0;
  const step = (by) => {
    now = (now + by + links.length) % links.length;
    viewer.querySelector("img").src = links[now].href;
    viewer.querySelector("img").alt = links[now].dataset.words;
    viewer.querySelector("figcaption").textContent = links[now].dataset.words;
  };
  for (const group of document.querySelectorAll("[data-shots]")) {
    const mine = [...group.querySelectorAll("a")];
    mine.forEach((link, number) => link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || !viewer.showModal) return;
      event.preventDefault();
      links = mine;
      now = number;
      step(0);
      viewer.showModal();
    }));
  }
  for (const button of viewer.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  }
  viewer.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
})();
