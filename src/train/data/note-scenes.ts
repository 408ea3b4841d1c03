// The scenes of tool dialogues that keep, read and use notes.
//
// They show data that flows from call to call: what a note says is computed with, looked up, and kept again.
// Refuses to know messages.

import { says, saysNumber } from "./grading.ts";
import { listing, phrase } from "./phrase.ts";
import type { Random } from "./random.ts";
import { call, drawNumber, type Finish, type SceneMaker, single } from "./tool-scene.ts";
import { SECRET_NOUNS } from "./words.ts";

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

export const saveNote: SceneMaker = (random) => {
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

export const readNote: SceneMaker = (random, world) => {
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
export const missingNote: SceneMaker = (random, world) => {
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

export const listNotes: SceneMaker = (random, world) => {
  const names = Object.keys(world.notes);
  const question = phrase(random, "{Which|What} notes {do I have|are there|did I save}?");
  return single({ question }, "I list the notes.", call("list_notes"), (result) => ({
    why: "I have the list.",
    content: `You have these notes: ${result}.`,
    accepts: (content) => names.every((name) => content.includes(name)),
  }));
};

/** Read, compute with what was read, save what was computed: three rounds, each fed by the one before. */
export const raiseScore: SceneMaker = (random) => {
  const added = drawNumber(random, 3);
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

export const homeWeather: SceneMaker = (random) => ({
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

export const sumOfNotes: SceneMaker = (random) => {
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
