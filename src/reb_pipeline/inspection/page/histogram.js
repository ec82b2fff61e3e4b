const WIDTH = 1000, FLOOR = 160, BINS = 50;

/** Number of values above a limit; `sorted` ascends. */
function above(sorted, limit) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] > limit) high = middle;
    else low = middle + 1;
  }
  return sorted.length - low;
}

/** Round numbers within a span, about seven. */
function ticks(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 7));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => (high - low) / one <= 8);
  const found = [];
  for (let one = Math.ceil(low / step); one * step <= high; one += 1) found.push(one * step);
  return found;
}

/** Lowest and highest of all scores, never the same. */
function range(...groups) {
  const every = groups.flat();
  if (!every.length) every.push(0);
  const lowest = every.reduce((a, b) => Math.min(a, b), Infinity);
  return [lowest, Math.max(every.reduce((a, b) => Math.max(a, b), -Infinity), lowest + 1e-6)];
}

/** Share of the scores in each bin. */
function shares(scores, low, high) {
  const bins = new Array(BINS).fill(0);
  for (const one of scores) bins[Math.min(BINS - 1, Math.floor(((one - low) / (high - low)) * BINS))] += 1 / scores.length;
  return bins;
}

/** Draws scores of the calibration as a line, other groups as bars; returns a function that moves the threshold, and
 *  that of doubtful parts where there is one. Of one group the bars above them have other colours; of two each has its own. */
function histogram(drawing, calibration, groups, low, high, calibrated) {
  const x = (value) => (WIDTH * (value - low)) / (high - low);
  const good = shares(calibration, low, high), found = groups.map((scores) => shares(scores, low, high));
  const tallest = Math.max(...good, ...found.flat()) || 1;
  // A single image among thousands can be seen, too.
  const height = (share) => (share === 0 ? 0 : Math.max(3, (130 * share) / tallest));
  const width = WIDTH / BINS, thin = (width - 2) / groups.length;
  const bars = found.map((bins, group) => bins.map((share, bin) =>
    shape("rect", { class: group ? "above" : "below", x: bin * width + 1 + group * thin, width: thin, y: FLOOR - height(share), height: height(share) })));
  const steps = good.map((share, bin) => `L${bin * width} ${FLOOR - height(share)}h${width}`).join("");
  drawing.append(...bars.flat(), shape("path", { class: "calibration", d: `M0 ${FLOOR}${steps}L${WIDTH} ${FLOOR}` }));
  drawing.append(shape("line", { class: "axis", x1: 0, x2: WIDTH, y1: FLOOR, y2: FLOOR }));
  for (const tick of ticks(low, high)) {
    const label = shape("text", { x: x(tick), y: FLOOR + 18, "text-anchor": "middle" }, score(tick));
    drawing.append(shape("line", { class: "axis", x1: x(tick), x2: x(tick), y1: FLOOR, y2: FLOOR + 5 }), label);
  }
  if (Number.isFinite(calibrated))
    drawing.append(shape("line", { class: "calibrated", x1: x(calibrated), x2: x(calibrated), y1: 22, y2: FLOOR }));
  const line = shape("line", { class: "chosen", y1: 22, y2: FLOOR });
  const label = shape("text", { y: 14 }), lower = shape("line", { class: "doubtful", y1: 30, y2: FLOOR });
  drawing.append(line, label);
  return (threshold, doubtful = null) => {
    const at = x(Math.min(threshold, high));
    if (doubtful !== null) {
      const place = x(Math.max(low, Math.min(doubtful, high)));
      lower.setAttribute("x1", place);
      lower.setAttribute("x2", place);
      drawing.append(lower);
    }
    line.setAttribute("x1", at);
    line.setAttribute("x2", at);
    label.setAttribute("x", at);
    label.setAttribute("text-anchor", at < 100 ? "start" : at > WIDTH - 100 ? "end" : "middle");
    label.textContent = Number.isFinite(threshold) ? `threshold ${score(threshold)}` : "no threshold";
    if (groups.length === 1)
      bars[0].forEach((bar, bin) => {
        const middle = (bin + 0.5) * width;
        bar.setAttribute("class", x(threshold) <= middle ? "above" : doubtful !== null && x(doubtful) <= middle ? "between" : "below");
      });
  };
}
