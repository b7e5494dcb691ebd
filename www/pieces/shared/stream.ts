/** What a generator gives, as a stream; cancelling the stream ends the generator. */
export function streamOf<T>(parts: AsyncIterable<T>): ReadableStream<T> {
  const iterator = parts[Symbol.asyncIterator]();
  return new ReadableStream<T>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await iterator.return?.();
    },
  });
}
