import { useChat } from "@ai-sdk/react";
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { loaded, transport } from "./agent.js";
import "./style.css";

function Chat() {
  const { messages, status, error, sendMessage, stop } = useChat({ transport });
  const [text, setText] = useState("");
  const isBusy = status === "submitted" || status === "streaming";

  const send = (event) => {
    event.preventDefault();
    if (isBusy) return stop();
    if (text.trim() === "") return;
    sendMessage({ text });
    setText("");
  };

  return (
    <main>
      <header>
        <h1>What time is it in Tokyo?</h1>
        <Status />
      </header>
      <div className="scroll">
        <div className="messages">
          {messages.flatMap(({ id, role, parts }) =>
            // biome-ignore lint/suspicious/noArrayIndexKey: parts are added at the end
            parts.map((part, i) => <Part key={`${id} ${i}`} role={role} part={part} />),
          )}
        </div>
      </div>
      {error && <p role="alert">{error.message}</p>}
      <form onSubmit={send}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
        <button type="submit">{isBusy ? "Stop" : "Send"}</button>
      </form>
    </main>
  );
}

function Part({ role, part }) {
  if (part.type === "text") return part.text && <p className={role}>{part.text}</p>;
  if (part.type !== "tool-clock") return null;
  return (
    <p className="tool">
      clock({part.input?.city}) → {part.output ?? part.errorText ?? "…"}
    </p>
  );
}

function Status() {
  const [said, say] = useState("The model arrives. It is kept for the next visit.");
  useEffect(() => {
    loaded.then(
      () => say("Agent, tool and model are here in your browser."),
      (error) => say(`The model did not load: ${error.message}`),
    );
  }, []);
  return <p role="status">{said}</p>;
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Chat />
  </StrictMode>,
);
