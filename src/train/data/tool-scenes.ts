// The questions of tool dialogues, each with the plan that answers it: rounds of calls, and how results become words.
//
// A scene says what to call, never what comes back: results come from the simulators, and a round may depend on the
// results before it. Each scene leaves a result that can be graded.
// Refuses to know messages.

import { says, saysNumber } from "./grading.ts";
import { listing, phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { type ToolName, type ToolWorld, UNITS } from "./tool-box.ts";
import { CITIES, COUNTABLE, NAMES, SECRET_NOUNS } from "./words.ts";

export interface PlannedCall {
  readonly name: ToolName;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Finish {
  readonly content: string;
  readonly accepts: (content: string) => boolean;
  readonly why: string;
}

/** Calls of one round, made in parallel, with the thought before them; or the end. */
export type Step = { readonly why: string; readonly calls: readonly PlannedCall[] } | Finish;

export interface Scene {
  readonly question: string;
  /** Tools that must be there. */
  readonly needs: readonly ToolName[];
  /** Tools that must not be there. */
  readonly without?: readonly ToolName[];
  /** What to do after these results, in order of the calls so far. */
  readonly next: (results: readonly string[]) => Step;
}

export type SceneMaker = (random: Random, world: ToolWorld) => Scene;

const call = (name: ToolName, args: Readonly<Record<string, unknown>> = {}): PlannedCall => ({ name, args });

function number(random: Random, maxDigits = 4): number {
  const numDigits = random.integer(1, maxDigits);
  return random.integer(10 ** (numDigits - 1), 10 ** numDigits - 1);
}

/** A scene of one call. */
function single(
  scene: Pick<Scene, "question">,
  why: string,
  one: PlannedCall,
  finish: (result: string) => Finish,
): Scene {
  return {
    ...scene,
    needs: [one.name],
    next: ([result]) => (result === undefined ? { why, calls: [one] } : finish(result)),
  };
}

const calculation: SceneMaker = (random) => {
  const expression = random.fresh(
    (source) => {
      const [a, b, c] = [number(source), number(source, 3), number(source, 2)];
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
  const [a, b] = [number(random, 3), number(random, 3)];
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
    accepts: says(result.split(" ").at(-2)!),
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
      const why = `${first} has ${a} degrees and ${second} has ${b}.`;
      const expression = `${Math.max(a, b)} - ${Math.min(a, b)}`;
      if (difference === undefined) return { why, calls: [call("calculator", { expression })] };
      const word = a < b ? "colder" : "warmer";
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

export const NOTE_NAMES = [
  "locker code",
  "door code",
  "favorite color",
  "shopping list",
  "meeting room",
  "phone number",
  "lucky number",
  "train platform",
  "gift idea",
  "dog name",
  "wifi password",
  "table number",
];

export function noteText(random: Random): string {
  return random.chance(0.5)
    ? String(random.integer(100, 9999))
    : random.sample(SECRET_NOUNS, random.integer(1, 2)).join(" ");
}

const saveNote: SceneMaker = (random) => {
  const name = random.pick(NOTE_NAMES);
  const text = noteText(random);
  const question = phrase(
    random,
    "{{Remember|Please remember|Please note} that my $name is $text.|{Save|Keep|Write down} my $name: $text}",
    { name, text },
  );
  return single({ question }, `I save the ${name} as a note.`, call("save_note", { name, text }), () => ({
    why: "The note is saved.",
    content: `I saved your ${name}: ${text}`,
    accepts: says(text),
  }));
};

const readNote: SceneMaker = (random, world) => {
  const name = random.pick(Object.keys(world.notes));
  const question = phrase(random, "{{What is|What was|Can you tell me} my $name?|Tell me my $name{|, please}.}", {
    name,
  });
  return single({ question }, `I read the note about the ${name}.`, call("read_note", { name }), (result) =>
    tellNote(name, result),
  );
};

function tellNote(name: string, text: string): Finish {
  return { why: `The note says ${text}.`, content: `Your ${name} is ${text}.`, accepts: says(text) };
}

/** The note does not exist, unless an earlier question saved it: the list shows what does. */
const missingNote: SceneMaker = (random, world) => {
  const name = random.pick(NOTE_NAMES.filter((one) => !Object.hasOwn(world.notes, one)));
  return {
    question: phrase(random, "{{What is|What was} my $name?|Tell me my $name{|, please}.}", { name }),
    needs: ["read_note", "list_notes"],
    next: ([read, all]) => {
      if (read === undefined)
        return { why: `I read the note about the ${name}.`, calls: [call("read_note", { name })] };
      if (!read.startsWith("Error:")) return tellNote(name, read);
      if (all === undefined) return { why: "There is no such note. I look at the list.", calls: [call("list_notes")] };
      return {
        why: "It is not in the list.",
        content: `Sorry, I have no note about your ${name}. My notes are: ${all}.`,
        accepts: (content) => /sorry|no note/i.test(content),
      };
    },
  };
};

const listNotes: SceneMaker = (random, world) => {
  const names = Object.keys(world.notes);
  const question = phrase(random, "{Which|What} notes {do I have|are there|did I save}?");
  return single({ question }, "I list the notes.", call("list_notes"), (result) => ({
    why: "I have the list.",
    content: `You have these notes: ${result}.`,
    accepts: (content) => names.every((name) => content.includes(name)),
  }));
};

/** Read, compute with what was read, save what was computed: three rounds, each fed by the one before. */
const raiseScore: SceneMaker = (random) => {
  const added = number(random, 3);
  const question = phrase(
    random,
    "{Add $added to my score|My score goes up by $added|I won $added points. Update my score}.",
    { added: String(added) },
  );
  return {
    question,
    needs: ["read_note", "calculator", "save_note"],
    next: ([score, sum, saved]) => {
      if (score === undefined) return { why: "First I read the score.", calls: [call("read_note", { name: "score" })] };
      const expression = `${score} + ${added}`;
      if (sum === undefined)
        return { why: `The score is ${score}. I add ${added}.`, calls: [call("calculator", { expression })] };
      if (saved === undefined)
        return { why: `The new score is ${sum}. I save it.`, calls: [call("save_note", { name: "score", text: sum })] };
      return { why: "The score is saved.", content: `Your score is now ${sum}.`, accepts: saysNumber(Number(sum)) };
    },
  };
};

const homeWeather: SceneMaker = (random) => ({
  question: phrase(random, "{How is the weather in|What is the weather like in} my home town?"),
  needs: ["read_note", "weather"],
  next: ([town, weather]) => {
    if (town === undefined)
      return { why: "I read which town it is.", calls: [call("read_note", { name: "home town" })] };
    if (weather === undefined) return { why: `The home town is ${town}.`, calls: [call("weather", { city: town })] };
    return {
      why: "The weather is known now.",
      content: `In ${town} it is ${weather.replace(", ", " with ")}.`,
      accepts: (content) => says(weather.split(" ").at(-2)!)(content) && says(town)(content),
    };
  },
});

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
    const value = random.pick([number(random, 2), number(random, 3), 10 * number(random, 2)]);
    const thousandths = (1000 * value * units[from]!) / units[to]!;
    if (Math.abs(thousandths - Math.round(thousandths)) < 1e-6 && thousandths < 1e12) return { from, to, value };
  }
}

const divisionByZero: SceneMaker = (random) => {
  const expression = `${number(random)} / 0`;
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

const sumOfNotes: SceneMaker = (random) => {
  const question = phrase(random, "What is {my age plus my score|my score plus my age}?");
  return {
    question,
    needs: ["read_note", "calculator"],
    next: ([age, score, sum]) => {
      if (age === undefined || score === undefined) {
        const calls = ["age", "score"].map((name) => call("read_note", { name }));
        return { why: "I read both notes.", calls };
      }
      if (sum === undefined) {
        const why = `The notes say ${listing([age, score])}.`;
        return { why, calls: [call("calculator", { expression: `${age} + ${score}` })] };
      }
      return { why: `The sum is ${sum}.`, content: `Together that is ${sum}.`, accepts: saysNumber(Number(sum)) };
    },
  };
};

/** Simple scenes stand more often. */
export const SCENES: readonly SceneMaker[] = [
  ...[calculation, calculation, wordProblem, time, cityWeather, saveNote, readNote, conversion],
  ...[twoCities, twoCities, raiseScore, homeWeather, sumOfNotes],
  ...[unknownCity, missingNote, listNotes, divisionByZero, noSuchTool, talk],
];
