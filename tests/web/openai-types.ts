/**
 * The types of requests and answers are those of OpenAI's client, both ways: the type check of the tests (`tsc -p
 * tests/web`) proves it, there is nothing to run.
 */
import type OpenAI from "openai";
import type * as sotto from "../../www/api/index.js";

type Chat = OpenAI.Chat.Completions.ChatCompletionCreateParams;
type ChatWhole = OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming;
type ChatStreams = OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming;
type Text = OpenAI.Completions.CompletionCreateParams;

/** Fails to compile where a value of the one cannot stand for the other. */
type Fits<From extends To, To> = From;
/** OpenAI's API wants the name of a model. */
type Named<Request> = Request & { model: string };
/** What OpenAI's API knows of a request: nothing of Sotto's own. */
type Plain<Request> = Omit<Request, keyof sotto.SottoOptions | keyof sotto.SottoSampling>;

export type Proved = [
  Fits<Chat, sotto.ChatRequest>,
  Fits<Chat, sotto.CreateChat>,
  Fits<Named<Plain<sotto.ChatRequest>> & { stream?: false }, ChatWhole>,
  Fits<Named<Plain<sotto.ChatRequest>> & { stream: true }, ChatStreams>,
  Fits<Named<sotto.ChatRequest> & { stream?: false }, ChatWhole>,
  Fits<Text, sotto.CompletionRequest>,
  Fits<Named<sotto.CompletionRequest> & { stream?: false }, Text>,
  Fits<OpenAI.Chat.Completions.ChatCompletionMessageParam, sotto.ChatMessage>,
  Fits<sotto.ChatMessage, OpenAI.Chat.Completions.ChatCompletionMessageParam>,
  Fits<OpenAI.Chat.Completions.ChatCompletionTool, sotto.ChatTool>,
  Fits<sotto.ChatTool, OpenAI.Chat.Completions.ChatCompletionTool>,
  Fits<OpenAI.Chat.Completions.ChatCompletionToolChoiceOption, sotto.ToolChoice>,
  Fits<sotto.ToolChoice, OpenAI.Chat.Completions.ChatCompletionToolChoiceOption>,
  Fits<sotto.ResponseFormat, NonNullable<Chat["response_format"]>>,
  Fits<sotto.ChatCompletion, OpenAI.Chat.Completions.ChatCompletion>,
  Fits<OpenAI.Chat.Completions.ChatCompletion, sotto.ChatCompletion>,
  Fits<sotto.ChatCompletionChunk, OpenAI.Chat.Completions.ChatCompletionChunk>,
  Fits<OpenAI.Chat.Completions.ChatCompletionChunk, sotto.ChatCompletionChunk>,
  Fits<sotto.Completion, OpenAI.Completions.Completion>,
  Fits<OpenAI.Completions.Completion, sotto.Completion>,
  Fits<sotto.CompletionUsage, OpenAI.CompletionUsage>,
  Fits<OpenAI.CompletionUsage, sotto.CompletionUsage>,
  Fits<OpenAI.Chat.Completions, Client>,
  Fits<sotto.Model["chat"]["completions"], Client>,
];

/** What either client is to code that asks. */
export interface Client {
  create(params: ChatWhole): PromiseLike<OpenAI.Chat.Completions.ChatCompletion>;
}
