// The viewer of pictures. Its state is image, A, B, mode and view, which is also what a link holds;
// `show` draws the state, and everything else changes it. The pictures are the page's own <img>s.

const MODES = { s: "slider", d: "side", f: "flip", e: "error", c: "delta" };
const MAPS = {
  error: { draw: errorMap, name: "Error of luma", ticks: ["0", "8", "16", "24", "32 levels"], unit: "levels", white: true },
  delta: { draw: deltaMap, name: "ΔE (CIEDE2000)", ticks: ["0", "2.5", "5", "7.5", "10 and more"], unit: "" },
};
const ZOOM_STEPS = [1, 2, 3, 4, 6, 8, 12, 16];
const PAN_SHARE = 0.125;

class Viewer {
  constructor(root, images) {
    this.root = root;
    this.images = images;
    this.stage = root.querySelector(".stage");
    this.divider = root.querySelector(".divider");
    this.panes = { a: root.querySelector(".pane-a"), b: root.querySelector(".pane-b") };
    this.map = root.querySelector(".map");
    this.layers = {};
    for (const which of ["a", "b"]) {
      this.layers[which] = { shot: this.newLayer(which), original: this.newLayer(which) };
    }
    this.isHeld = false;
    this.isFlipped = false;
    this.state = { ...this.opening(0), mode: "slider", split: 50 };
    this.makeFilm();
    this.listen();
    root.hidden = false;
    this.restore(location.hash);
    this.show();
  }

  newLayer(which) {
    const layer = new Image();
    layer.className = "layer";
    layer.alt = "";
    layer.draggable = false;
    this.panes[which].append(layer);
    return layer;
  }

  // ---- what is shown

  get image() {
    return this.images[this.state.image];
  }

  shot(name) {
    return this.image.shots.find((shot) => shot.name === name);
  }

  get box() {
    return sharedBox(this.shot(this.state.a).stored, this.shot(this.state.b).stored);
  }

  get pane() {
    return { width: this.panes.b.clientWidth, height: this.panes.b.clientHeight };
  }

  get view() {
    return heldView(this.state, this.box, this.pane);
  }

  opening(image) {
    return { image, a: "original", b: this.images[image].lead, zoom: null, x: null, y: null };
  }

  // ---- what changes it

  change(changes) {
    Object.assign(this.state, changes);
    this.say("");
    this.show();
    this.keep();
  }

  goTo(image) {
    const next = this.images[(image + this.images.length) % this.images.length];
    const like = (name) => {
      const now = this.shot(name);
      const same = now.isMatched ? null : next.shots.find((shot) => shot.name === name);
      const akin = next.shots.find((shot) => shot.label === now.label && shot.isMatched);
      return (same ?? akin ?? next.shots[0]).name;
    };
    const { a, b } = this.state;
    this.change({ image: this.images.indexOf(next), a: like(a), b: like(b), zoom: null, x: null, y: null });
  }

  setMode(mode) {
    this.isFlipped = false;
    this.change({ mode });
  }

  hold(isHeld) {
    if (this.isHeld === isHeld) return;
    this.isHeld = isHeld;
    this.show();
  }

  flip() {
    this.isFlipped = !this.isFlipped;
    this.show();
  }

  swap() {
    this.change({ a: this.state.b, b: this.state.a });
  }

  setZoom(zoom, place = { x: this.pane.width / 2, y: this.pane.height / 2 }) {
    const fit = fitZoom(this.box, this.pane);
    if (zoom === null || zoom < Math.min(1, fit)) return this.change({ zoom: null, x: null, y: null });
    return this.setView(zoomedAt(this.view, Math.min(zoom, MOST_ZOOM), place, this.pane));
  }

  setView(view) {
    this.change(heldView(view, this.box, this.pane));
  }

  stepZoom(by) {
    const now = this.view.zoom;
    const steps = by > 0 ? ZOOM_STEPS.filter((step) => step > now + 0.01) : ZOOM_STEPS.filter((step) => step < now - 0.01);
    this.setZoom((by > 0 ? steps[0] : steps.at(-1)) ?? (by > 0 ? MOST_ZOOM : null));
  }

  pan(dx, dy) {
    const view = this.view;
    if (!canPan(view, this.box, this.pane)) return;
    this.setView({ ...view, x: view.x - dx / view.zoom, y: view.y - dy / view.zoom });
  }

  setSplit(split) {
    this.change({ split: Math.min(Math.max(split, 0), 100) });
  }

  goToSpot() {
    const spot = (this.shot(this.state.b).spot ?? this.shot(this.state.a).spot);
    if (!spot) return this.say("A and B are both the original.");
    const room = Math.min(this.pane.width / spot[2], this.pane.height / spot[3]);
    const zoom = Math.max(1, Math.min(Math.floor(room), MOST_ZOOM));
    return this.setView({ zoom, x: spot[0] + spot[2] / 2, y: spot[1] + spot[3] / 2 });
  }

  // ---- links

  keep() {
    clearTimeout(this.keeping); // browsers refuse many changes of the address in a row
    this.keeping = setTimeout(() => history.replaceState(null, "", this.link()), 200);
  }

  link() {
    const { a, b, mode, zoom, split } = this.state;
    const words = { picture: this.image.image, a, b, mode, zoom: zoom === null ? "fit" : Number(zoom.toFixed(3)) };
    if (zoom !== null) Object.assign(words, { x: this.view.x.toFixed(1), y: this.view.y.toFixed(1) });
    if (mode === "slider") words.split = split.toFixed(0);
    return `#${new URLSearchParams(words)}`;
  }

  // Whether the address is one of the viewer's; what is wrong in it is left as it is.
  restore(hash) {
    const words = new URLSearchParams(hash.slice(1));
    const image = this.images.findIndex((each) => each.image === words.get("picture"));
    if (image < 0) return false;
    const state = { ...this.opening(image), split: this.state.split, mode: this.state.mode };
    for (const which of ["a", "b"]) {
      const found = this.images[image].shots.find((shot) => shot.name === words.get(which));
      if (found) state[which] = found.name;
    }
    const read = (name) => (words.get(name) && Number.isFinite(Number(words.get(name))) ? Number(words.get(name)) : null);
    if (Object.values(MODES).includes(words.get("mode"))) state.mode = words.get("mode");
    if (read("zoom") > 0) Object.assign(state, { zoom: Math.min(read("zoom"), MOST_ZOOM), x: read("x"), y: read("y") });
    if (read("split") !== null) state.split = Math.min(Math.max(read("split"), 0), 100);
    this.state = state;
    this.isFlipped = false;
    return true;
  }

  async copyLink() {
    const address = new URL(this.link(), location.href).href;
    history.replaceState(null, "", address);
    try {
      await navigator.clipboard.writeText(address);
      this.say("The link is copied.");
    } catch {
      this.say("The browser does not let the page copy; the link is in its address line.");
    }
  }

  say(words) {
    this.root.querySelector(".said").textContent = words;
  }
}

Object.assign(Viewer.prototype, drawing, hands);

const viewerRoot = document.getElementById("viewer");
const viewer = viewerRoot && new Viewer(viewerRoot, JSON.parse(document.getElementById("viewer-data").textContent));
