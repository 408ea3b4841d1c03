// Families of small JavaScript functions: each draws its constants and gives descriptions, bodies and what is right.
//
// `right` computes the expected results by itself, not by running the written body, so that a wrong body is found by
// its own tests. A body is one expression, or statements that end in a return.
// Refuses to know names, phrasing around the description, and conversations.

import type { Random } from "./random.ts";
import { NAMES } from "./words.ts";

export type Value = number | string | boolean | readonly (number | string)[];

export interface Task {
  readonly names: readonly string[];
  /** Completes "a function that …". */
  readonly does: readonly string[];
  readonly parameters: readonly string[];
  /** Expressions or statement lists, alternatives of the same meaning. */
  readonly bodies: readonly string[];
  readonly drawInput: () => readonly Value[];
  readonly right: (...input: never[]) => Value;
}

type Family = (random: Random) => Task;

const WORDS = [
  "apple",
  "river",
  "level",
  "banana",
  "kite",
  "noon",
  "garden",
  "stone",
  "radar",
  "lemon",
  "cat",
  "window",
];

const drawNumber = (random: Random) => (): number => random.integer(-9, 20);
const drawNumbers = (random: Random) => (): number[] =>
  Array.from({ length: random.integer(1, 6) }, () => random.integer(-5, 12));
const drawWord = (random: Random) => (): string => random.pick(random.chance(0.8) ? WORDS : NAMES);
const drawWords = (random: Random) => (): string[] => random.sample(WORDS, random.integer(1, 4));

type Shape = Pick<Task, "names" | "does" | "bodies" | "right">;

function ofNumber(random: Random, shape: Shape): Task {
  const draw = drawNumber(random);
  return { parameters: ["n"], drawInput: () => [draw()], ...shape };
}

function ofTwo(random: Random, shape: Shape): Task {
  const draw = drawNumber(random);
  return { parameters: ["a", "b"], drawInput: () => [draw(), draw()], ...shape };
}

function ofNumbers(random: Random, shape: Shape): Task {
  const draw = drawNumbers(random);
  return { parameters: ["list"], drawInput: () => [draw()], ...shape };
}

function ofWord(random: Random, shape: Shape): Task {
  const draw = drawWord(random);
  return { parameters: ["text"], drawInput: () => [draw()], ...shape };
}

function ofWords(random: Random, shape: Shape): Task {
  const draw = drawWords(random);
  return { parameters: ["words"], drawInput: () => [draw()], ...shape };
}

const loop = (start: string, step: string): string =>
  `let result = ${start};\nfor (const x of list) {\n  ${step}\n}\nreturn result;`;

const NUMBER_FAMILIES: readonly Family[] = [
  (random) => {
    const k = random.integer(1, 20);
    return ofNumber(random, {
      names: [`add${k}`, "increase"],
      does: [`adds ${k} to a number`, `returns a number plus ${k}`],
      bodies: [`n + ${k}`],
      right: (n: number) => n + k,
    });
  },
  (random) => {
    const k = random.integer(1, 20);
    return ofNumber(random, {
      names: [`minus${k}`, "decrease"],
      does: [`subtracts ${k} from a number`, `takes ${k} away from a number`],
      bodies: [`n - ${k}`],
      right: (n: number) => n - k,
    });
  },
  (random) => {
    const k = random.integer(2, 12);
    return ofNumber(random, {
      names: [`times${k}`, "scale"],
      does: [`multiplies a number by ${k}`, `returns ${k} times a number`],
      bodies: [`n * ${k}`],
      right: (n: number) => n * k,
    });
  },
  (random) => {
    const [a, b] = [random.integer(2, 9), random.integer(1, 9)];
    return ofNumber(random, {
      names: ["compute", "transform"],
      does: [`multiplies a number by ${a} and adds ${b}`],
      bodies: [`${a} * n + ${b}`, `const product = n * ${a};\nreturn product + ${b};`],
      right: (n: number) => a * n + b,
    });
  },
  (random) => {
    const k = random.integer(0, 9);
    return ofNumber(random, {
      names: ["squarePlus", "compute"],
      does: [`squares a number and adds ${k}`],
      bodies: [`n * n + ${k}`, `n ** 2 + ${k}`],
      right: (n: number) => n * n + k,
    });
  },
  (random) => {
    const k = random.integer(2, 9);
    return ofNumber(random, {
      names: [`isMultipleOf${k}`, "check"],
      does: [`checks if a number can be divided by ${k}`, `tells if a number is a multiple of ${k}`],
      bodies: [`n % ${k} === 0`],
      right: (n: number) => Math.abs(n) % k === 0,
    });
  },
  (random) => {
    const k = random.integer(0, 12);
    return ofNumber(random, {
      names: [`isOver${k}`, "isLarge"],
      does: [`checks if a number is greater than ${k}`, `tells if a number is over ${k}`],
      bodies: [`n > ${k}`],
      right: (n: number) => n > k,
    });
  },
  (random) => {
    const low = random.integer(-5, 3);
    const high = low + random.integer(3, 10);
    return ofNumber(random, {
      names: ["clamp", "limit"],
      does: [`keeps a number between ${low} and ${high}`],
      bodies: [
        `Math.min(${high}, Math.max(${low}, n))`,
        `if (n < ${low}) return ${low};\nif (n > ${high}) return ${high};\nreturn n;`,
      ],
      right: (n: number) => (n < low ? low : n > high ? high : n),
    });
  },
  (random) => {
    const k = random.integer(2, 7);
    const word = random.pick(["fizz", "buzz", "hop", "clap"]);
    return ofNumber(random, {
      names: [word, `${word}Or`],
      does: [`returns "${word}" if a number is a multiple of ${k}, and else the number`],
      bodies: [`n % ${k} === 0 ? "${word}" : n`, `if (n % ${k} === 0) {\n  return "${word}";\n}\nreturn n;`],
      right: (n: number) => (Math.abs(n) % k === 0 ? word : n),
    });
  },
  (random) =>
    ofNumber(random, {
      names: ["isEven", "even"],
      does: ["checks if a number is even"],
      bodies: ["n % 2 === 0"],
      right: (n: number) => Math.abs(n) % 2 === 0,
    }),
  (random) =>
    ofNumber(random, {
      names: ["sign", "signOf"],
      does: ["returns 1, 0 or -1 for the sign of a number"],
      bodies: ["Math.sign(n)", "if (n > 0) return 1;\nif (n < 0) return -1;\nreturn 0;"],
      right: (n: number) => (n > 0 ? 1 : n < 0 ? -1 : 0),
    }),
  (random) =>
    ofNumber(random, {
      names: ["absolute", "distanceFromZero"],
      does: ["returns the absolute value of a number"],
      bodies: ["Math.abs(n)", "n < 0 ? -n : n"],
      right: (n: number) => (n < 0 ? -n : n),
    }),
  (random) =>
    ofTwo(random, {
      names: ["add", "sum"],
      does: ["adds two numbers", "returns the sum of two numbers"],
      bodies: ["a + b"],
      right: (a: number, b: number) => a + b,
    }),
  (random) =>
    ofTwo(random, {
      names: ["larger", "max"],
      does: ["returns the larger of two numbers"],
      bodies: ["Math.max(a, b)", "a > b ? a : b"],
      right: (a: number, b: number) => (a > b ? a : b),
    }),
  (random) =>
    ofTwo(random, {
      names: ["smaller", "min"],
      does: ["returns the smaller of two numbers"],
      bodies: ["Math.min(a, b)", "a < b ? a : b"],
      right: (a: number, b: number) => (a < b ? a : b),
    }),
  (random) =>
    ofTwo(random, {
      names: ["distance", "difference"],
      does: ["returns the distance between two numbers"],
      bodies: ["Math.abs(a - b)", "a > b ? a - b : b - a"],
      right: (a: number, b: number) => (a > b ? a - b : b - a),
    }),
  (random) =>
    ofTwo(random, {
      names: ["average", "middle"],
      does: ["returns the average of two numbers"],
      bodies: ["(a + b) / 2"],
      right: (a: number, b: number) => a / 2 + b / 2,
    }),
  (random) => {
    const k = random.integer(1, 4);
    return {
      ...ofNumber(random, {
        names: ["countUp", "numbersTo"],
        does: [`returns a list of the numbers from ${k} to n`],
        bodies: [`const list = [];\nfor (let i = ${k}; i <= n; i++) {\n  list.push(i);\n}\nreturn list;`],
        right: (n: number) => Array.from({ length: n - k + 1 }, (_, i) => i + k),
      }),
      drawInput: () => [random.integer(k, k + 6)],
    };
  },
  (random) => ({
    ...ofNumber(random, {
      names: ["sumTo", "total"],
      does: ["adds all numbers from 1 to n"],
      bodies: ["let sum = 0;\nfor (let i = 1; i <= n; i++) {\n  sum += i;\n}\nreturn sum;", "(n * (n + 1)) / 2"],
      right: (n: number) => (n * (n + 1)) / 2,
    }),
    drawInput: () => [random.integer(1, 12)],
  }),
  (random) => ({
    ...ofNumber(random, {
      names: ["factorial", "productTo"],
      does: ["multiplies all numbers from 1 to n"],
      bodies: ["let product = 1;\nfor (let i = 1; i <= n; i++) {\n  product *= i;\n}\nreturn product;"],
      right: (n: number) => [1, 1, 2, 6, 24, 120, 720][n]!,
    }),
    drawInput: () => [random.integer(1, 6)],
  }),
];

const LIST_FAMILIES: readonly Family[] = [
  (random) => {
    const k = random.integer(2, 9);
    return ofNumbers(random, {
      names: [`allTimes${k}`, "scaleAll"],
      does: [`multiplies every number of a list by ${k}`],
      bodies: [`list.map((x) => x * ${k})`],
      right: (list: number[]) => list.map((x) => k * x),
    });
  },
  (random) => {
    const k = random.integer(1, 9);
    return ofNumbers(random, {
      names: [`addToAll${k}`, "shiftAll"],
      does: [`adds ${k} to every number of a list`],
      bodies: [`list.map((x) => x + ${k})`],
      right: (list: number[]) => list.map((x) => k + x),
    });
  },
  (random) => {
    const k = random.integer(-2, 9);
    return ofNumbers(random, {
      names: [`above${k < 0 ? "Minus" : ""}${Math.abs(k)}`, "keepLarge"],
      does: [`keeps the numbers of a list that are greater than ${k}`],
      bodies: [`list.filter((x) => x > ${k})`],
      right: (list: number[]) => list.filter((x) => !(x <= k)),
    });
  },
  (random) => {
    const k = random.integer(-2, 9);
    return ofNumbers(random, {
      names: ["countLarge", "countOver"],
      does: [`counts the numbers of a list that are greater than ${k}`],
      bodies: [`list.filter((x) => x > ${k}).length`, loop("0", `if (x > ${k}) result++;`)],
      right: (list: number[]) => list.reduce((count, x) => (x > k ? count + 1 : count), 0),
    });
  },
  (random) =>
    ofNumbers(random, {
      names: ["sum", "total", "addAll"],
      does: ["adds all numbers of a list", "returns the sum of a list"],
      bodies: [loop("0", "result += x;"), "list.reduce((sum, x) => sum + x, 0)"],
      right: (list: number[]) => list.reduce((a, b) => a + b, 0),
    }),
  (random) =>
    ofNumbers(random, {
      names: ["largest", "maxOf"],
      does: ["returns the largest number of a list"],
      bodies: ["Math.max(...list)", loop("list[0]", "if (x > result) result = x;")],
      right: (list: number[]) => list.toSorted((a, b) => b - a)[0]!,
    }),
  (random) =>
    ofNumbers(random, {
      names: ["smallest", "minOf"],
      does: ["returns the smallest number of a list"],
      bodies: ["Math.min(...list)", loop("list[0]", "if (x < result) result = x;")],
      right: (list: number[]) => list.toSorted((a, b) => a - b)[0]!,
    }),
  (random) =>
    ofNumbers(random, {
      names: ["last", "lastOf"],
      does: ["returns the last entry of a list"],
      bodies: ["list[list.length - 1]", "list.at(-1)"],
      right: (list: number[]) => list.toReversed()[0]!,
    }),
  (random) =>
    ofNumbers(random, {
      names: ["first", "firstOf"],
      does: ["returns the first entry of a list"],
      bodies: ["list[0]"],
      right: (list: number[]) => list.at(0)!,
    }),
  (random) =>
    ofNumbers(random, {
      names: ["evens", "keepEven"],
      does: ["keeps the even numbers of a list"],
      bodies: ["list.filter((x) => x % 2 === 0)"],
      right: (list: number[]) => list.filter((x) => Math.abs(x) % 2 !== 1),
    }),
  (random) =>
    ofNumbers(random, {
      names: ["backwards", "reversed"],
      does: ["returns a list in reverse order"],
      bodies: ["[...list].reverse()"],
      right: (list: number[]) => list.toReversed(),
    }),
  (random) =>
    ofNumbers(random, {
      names: ["sorted", "inOrder"],
      does: ["sorts the numbers of a list from small to large"],
      bodies: ["[...list].sort((a, b) => a - b)"],
      right: (list: number[]) => list.toSorted((a, b) => a - b),
    }),
  (random) => {
    const mark = random.pick([", ", "-", " + ", "/", " "]);
    return ofWords(random, {
      names: ["joinWords", "combine"],
      does: [`joins the words of a list with "${mark}"`],
      bodies: [`words.join("${mark}")`],
      right: (words: string[]) => words.reduce((text, word) => `${text}${mark}${word}`),
    });
  },
  (random) => {
    const k = random.integer(3, 5);
    return ofWords(random, {
      names: ["longWords", "keepLong"],
      does: [`keeps the words of a list that have more than ${k} letters`],
      bodies: [`words.filter((word) => word.length > ${k})`],
      right: (words: string[]) => words.filter((word) => word[k] !== undefined),
    });
  },
];

const TEXT_FAMILIES: readonly Family[] = [
  (random) => {
    const word = random.pick(["Hello", "Hi", "Welcome", "Goodbye", "Dear"]);
    const mark = random.pick(["!", ".", ""]);
    return ofWord(random, {
      names: ["greet", "welcome"],
      does: [`puts "${word} " before a text${mark === "" ? "" : ` and "${mark}" after it`}`],
      bodies: [`"${word} " + text${mark === "" ? "" : ` + "${mark}"`}`, `\`${word} \${text}${mark}\``],
      right: (text: string) => [word, text].join(" ").concat(mark),
    });
  },
  (random) => {
    const k = random.integer(2, 4);
    return ofWord(random, {
      names: ["repeat", `repeat${k}`],
      does: [`repeats a text ${k} times`],
      bodies: [`text.repeat(${k})`],
      right: (text: string) => Array.from({ length: k }, () => text).join(""),
    });
  },
  (random) => {
    const k = random.integer(1, 3);
    return ofWord(random, {
      names: ["start", `first${k}`],
      does: [`returns the first ${k === 1 ? "letter" : `${k} letters`} of a text`],
      bodies: [`text.slice(0, ${k})`],
      right: (text: string) => [...text].filter((_, i) => i < k).join(""),
    });
  },
  (random) => {
    const letter = random.pick([..."aeionrl"]);
    return ofWord(random, {
      names: ["countLetter", `count${letter.toUpperCase()}`],
      does: [`counts the letter "${letter}" in a text`],
      bodies: [
        `text.split("${letter}").length - 1`,
        `let count = 0;\nfor (const letter of text) {\n  if (letter === "${letter}") count++;\n}\nreturn count;`,
      ],
      right: (text: string) => [...text].filter((each) => each === letter).length,
    });
  },
  (random) => {
    const letter = random.pick([..."abgklnrs"]);
    return ofWord(random, {
      names: ["check", `startsWith${letter.toUpperCase()}`],
      does: [`checks if a text starts with "${letter}"`],
      bodies: [`text.startsWith("${letter}")`, `text[0] === "${letter}"`],
      right: (text: string) => text.charAt(0) === letter,
    });
  },
  (random) => {
    const letter = random.pick([..."aeionrl"]);
    return ofWord(random, {
      names: ["has", `has${letter.toUpperCase()}`],
      does: [`checks if a text contains "${letter}"`],
      bodies: [`text.includes("${letter}")`],
      right: (text: string) => [...text].some((each) => each === letter),
    });
  },
  (random) =>
    ofWord(random, {
      names: ["reverse", "backwards"],
      does: ["reverses a text"],
      bodies: ['text.split("").reverse().join("")', '[...text].reverse().join("")'],
      right: (text: string) => [...text].reduce((found, letter) => letter + found, ""),
    }),
  (random) =>
    ofWord(random, {
      names: ["shout", "upper"],
      does: ["turns a text into capital letters"],
      bodies: ["text.toUpperCase()"],
      right: (text: string) => [...text].map((letter) => letter.toUpperCase()).join(""),
    }),
  (random) =>
    ofWord(random, {
      names: ["size", "lengthOf"],
      does: ["returns the length of a text"],
      bodies: ["text.length"],
      right: (text: string) => [...text].length,
    }),
  (random) =>
    ofWord(random, {
      names: ["isPalindrome", "sameBackwards"],
      does: ["checks if a text reads the same backwards"],
      bodies: ['text === [...text].reverse().join("")'],
      right: (text: string) => [...text].every((letter, i) => letter === text.at(-1 - i)),
    }),
  (random) =>
    ofWord(random, {
      names: ["lastLetter", "ending"],
      does: ["returns the last letter of a text"],
      bodies: ["text[text.length - 1]", "text.at(-1)"],
      right: (text: string) => text.slice(-1),
    }),
];

export const FAMILIES: readonly Family[] = [...NUMBER_FAMILIES, ...LIST_FAMILIES, ...TEXT_FAMILIES];
