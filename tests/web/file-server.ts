/** A server of one file that counts what it sends, and misbehaves as a test wants. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";

export interface Manners {
  etag?: string | undefined;
  /** Whether it sends parts. */
  ranges?: boolean;
  gzip?: boolean;
  /** After how many bytes an answer breaks off; never, if none. */
  cut?: ((request: IncomingMessage) => number | undefined) | undefined;
  /** Before each 64 kB. */
  waitMs?: number;
  status?: number;
}

export interface FileServer {
  /** Of the file; any other path is another name of it. */
  url: string;
  origin: string;
  file: Uint8Array;
  manners: Manners;
  /** Bytes of the file that went out. */
  sent: number;
  /** What was asked for: `GET bytes=0-99`, `HEAD`. */
  asked: string[];
  close(): void;
}

const PIECE = 1 << 16;

/** Answers a request for the file. */
export async function answer(server: FileServer, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { file, manners } = server;
  const { etag, ranges = true, gzip = false, cut, waitMs, status } = manners;
  const { range } = request.headers;
  server.asked.push([request.method, range].filter(Boolean).join(" "));
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-allow-headers", "*");
  response.setHeader("access-control-expose-headers", "content-range, etag");
  if (etag) response.setHeader("etag", etag);
  if (status !== undefined) return void response.writeHead(status).end();
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(range ?? "") ?? [];
  const fits = request.headers["if-range"] === undefined || request.headers["if-range"] === etag;
  const isPart = ranges && !gzip && first !== undefined && fits;
  const start = isPart ? Number(first) : 0;
  const end = isPart && last ? Math.min(Number(last) + 1, file.length) : file.length;
  if (isPart) response.setHeader("content-range", `bytes ${start}-${end - 1}/${file.length}`);
  if (gzip) response.setHeader("content-encoding", "gzip");
  else response.setHeader("content-length", end - start);
  response.writeHead(isPart ? 206 : 200);
  if (request.method === "HEAD") return void response.end();
  if (gzip) return void response.end(gzipSync(file));
  const most = cut?.(request) ?? Infinity;
  for (let at = start; at < end && !response.destroyed; ) {
    const piece = file.subarray(at, Math.min(at + PIECE, end, start + most));
    if (piece.length === 0) return void response.destroy();
    if (waitMs) await new Promise((resolve) => setTimeout(resolve, waitMs));
    server.sent += piece.length;
    at += piece.length;
    await new Promise<void>((resolve) => {
      response.once("close", resolve);
      response.write(piece, () => {
        response.off("close", resolve);
        resolve();
      });
    });
  }
  response.end();
}

export async function serveFile(file: Uint8Array, manners: Manners = {}): Promise<FileServer> {
  const http = createServer((request, response) => void answer(server, request, response));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const close = () => {
    http.closeAllConnections();
    http.close();
  };
  const server: FileServer = { url: `${origin}/model.gguf`, origin, file, manners, sent: 0, asked: [], close };
  return server;
}

/** Bytes that look like a model's and are all different, the same for a `seed`. */
export function madeUp(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer, 0, length >> 2);
  let state = seed * 2654435761;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state ^ (state >>> 13);
  }
  bytes.set(new TextEncoder().encode("GGUF"));
  return bytes;
}
