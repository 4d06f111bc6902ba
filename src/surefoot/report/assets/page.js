"use strict";
(() => {
  const ALPHABET = document.getElementById("alphabet").textContent;

  /* Five characters carry four bytes; see report/packing.py. */
  function unpack(text) {
    const value = new Uint8Array(128);
    for (let i = 0; i < ALPHABET.length; i++) value[ALPHABET.charCodeAt(i)] = i;
    const spare = (5 - (text.length % 5)) % 5;
    const padded = text + ALPHABET[84].repeat(spare);
    const bytes = new Uint8Array((padded.length / 5) * 4);
    for (let i = 0, at = 0; i < padded.length; i += 5) {
      let word = 0;
      for (let j = 0; j < 5; j++) word = word * 85 + value[padded.charCodeAt(i + j)];
      bytes[at++] = word / 16777216; bytes[at++] = word >>> 16; bytes[at++] = word >>> 8; bytes[at++] = word;
    }
    return bytes.subarray(0, bytes.length - spare);
  }

  async function inflate(id) {
    const bytes = unpack(document.getElementById(id).textContent);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function themed(layout) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const narrow = window.innerWidth < 640;
    const axis = { gridcolor: colour("--grid"), linecolor: colour("--edge"), zeroline: false, automargin: true };
    const title = (name) => ({ title: { font: { size: narrow ? 11 : 13 }, standoff: 8, ...layout[name].title } });
    const all = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: colour("--ink"), family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
      margin: { l: 56, r: 16, t: (layout.annotations || []).length ? 58 : narrow ? 14 : 34, b: 46 },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") },
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom", x: 0, font: { size: 11 } },
      autosize: true,
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--edge"), font: { color: colour("--ink") } },
    };
    return { ...all, ...layout, xaxis: { ...axis, ...layout.xaxis, ...title("xaxis") },
      yaxis: { ...axis, ...layout.yaxis, ...title("yaxis") } };
  }

  function draw(charts) {
    const buttons = [["toImage", "zoom2d", "pan2d", "resetScale2d"]];
    const bar = window.innerWidth < 640 ? false : "hover";
    const config = { responsive: true, displaylogo: false, displayModeBar: bar, modeBarButtons: buttons };
    for (const chart of charts) {
      const place = document.getElementById("plot-" + chart.name);
      place.textContent = "";
      Plotly.react(place, chart.traces, themed(structuredClone(chart.layout)), config);
    }
  }

  function copying() {
    for (const button of document.querySelectorAll("button[data-copies]")) {
      button.addEventListener("click", async () => {
        const code = document.getElementById(button.dataset.copies);
        let done = true;
        try {
          await navigator.clipboard.writeText(code.textContent);
        } catch {
          const range = document.createRange();
          range.selectNodeContents(code);
          const selection = window.getSelection();
          selection.removeAllRanges();
          selection.addRange(range);
          done = false;
        }
        button.textContent = done ? "Copied" : "Selected: press Ctrl+C";
        setTimeout(() => { button.textContent = "Copy"; }, 2500);
      });
    }
  }

  async function start() {
    copying();
    if (typeof DecompressionStream === "undefined") throw new Error("this browser is too old to draw the charts");
    const script = document.createElement("script");
    script.textContent = await inflate("library");
    document.head.appendChild(script);
    const charts = JSON.parse(await inflate("charts"));
    draw(charts);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw(charts));
    document.documentElement.dataset.drawn = "yes";
  }

  start().catch((error) => {
    for (const place of document.querySelectorAll(".plot")) {
      place.textContent = "The chart could not be drawn (" + error.message + "). The table below holds its numbers.";
    }
  });
})();
