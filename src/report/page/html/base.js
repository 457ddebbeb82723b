// Elements from data. Text only ever becomes a text node.
const data = JSON.parse(document.getElementById("data").textContent);

function add(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("aria-")) node.setAttribute(name, String(value));
    else if (value === undefined || value === null || value === false) continue;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(3)) {
    if (child === undefined || child === null || child === false) continue;
    node.append(child);
  }
  return node;
}

function el(tag, attributes, ...children) {
  return add(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return add(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const byId = (id) => document.getElementById(id);

function grouped(n) {
  return String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

// Text whose marks, such as edit-12, are not broken over lines.
function marked(text) {
  const parts = text.split(/\b((?:edit|outside)-\d+)/);
  return parts.map((part, n) => (n % 2 ? el("span", { class: "whole" }, part) : part));
}

// 0.123 s, 12.3 s, 2:05, 1:02:05.
function clock(seconds) {
  if (seconds < 10) return `${+seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  if (seconds < 60) return `${seconds.toFixed(0)} s`;
  const whole = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${Math.floor(whole / 60) % 60}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest.padStart(5, "0")}` : rest;
}

// Commands get a button that copies them.
for (const box of document.querySelectorAll(".command")) {
  const code = box.firstElementChild;
  const button = el("button", {
    type: "button",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        // Without the right to the clipboard, the text is at least selected.
        getSelection().selectAllChildren(code);
        button.textContent = "selected";
      }
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    },
  }, "copy");
  box.append(button);
}
