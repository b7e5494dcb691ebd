"use client";
import { useEffect, useState } from "react";
import { useChat, useModel } from "sotto/react";

const MODEL = "hf:Qwen/Qwen2.5-0.5B-Instruct-GGUF:Q4_K_M";

export default function Chat() {
  // The address is the browser's to know; until then there is nothing to load.
  const [source, setSource] = useState();
  useEffect(() => setSource(new URLSearchParams(location.search).get("model") ?? MODEL), []);
  const model = useModel(source);
  const chat = useChat({ model: model.ready, system: "You are helpful and brief.", request: { overflow: "trim" } });
  const [text, setText] = useState("");
  const isBusy = chat.status === "submitted" || chat.status === "streaming";
  const error = model.error ?? chat.error;

  const send = (event) => {
    event.preventDefault();
    if (isBusy) return chat.stop();
    if (text.trim() === "") return;
    chat.send(text);
    setText("");
  };

  return (
    <main>
      <header>
        <h1>Next chat</h1>
        <Status model={model} />
      </header>
      <div className="scroll">
        <div className="messages">
          {chat.messages.map(({ id, role, content }) => (
            <p key={id} className={role}>
              {content}
            </p>
          ))}
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

function Status({ model: { status, model, progress } }) {
  if (status === "ready") return <p role="status">{`Here in your browser, on the ${DEVICE[model.info.backend]}.`}</p>;
  if (status !== "loading") return null;
  return (
    <>
      <p role="status">The model arrives. It is kept for the next visit.</p>
      <progress aria-label="Download" value={progress?.loaded ?? 0} max={progress?.total || 1} />
    </>
  );
}

const DEVICE = { webgpu: "graphics card", cpu: "CPU" };
