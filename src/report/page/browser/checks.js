// What is asked of a page that is open. Each returns a list of complaints.
window.checks = {
  // Boxes of labels that overlap, or beyond their place.
  overlaps() {
    const bad = [];
    // What is scrolled out of sight overlaps nothing.
    const box = (node) => {
      const own = node.getBoundingClientRect();
      const scroller = node.closest(".scroller, .body");
      if (!scroller) return own;
      const room = scroller.getBoundingClientRect();
      const [left, right] = [Math.max(own.left, room.left), Math.min(own.right, room.right)];
      const [top, bottom] = [Math.max(own.top, room.top), Math.min(own.bottom, room.bottom)];
      return { left, right, top, bottom, width: right - left, height: bottom - top };
    };
    const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.6
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.6;
    const name = (node) => `${node.getAttribute("class") || node.tagName} "${node.textContent.trim().slice(0, 30)}"`;
    const apart = (nodes, also = meet) => {
      const boxes = [...nodes].map((node) => [node, box(node)]).filter(([, b]) => b.width > 0 && b.height > 0)
        .sort((a, b) => a[1].left - b[1].left);
      for (let n = 0; n < boxes.length; n++) {
        for (let m = n + 1; m < boxes.length && boxes[m][1].left < boxes[n][1].right; m++) {
          if (also(boxes[n][1], boxes[m][1])) bad.push(`${name(boxes[n][0])} meets ${name(boxes[m][0])}`);
        }
      }
    };
    const all = (selector) => document.querySelectorAll(selector);
    apart(all("#timeline svg text, .label"));
    apart(all(".mark"));
    apart(all(".bar.fault rect"));
    apart(all("#tools button, #tools select, #tools input, #count"));
    apart(all("#plan .step"));
    apart(all(".title h2, .title label, .title button"));
    apart(all(".tile, .chart, .violation, .check, #heat, #sometimes"));
    apart(all(".check .first > *"));
    apart(all("#heat td, #heat th"));
    for (const mark of all(".mark")) {
      for (const bar of all(".bar rect")) {
        if (meet(box(mark), box(bar))) bad.push(`a mark stands on the bar ${name(bar.parentNode)}`);
      }
    }
    for (const node of all(".label, .title, .tile, .headline, .badge, td, th, .step, .chip, #sometimes li span")) {
      if (node.scrollWidth > node.clientWidth + 1 && node.clientWidth > 0 && !node.classList.contains("share")) bad.push(`${name(node)} is cut off`);
    }
    for (const text of all("#timeline svg text")) {
      const [own, room] = [text, text.ownerSVGElement].map((node) => node.getBoundingClientRect());
      if (own.right > room.right + 1 || own.left < room.left - 1) bad.push(`${name(text)} is beyond the drawing`);
    }
    const { scrollWidth, clientWidth } = document.documentElement;
    const heat = document.getElementById("heat");
    if (heat && clientWidth > 1200 && heat.scrollWidth > heat.clientWidth) bad.push("a part of the heat map is out of sight");
    if (scrollWidth > clientWidth) bad.push(`the page is ${scrollWidth} px wide in ${clientWidth}`);
    return [...new Set(bad)].slice(0, 20);
  },

  // Text that stands out too little (WCAG 2, AA: 4.5 to 1).
  contrast() {
    const parse = (colour) => {
      const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
      return [r, g, b, a];
    };
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a)];
    const light = (colour) => {
      const [r, g, b] = colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = (a, b) => {
      const [dark, bright] = [light(a), light(b)].sort((x, y) => x - y);
      return (bright + 0.05) / (dark + 0.05);
    };
    const ground = (node) => {
      const layers = [];
      for (let at = node; at instanceof HTMLElement; at = at.parentElement) layers.unshift(parse(getComputedStyle(at).backgroundColor));
      return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
    };
    const bad = new Set();
    const judge = (node, ink, paper) => {
      const found = ratio(over(ink, paper), paper);
      if (found < 4.5) bad.add(`${node.getAttribute("class") || node.tagName} "${node.textContent.trim().slice(0, 30)}": ${found.toFixed(2)}`);
    };
    for (const node of document.querySelectorAll("body *")) {
      const hasText = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
      if (!hasText || node.closest("script, noscript, #tip, option") || node.disabled) continue;
      if (node instanceof SVGElement) {
        let paper = ground(node.ownerSVGElement.parentElement);
        const under = node.previousElementSibling;
        if (under && node.getAttribute("class") === "name" || node.classList.contains("violation-name")) {
          const style = getComputedStyle(under);
          const [r, g, b, a] = parse(style.fill);
          paper = over([r, g, b, a * Number(style.fillOpacity)], paper);
        }
        judge(node, parse(getComputedStyle(node).fill), paper);
      } else {
        judge(node, parse(getComputedStyle(node).color), ground(node));
      }
    }
    return [...bad].slice(0, 20);
  },

  // Buttons and fields without a name for those who cannot see them.
  nameless() {
    const bad = [];
    for (const node of document.querySelectorAll("button, select, input, [role=group], [role=img], section")) {
      const label = node.getAttribute("aria-label") || node.textContent.trim() || node.closest("label")?.textContent;
      if (!label) bad.push(node.outerHTML.slice(0, 80));
    }
    return bad;
  },
};
