// Drawing surfaces that fit their box and the screen's pixels, in the page's colours.

const still = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "line", "accent", "surface", "warn"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}
readColours();
dark.addEventListener("change", readColours);

/** How long between two drawings: who asked for less motion gets a step a second. */
export const drawEveryMs = () => (still.matches ? 1000 : 100);

/** Return {context, width, height, colours} with a clean surface, in CSS pixels; null while it is not to be seen. */
export function surface(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  if (!width || !height) return null;
  const ratio = devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height, colours };
}

/** Hatch a box: a state that is seen without colour too. */
export function hatch(context, x, y, width, height, colour) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = 0.35;
  context.lineWidth = 1.5;
  context.beginPath();
  for (let at = x - (x % 8) - height; at < x + width; at += 8) {
    context.moveTo(at, y + height);
    context.lineTo(at + height, y);
  }
  context.stroke();
  context.restore();
}

/** Draw a line through points [x, y]; null breaks it. */
export function line(context, points, colour, width = 2) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.beginPath();
  let drawing = false;
  for (const point of points) {
    if (point === null) drawing = false;
    else {
      if (drawing) context.lineTo(...point);
      else context.moveTo(...point);
      drawing = true;
    }
  }
  context.stroke();
}
