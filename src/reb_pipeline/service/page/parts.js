"use strict";

const number = (value) => String(Number(value.toPrecision(4)));
const percent = (share) => `${number(100 * share)} %`;
const file = (type, data) => `data:image/${type};base64,${data}`;

/** Score in multiples of the threshold; as it is where there is no positive threshold. */
function multiple(found) {
  const times = found.image_score / found.image_threshold;
  if (!(found.image_threshold > 0)) return `score ${number(found.image_score)}`;
  return `${Math.abs(times) < 10 ? times.toFixed(2) : number(times)} × the threshold`;
}

/** Lines of a description list, without those that have no value. */
function lines(...rows) {
  return rows.filter(([, value]) => value).flatMap(([term, value]) => [
    element("dt", { textContent: term }), element("dd", { textContent: value })]);
}

function table(head, rows) {
  const row = (kind, cells) => element("tr", {}, ...cells.map((cell) => element(kind, { textContent: cell })));
  return element("table", {}, row("th", head), ...rows.map((cells) => row("td", cells)));
}

function download(name, content) {
  const url = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  element("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
