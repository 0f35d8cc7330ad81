// Light, dark, or as the system has it; the choice is kept where the browser allows that.
const theme = document.getElementById("theme");
const THEMES = ["auto", "light", "dark"];

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  theme.dataset.now = name;
  theme.querySelector("span").textContent = name;
}

function keptTheme() {
  try {
    return localStorage.getItem("slimcodec-theme");
  } catch {
    return null; // a page from the disk may have no store
  }
}

setTheme(THEMES.includes(keptTheme()) ? keptTheme() : "auto");
theme.addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(theme.dataset.now) + 1) % THEMES.length];
  setTheme(next);
  try {
    localStorage.setItem("slimcodec-theme", next);
  } catch {
    // then it holds until the page is closed
  }
});
