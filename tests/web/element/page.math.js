// In the place of a renderer of mathematics.
const MATH = "http://www.w3.org/1998/Math/MathML";

export default {
  render(source, into, { displayMode }) {
    if (source.includes("\\bad")) throw new Error("There is no \\bad.");
    const math = document.createElementNS(MATH, "math");
    if (displayMode) math.setAttribute("display", "block");
    math.append(Object.assign(document.createElementNS(MATH, "mtext"), { textContent: source }));
    into.append(math);
  },
};
