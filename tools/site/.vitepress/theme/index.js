// VitePress's own theme with the fonts of the system: none is fetched.
import theme from "vitepress/theme-without-fonts";
import "./style.css";

export default theme;
