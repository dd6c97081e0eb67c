"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const point = document.getElementById("point");
  const policy = document.getElementById("policy");
  const hidden = new Set();

  // The colours of the page, light or dark, for everything that has none of its own.
  function template() {
    const style = getComputedStyle(document.documentElement);
    const [page, text, quiet, grid, strong] = ["page", "text", "quiet", "line", "strong"].map(
      (name) => style.getPropertyValue("--" + name).trim(),
    );
    const axis = {
      gridcolor: grid, linecolor: strong, zerolinecolor: strong, zerolinewidth: 1,
      automargin: true, showline: false, ticklabelstandoff: 5,
      separatethousands: true, title: { standoff: 10, font: { color: quiet } },
      tickfont: { color: quiet },
    };
    return {
      layout: {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: text },
        colorway: [quiet], xaxis: axis, yaxis: axis,
        shapedefaults: { line: { color: quiet } },
        annotationdefaults: { font: { color: quiet, size: 12 } },
        margin: { l: 12, r: 18, t: 28, b: 44 },
        legend: { font: { color: text } },
        hoverlabel: { bgcolor: page, bordercolor: strong, font: { color: text } },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: strong, activecolor: text },
        hovermode: "closest",
      },
    };
  }

  function chosen(plot) {
    const found = figures[plot.dataset.key];
    if (plot.dataset.by === "nothing") return found;
    const here = found[point ? Number(point.value) : 0];
    return plot.dataset.by === "policy" ? here[policy.value] : here;
  }

  // The legend of a stack of bars: a word and its colour, hatched as in the bars.
  function legend(figure) {
    return figure.data.filter((trace) => trace.type === "bar" && trace.name).map((trace) => {
      const entry = document.createElement("span");
      const swatch = document.createElement("i");
      swatch.style.backgroundColor = trace.marker.color;
      swatch.className = trace.marker.pattern.shape ? "hatched" : "";
      entry.append(swatch, trace.name);
      return entry;
    });
  }

  function draw(plot) {
    const figure = chosen(plot);
    plot.parentElement.querySelector(".parts").replaceChildren(...(figure ? legend(figure) : []));
    if (!figure) {
      Plotly.purge(plot);
      plot.textContent = "There is nothing to show here: this part of the run is missing.";
      return;
    }
    if (!plot.classList.contains("js-plotly-plot")) plot.textContent = "";
    const data = figure.data.map((trace) => ({ ...trace, visible: !hidden.has(trace.meta) }));
    const layout = { ...figure.layout, template: template(), autosize: true };
    const config = {
      responsive: true, displaylogo: false,
      displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: plot.dataset.key },
    };
    Plotly.react(plot, data, layout, config);
  }

  function drawAll() {
    for (const name of document.querySelectorAll(".here")) {
      name.textContent = point ? point.selectedOptions[0].textContent : "";
    }
    plots.forEach(draw);
  }

  // The time line opens with the policy that has most to show: the one that chooses most.
  function mostVaried() {
    const first = Object.entries((figures["time-line"] || [{}])[0]);
    const options = ([, figure]) => figure.data.filter((trace) => trace.yaxis === "y2").length;
    first.sort((a, b) => options(b) - options(a));
    return first.length ? first[0][0] : policy.value;
  }

  if (policy) {
    policy.value = mostVaried();
    policy.addEventListener("change", drawAll);
  }
  if (point) point.addEventListener("change", drawAll);
  for (const button of document.querySelectorAll(".key button")) {
    button.addEventListener("click", () => {
      const name = button.dataset.policy;
      if (!hidden.delete(name)) hidden.add(name);
      button.setAttribute("aria-pressed", String(!hidden.has(name)));
      drawAll();
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
