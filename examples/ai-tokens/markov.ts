/**
 * A deterministic Markov chain over a local text. It stands where a language model would: it makes tokens, one after
 * another, and nothing more. The same text and prompt give the same tokens.
 * @module
 */

/** Tokens are words with the space before them, as models have it. */
export function* markovTokens(text: string, prompt: string, count: number): Generator<string> {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const followers = new Map<string, string[]>();
  for (const [i, word] of words.entries()) {
    const next = words[(i + 1) % words.length] ?? word;
    const known = followers.get(word);
    if (known === undefined) followers.set(word, [next]);
    else known.push(next);
  }
  let state = hash(prompt);
  let word = words[state % words.length] ?? "";
  for (let i = 0; i < count; i++) {
    yield i === 0 ? word : ` ${word}`;
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0; // A linear congruential generator: seeded chance.
    const choices = followers.get(word) ?? words;
    word = choices[(state >>> 16) % choices.length] ?? "";
  }
}

function hash(text: string): number {
  let value = 2_166_136_261; // FNV-1a
  for (const character of text) value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 16_777_619) >>> 0;
  return value;
}
