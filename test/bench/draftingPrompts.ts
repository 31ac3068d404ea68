/** The five sets of prompts that drafting is measured on, from free prose (little to draft) to copying (nearly all of it). */
export interface PromptSet {
  readonly name: string;
  readonly prompts: readonly string[];
}

const fable =
  "Once there was a small fox who lived at the edge of a green wood. Every morning the fox walked to the river to drink. " +
  "One day the fox met an old owl. The owl said that the river would soon be dry, and that the fox should look for another one.";
const ledger = "apples 12, pears 7, plums 30, figs 4, dates 18, nuts 25, beans 9, peas 41";

export const promptSets: readonly PromptSet[] = [
  {
    name: "stories",
    prompts: [
      "Tell me a story about a fox and a river.",
      "Write a short story about a lost key.",
      "Tell me a story about two friends in the snow.",
      "Tell me a story about a boat and a storm.",
    ],
  },
  {
    name: "chat",
    prompts: [
      "Who are you and what can you do?",
      "Why is the sky blue?",
      "What should I cook with rice and eggs?",
      "How do I get better at reading?",
    ],
  },
  {
    name: "lists",
    prompts: [
      "Make a numbered list of ten animals.",
      "List the days of the week, each with one thing to do.",
      "Give me a list of six fruits and their colours.",
      "Count from one to twenty in words.",
    ],
  },
  {
    name: "code-like",
    prompts: [
      'Write a JSON list of five people with "name" and "age".',
      "Write a table of the numbers 1 to 8 and their squares, one row a line.",
      "for i in 1 2 3 4 5: print(i)\nfor i in 6 7 8 9 10:",
      "a = 1; b = 2; c = 3; d = 4; go on up to z.",
    ],
  },
  {
    name: "copy/edit",
    prompts: [
      `Repeat this text word for word:\n${fable}`,
      `Replace "fox" by "bear" in this text and change nothing else:\n${fable}`,
      `Write this list again, one item a line:\n${ledger}`,
      `Repeat this three times:\n${ledger}`,
    ],
  },
];
