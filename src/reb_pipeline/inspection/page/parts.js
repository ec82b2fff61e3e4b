"use strict";

// Text from outside the report reaches the page as text only, never as HTML.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
byId("data").remove();

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

function shape(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const score = (value) => String(Number(value.toPrecision(4)));
const thousands = (value) => value.toLocaleString("en");

function photo(type, file, alt) {
  return element("img", { src: `data:image/${type};base64,${file}`, alt, loading: "lazy", decoding: "async" });
}

/** Outlines of the marked pixels and boxes of the defects, in pixels of the image. */
function marks(view) {
  const drawing = shape("svg", { viewBox: `0 0 ${view.width} ${view.height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  for (const points of view.outlines) drawing.append(shape("polygon", { points: points.join(" ") }));
  for (const [x, y, width, height] of view.defects) drawing.append(shape("rect", { x, y, width, height }));
  return drawing;
}

/** Width over height of what is shown: a strip is compressed to three times its width, as `shown` of images/shown.py does. */
const proportion = (view) => Math.min(3, Math.max(1 / 3, view.width / view.height));

/** An image as itself, as its map, or both; `alt` is empty where a caption says what it is. */
function picture(image, show, alt, large = false) {
  const view = image.view;
  if (!view) return element("span", { className: "nothing", textContent: image.error || (image.score === null ? image.reason : "too many images for a picture of each") });
  const frame = element("span", { className: `picture ${show}` });
  frame.style.aspectRatio = String(proportion(view));
  if (show !== "map") frame.append(photo("jpeg", (large && image.large) || view.thumbnail, alt));
  if (show !== "image") frame.append(photo("png", view.heat, show === "map" ? alt : ""));
  if (show === "overlay") frame.append(marks(view));
  return frame;
}

/** Buttons of which one is pressed; returns a function that presses one. */
function choice(group, names, chosen) {
  const buttons = names.map((name) =>
    element("button", { type: "button", textContent: name, value: name, onclick: () => chosen(name) }));
  group.replaceChildren(...buttons);
  return (name) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.value === name)));
}
