// Keeps the page's files. The model is none of them: it is in the package's own store.
import { keep } from "sotto/service-worker";

// The build puts a list of names in the place of the text.
keep({ files: Array.from("__FILES__"), version: "__VERSION__" });
