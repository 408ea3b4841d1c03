// Families of functions of lists and texts: each draws its constants and gives descriptions, bodies and what is right.
// Refuses to know what families share.

import { type Family, loop, ofNumbers, ofWord, ofWords } from "./code-task.ts";

export const LIST_FAMILIES: readonly Family[] = [
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

export const TEXT_FAMILIES: readonly Family[] = [
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
      right: (text: string) =>
        Array.from(text)
          .filter((_, i) => i < k)
          .join(""),
    });
  },
  (random) => {
    const letter = random.pick("aeionrl".split(""));
    return ofWord(random, {
      names: ["countLetter", `count${letter.toUpperCase()}`],
      does: [`counts the letter "${letter}" in a text`],
      bodies: [
        `text.split("${letter}").length - 1`,
        `let count = 0;\nfor (const letter of text) {\n  if (letter === "${letter}") count++;\n}\nreturn count;`,
      ],
      right: (text: string) => Array.from(text).filter((each) => each === letter).length,
    });
  },
  (random) => {
    const letter = random.pick("abgklnrs".split(""));
    return ofWord(random, {
      names: ["check", `startsWith${letter.toUpperCase()}`],
      does: [`checks if a text starts with "${letter}"`],
      bodies: [`text.startsWith("${letter}")`, `text[0] === "${letter}"`],
      right: (text: string) => text.charAt(0) === letter,
    });
  },
  (random) => {
    const letter = random.pick("aeionrl".split(""));
    return ofWord(random, {
      names: ["has", `has${letter.toUpperCase()}`],
      does: [`checks if a text contains "${letter}"`],
      bodies: [`text.includes("${letter}")`],
      right: (text: string) => Array.from(text).some((each) => each === letter),
    });
  },
  (random) =>
    ofWord(random, {
      names: ["reverse", "backwards"],
      does: ["reverses a text"],
      bodies: ['text.split("").reverse().join("")', '[...text].reverse().join("")'],
      right: (text: string) => Array.from(text).reduce((found, letter) => letter + found, ""),
    }),
  (random) =>
    ofWord(random, {
      names: ["shout", "upper"],
      does: ["turns a text into capital letters"],
      bodies: ["text.toUpperCase()"],
      right: (text: string) =>
        Array.from(text)
          .map((letter) => letter.toUpperCase())
          .join(""),
    }),
  (random) =>
    ofWord(random, {
      names: ["size", "lengthOf"],
      does: ["returns the length of a text"],
      bodies: ["text.length"],
      right: (text: string) => Array.from(text).length,
    }),
  (random) =>
    ofWord(random, {
      names: ["isPalindrome", "sameBackwards"],
      does: ["checks if a text reads the same backwards"],
      bodies: ['text === [...text].reverse().join("")'],
      right: (text: string) => Array.from(text).every((letter, i) => letter === text.at(-1 - i)),
    }),
  (random) =>
    ofWord(random, {
      names: ["lastLetter", "ending"],
      does: ["returns the last letter of a text"],
      bodies: ["text[text.length - 1]", "text.at(-1)"],
      right: (text: string) => text.slice(-1),
    }),
];
