// Geometry of the stage: how pixels of an image come to places in a pane, and back. Boxes are
// [left, top, width, height] in pixels of the image; a view is { zoom, x, y } with the pixel in the
// middle of the pane, and zoom null where the picture is to fit.

const MOST_ZOOM = 16;
const MIDDLE = 0.5;

function sharedBox(one, other) {
  const [left, top] = [Math.max(one[0], other[0]), Math.max(one[1], other[1])];
  const right = Math.min(one[0] + one[2], other[0] + other[2]);
  const bottom = Math.min(one[1] + one[3], other[1] + other[3]);
  return [left, top, right - left, bottom - top];
}

// Enlarged only by whole factors, so that pixels stay squares of one size.
function fitZoom(box, pane) {
  const zoom = Math.min(pane.width / box[2], pane.height / box[3]);
  return zoom < 1 ? zoom : Math.min(Math.floor(zoom), MOST_ZOOM);
}

// The view within limits: no further than the edges of what there is to see.
function heldView(view, box, pane) {
  const zoom = view.zoom ?? fitZoom(box, pane);
  const along = (centre, start, extent, room) => {
    const half = room / zoom / 2;
    if (centre === null || 2 * half >= extent) return start + extent / 2;
    return Math.min(Math.max(centre, start + half), start + extent - half);
  };
  return {
    zoom,
    x: along(view.x, box[0], box[2], pane.width),
    y: along(view.y, box[1], box[3], pane.height),
  };
}

function canPan(view, box, pane) {
  return box[2] * view.zoom > pane.width + 1 || box[3] * view.zoom > pane.height + 1;
}

// Put a picture that holds the box `stored` where the view has it, and show no more than `box`.
function placeLayer(layer, stored, box, view, pane) {
  const round = (value) => Math.round(value * devicePixelRatio) / devicePixelRatio;
  const left = round(pane.width / 2 + (stored[0] - view.x) * view.zoom);
  const top = round(pane.height / 2 + (stored[1] - view.y) * view.zoom);
  const right = stored[0] + stored[2] - box[0] - box[2];
  const bottom = stored[1] + stored[3] - box[1] - box[3];
  layer.style.width = `${stored[2]}px`;
  layer.style.height = `${stored[3]}px`;
  layer.style.transform = `translate(${left}px, ${top}px) scale(${view.zoom})`;
  layer.style.clipPath = `inset(${box[1] - stored[1]}px ${right}px ${bottom}px ${box[0] - stored[0]}px)`;
}

// The view after zooming so that what is at a place of the pane stays there.
function zoomedAt(view, zoom, place, pane) {
  const [dx, dy] = [place.x - pane.width * MIDDLE, place.y - pane.height * MIDDLE];
  return { zoom, x: view.x + dx / view.zoom - dx / zoom, y: view.y + dy / view.zoom - dy / zoom };
}

// Pointers on an element: one drags, two pinch.
//   onStart(event): what a drag is to be called with, or null to leave it alone
//   onDrag(kind, dx, dy, event), onPinch(factor, place), onClick(event)
function watchPointers(element, { onStart, onDrag, onPinch, onClick }) {
  const down = new Map();
  let kind = null;
  let moved = false;
  const spread = () => {
    const [one, other] = [...down.values()];
    return { size: Math.hypot(one.x - other.x, one.y - other.y), x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (!down.size) {
      kind = onStart(event);
      moved = false;
    }
    if (kind === null) return;
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const gap = down.size === 2 ? spread() : null;
    const [dx, dy] = [event.clientX - before.x, event.clientY - before.y];
    down.set(event.pointerId, { x: event.clientX, y: event.clientY });
    moved ||= Math.hypot(dx, dy) > 2;
    if (!gap) onDrag(kind, dx, dy, event);
    else onPinch(spread().size / Math.max(gap.size, 1), spread());
  });
  const release = (event) => {
    if (down.delete(event.pointerId) && !down.size && !moved && event.type === "pointerup") onClick(event);
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
}
