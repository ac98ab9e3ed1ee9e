// Of all texts that are seen: how many, and those whose contrast with their ground is below 4.5 (WCAG 2.2, AA).
(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (below, colour) => {
    canvas.fillStyle = `rgb(${below})`; canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, place) => sum + weight * linear(rgb[place] / 255), 0);
  const ground = (node) => {
    const chain = [];
    for (let at = node; at; at = at.parentElement) chain.push(getComputedStyle(at).backgroundColor);
    return chain.reverse().reduce(over, [255, 255, 255]);
  };
  const poor = new Set();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (texts.nextNode()) {
    const node = texts.currentNode.parentElement, style = getComputedStyle(node);
    if (!texts.currentNode.data.trim() || !node.checkVisibility() || node.closest("script, style, title, desc")) continue;
    const behind = ground(node), colour = node.closest("svg") ? style.fill : style.color;
    const [low, high] = [light(over(behind, colour)), light(behind)].sort((a, b) => a - b);
    seen += 1;
    if ((high + .05) / (low + .05) < 4.5) poor.add(`${node.tagName} ${node.className} ${texts.currentNode.data.trim().slice(0, 30)}`);
  }
  return [seen, [...poor]];
})()
