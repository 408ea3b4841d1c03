// The scenes of tool dialogues: sums, time, weather, units, and questions that no tool can or need answer.
// Refuses to know messages.

import { says, saysNumber } from "./grading.ts";
import { homeWeather, listNotes, missingNote, raiseScore, readNote, saveNote, sumOfNotes } from "./note-scenes.ts";
import { phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { type ToolName, UNITS } from "./tool-box.ts";
import { call, drawNumber, type Finish, type SceneMaker, single } from "./tool-scene.ts";
import { CITIES, COUNTABLE, NAMES } from "./words.ts";

const calculation: SceneMaker = (random) => {
  const expression = random.fresh(
    (source) => {
      const [a, b, c] = [drawNumber(source), drawNumber(source, 3), drawNumber(source, 2)];
      const operator = source.pick(["+", "-", "*", "*"]);
      return source.chance(0.8) ? `${a} ${operator} ${b}` : `(${a} + ${b}) * ${c}`;
    },
    (text) => `calculator ${text}`,
  );
  const question = phraseOf(
    random,
    [
      "{What is|How much is} $expression?",
      "{Calculate|Compute|Work out} $expression.",
      "{Use the calculator:|Please compute} $expression",
    ],
    { expression },
  );
  return single({ question }, "I use the calculator.", call("calculator", { expression }), (result) => ({
    why: `The calculator says ${result}.`,
    content: `${expression} = ${result}`,
    accepts: saysNumber(Number(result)),
  }));
};

const wordProblem: SceneMaker = (random) => {
  const [a, b] = [drawNumber(random, 3), drawNumber(random, 3)];
  const slots = { a: String(a), b: String(b), things: random.pick(COUNTABLE), name: random.pick(NAMES) };
  const [template, operator] = random.pick([
    ["A box holds $a $things. How many $things are in $b boxes?", "*"],
    ["There are $a $things in a bag. How many are in $b bags?", "*"],
    ["$name {buys|has} $a $things for $b cents each. How many cents is that?", "*"],
    ["$name had $a $things and got $b more. How many $things are there now?", "+"],
    ["{A shop|A school} has $a $things and {buys|orders} $b more. How many is that?", "+"],
  ] as const);
  const expression = `${a} ${operator} ${b}`;
  return single(
    { question: phrase(random, template, slots) },
    `I compute ${expression}.`,
    call("calculator", { expression }),
    (result) => ({
      why: `The calculator says ${result}.`,
      content: `The answer is ${result}.`,
      accepts: saysNumber(Number(result)),
    }),
  );
};

const time: SceneMaker = (random) => {
  const question = phrase(
    random,
    "{What time is it{ now|}?|What is the time?|Tell me the time{, please|}.|Do you know what time it is?}",
  );
  return single({ question }, "I look at the clock.", call("clock"), (result) => ({
    why: `The clock says ${result}.`,
    content: `It is ${result}.`,
    accepts: (content) => content.includes(result),
  }));
};

const cityWeather: SceneMaker = (random, world) => {
  const city = random.pick(Object.keys(world.weather));
  const question = phrase(
    random,
    "{How is the weather in $city{ today|}?|What is the weather like in $city?|Tell me the weather in $city.|Is it nice in $city{ today|}?}",
    { city },
  );
  return single({ question }, `I ask for the weather in ${city}.`, call("weather", { city }), (result) => ({
    why: `The weather in ${city} is known now.`,
    content: `In ${city} it is ${result.replace(", ", " with ")}.`,
    accepts: (content) =>
      result
        .split(/[ ,]+/)
        .slice(0, 2)
        .every((part) => says(part)(content)),
  }));
};

const unknownCity: SceneMaker = (random, world) => {
  const city = random.pick(CITIES.filter((name) => !Object.hasOwn(world.weather, name)));
  const question = phrase(
    random,
    "{How is the weather in $city?|What is the weather like in $city?|Tell me the weather in $city.}",
    { city },
  );
  return single({ question }, `I ask for the weather in ${city}.`, call("weather", { city }), () => ({
    why: "The tool gave an error.",
    content: `Sorry, I could not find the weather for ${city}.`,
    accepts: (content) => /sorry|could not|no weather/i.test(content) && !/degrees/.test(content),
  }));
};

/** Two calls at once, then a comparison, or a sum with what came back. */
const twoCities: SceneMaker = (random, world) => {
  const [first, second] = random.sample(Object.keys(world.weather), 2) as [string, string];
  const isDifference = random.chance(0.5);
  const question = phrase(
    random,
    isDifference
      ? "{How many degrees warmer or colder is $first than $second?|What is the difference in degrees between $first and $second?}"
      : "{Is it warmer in $first or in $second?|Which city is warmer, $first or $second?|Where is it warmer: $first or $second?}",
    { first, second },
  );
  const calls = [call("weather", { city: first }), call("weather", { city: second })];
  const degrees = (result: string): number => Number(result.split(" ").at(-2));
  return {
    question,
    needs: isDifference ? ["weather", "calculator"] : ["weather"],
    next: ([one, two, difference]) => {
      if (one === undefined || two === undefined) return { why: "I need the weather of both cities.", calls };
      const [a, b] = [degrees(one), degrees(two)];
      if (!isDifference) return compareCities([first, a], [second, b]);
      const word = a < b ? "colder" : "warmer";
      const comparison = a === b ? "" : `, so ${first} is ${word}`;
      const why = `${first} has ${a} degrees and ${second} has ${b}${comparison}.`;
      const expression = `${Math.max(a, b)} - ${Math.min(a, b)}`;
      if (difference === undefined) return { why, calls: [call("calculator", { expression })] };
      return {
        why: `The difference is ${difference}.`,
        content: `${first} is ${difference} degrees ${word} than ${second}.`,
        accepts: (content) => saysNumber(Number(difference))(content) && (a === b || content.includes(word)),
      };
    },
  };
};

function compareCities([first, a]: readonly [string, number], [second, b]: readonly [string, number]): Finish {
  const why = `${first} has ${a} degrees and ${second} has ${b}.`;
  if (a === b) return { why, content: `It is ${a} degrees in both.`, accepts: says("both") };
  const warmer = a > b ? first : second;
  const content = `It is warmer in ${warmer}.`;
  return { why, content, accepts: says(warmer) };
}

const conversion: SceneMaker = (random) => {
  const { from, to, value } = drawConversion(random);
  const slots = { from, to, value: String(value) };
  const question = phrase(
    random,
    "{How many $to are $value $from?|Convert $value $from to $to.|What is $value $from in $to?}",
    slots,
  );
  return single({ question }, "I convert the units.", call("convert", { value, from, to }), (result) => ({
    why: `The result is ${result}.`,
    content: `${value} ${from} are ${result} ${to}.`,
    accepts: (content) => content.match(/\d+(?:\.\d+)?/g)?.includes(result) ?? false,
  }));
};

/** Only conversions whose result a person would write: at most three digits behind the point. */
function drawConversion(random: Random): { from: string; to: string; value: number } {
  for (;;) {
    const units = random.pick(UNITS);
    const [from, to] = random.sample(Object.keys(units), 2) as [string, string];
    const value = random.pick([drawNumber(random, 2), drawNumber(random, 3), 10 * drawNumber(random, 2)]);
    const thousandths = (1000 * value * units[from]!) / units[to]!;
    if (Math.abs(thousandths - Math.round(thousandths)) < 1e-6 && thousandths < 1e12) return { from, to, value };
  }
}

const divisionByZero: SceneMaker = (random) => {
  const expression = `${drawNumber(random)} / 0`;
  return single(
    { question: `What is ${expression}?` },
    "I use the calculator.",
    call("calculator", { expression }),
    () => ({
      why: "The tool gave an error.",
      content: "A number cannot be divided by zero.",
      accepts: (content) => /cannot|not possible|error/i.test(content),
    }),
  );
};

const MISSING: readonly (readonly [string, ToolName, string])[] = [
  ["What time is it?", "clock", "a clock"],
  ["How is the weather in Paris?", "weather", "a weather tool"],
  ["What is my door code?", "read_note", "notes"],
];

const noSuchTool: SceneMaker = (random) => {
  const [question, name, what] = random.pick(MISSING);
  const content = `Sorry, I cannot tell you that: I do not have ${what} here.`;
  return {
    question,
    needs: [],
    without: [name],
    next: () => ({
      why: `There is no tool for that.`,
      content,
      accepts: (said) => /sorry|cannot|do not have/i.test(said),
    }),
  };
};

const TALK: readonly (readonly [string, string])[] = [
  ["{Hello|Hi|Good morning}!", "Hello! How can I help you?"],
  ["{Thanks|Thank you}{ very much|}!", "You are welcome!"],
  ["Who are you?", "I am nano, a very small language model."],
  ["What is your name?", "My name is nano."],
  ["{Bye|Goodbye}!", "Goodbye! Have a nice day."],
];

/** No tool is needed. */
const talk: SceneMaker = (random) => {
  const [template, answer] = random.pick(TALK);
  const core = answer.split(/[.!]/)[0]!;
  return {
    question: phrase(random, template),
    needs: [],
    next: () => ({ why: "I need no tool for that.", content: answer, accepts: says(core) }),
  };
};

const SIMPLE = [calculation, calculation, wordProblem, time, cityWeather, conversion, saveNote, readNote];
const CHAINED = [twoCities, twoCities, raiseScore, homeWeather, sumOfNotes];
const UNUSUAL = [unknownCity, missingNote, listNotes, divisionByZero, noSuchTool, talk];

/** A scene stands as often as it is drawn. */
export const SCENES: readonly SceneMaker[] = SIMPLE.concat(CHAINED, UNUSUAL);
