// Families of functions of numbers: each draws its constants and gives descriptions, bodies and what is right.
// Refuses to know what families share.

import { type Family, ofNumber, ofTwo } from "./code-task.ts";

export const NUMBER_FAMILIES: readonly Family[] = [
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
