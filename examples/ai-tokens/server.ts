/**
 * Serves the page and answers prompts: each answer is a topic, each token a record.
 *
 * `npx bun examples/ai-tokens/server.ts`
 * @module
 */
import { connect } from "weir/client";
import { gatewayUrl, servePage } from "../serve-page.ts";
import { markovTokens } from "./markov.ts";

export type Token = { readonly text: string } | { readonly end: true };

const tokensPerAnswer = Number(process.env["TOKENS"] ?? 200);
const tokenMs = 1_000 / Number(process.env["TOKENS_PER_SECOND"] ?? 20);
const promptCharsMax = 2_000;

const corpus = await Bun.file(`${import.meta.dir}/corpus.txt`).text();
const client = connect(gatewayUrl, { agent: "weir-example-ai-tokens" });
client.on("error", (error) => console.error(error.message));

async function answer(id: string, prompt: string): Promise<void> {
  const topic = `answers.${id}`;
  const publish = (token: Token): Promise<unknown> => client.publish(topic, token);
  for (const text of markovTokens(corpus, prompt, tokensPerAnswer)) {
    // Not awaited one by one: a gateway that restarts does not stop the stream, it catches up.
    publish({ text }).catch((error: unknown) => console.error(`Token of ${topic} failed: ${String(error)}`));
    await client.writable();
    await Bun.sleep(tokenMs);
  }
  await publish({ end: true });
}

await servePage({
  folder: import.meta.dir,
  async otherwise(request) {
    if (request.method !== "POST" || new URL(request.url).pathname !== "/ask")
      return new Response("Not found", { status: 404 });
    const prompt = (await request.text()).slice(0, promptCharsMax);
    const id = crypto.randomUUID();
    answer(id, prompt).catch((error: unknown) => console.error(`Answer ${id} failed: ${String(error)}`));
    return new Response(id);
  },
});
