"use strict";

// Text from outside the page reaches it as text only, never as HTML.
const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

/** Where a part lies: its angle, clockwise, and its shift in shares of the image's sides. */
function poseText(degrees, right, down) {
  const percent = (share) => `${(100 * Math.abs(share)).toFixed(1)} %`;
  return `turned by ${degrees.toFixed(1)}° clockwise, ${percent(right)} of the width to the ${right < 0 ? "left" : "right"}, ${percent(down)} of the height ${down < 0 ? "up" : "down"}`;
}
