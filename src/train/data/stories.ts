// Stories and questions about them: the text from which nano learns English, and to read.
//
// A story is one or more episodes of one hero, each a plot with beats of its own and small scenes between, until the
// length is reached. It comes as plain text, as text with questions and answers, as a chat about a story, or as a
// story told on request. Every answer follows from a sentence of the story.
// Refuses to know the plots.

import { listing, phrase, phraseOf, withArticle } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Exchange, type Generator, type Sample } from "./sample.ts";
import { ADVENTURES } from "./story-adventures.ts";
import type { Cast, Plot } from "./story-cast.ts";
import { PLOTS } from "./story-plots.ts";
import { questionsAbout, type StoryQuestion } from "./story-questions.ts";
import { aThing, Telling, theThing, type Thing } from "./story-telling.ts";
import { systemMessage } from "./system-prompt.ts";
import { ANIMAL_PEOPLE, CHILDREN, COLORS, type Person, type Place, PLACES, SPOTS, THINGS } from "./words.ts";

export interface StoryOptions {
  readonly minWords: number;
  readonly maxWords: number;
  /** Shares of the forms; what remains of one is questions in a chat. */
  readonly plainShare: number;
  readonly questionTextShare: number;
  readonly requestShare: number;
  readonly thinkingShare: number;
  /** Questions about one story. */
  readonly minQuestions: number;
  readonly maxQuestions: number;
}

export interface Story {
  readonly text: string;
  readonly hero: Person;
  readonly friend: Person;
  readonly thing: Thing;
  readonly place: Place;
  readonly questions: readonly StoryQuestion[];
}

export const stories: Generator<StoryOptions> = {
  name: "stories",
  defaults: {
    minWords: 80,
    maxWords: 400,
    plainShare: 0.4,
    questionTextShare: 0.15,
    requestShare: 0.15,
    thinkingShare: 0.5,
    minQuestions: 1,
    maxQuestions: 3,
  },
  generate: (random, options) => {
    const form = random.unit();
    const { plainShare, questionTextShare, requestShare } = options;
    if (form < plainShare) return { kind: "text", text: withTitle(random, tellStory(random, options)) };
    if (form < plainShare + questionTextShare) return questionText(random, options);
    const thinking = random.chance(options.thinkingShare);
    if (form < plainShare + questionTextShare + requestShare) return toldOnRequest(random, thinking);
    return questionChat(random, options, thinking);
  },
};

interface StoryPlan {
  readonly hero: Person;
  readonly episodes: readonly { readonly plot: Plot; readonly cast: Cast }[];
}

const ALL_PLOTS = [...PLOTS, ...ADVENTURES];
const EPISODE_WORDS = 110;
const PLOT_WORDS = 60;
const SCENE_WORDS = 25;

/** A story of about as many words as the options allow. */
export function tellStory(random: Random, { minWords, maxWords }: Pick<StoryOptions, "minWords" | "maxWords">): Story {
  const numWords = random.integer(minWords, maxWords);
  const plan = random.fresh((source) => drawPlan(source, Math.max(1, Math.floor(numWords / EPISODE_WORDS))), keyOf);
  const beats = random.shuffle(BEATS);
  let cast = plan.episodes[0]!.cast;
  let allowedWords = 0;
  const telling = new Telling(random, (told) => {
    if (told.numWords < allowedWords - PLOT_WORDS && beats.length > 0 && random.chance(0.7))
      told.say(beats.pop()!, beatSlots(cast));
  });
  for (const [i, episode] of plan.episodes.entries()) {
    cast = episode.cast;
    allowedWords = (numWords * (i + 1)) / plan.episodes.length;
    if (i === 0) open(telling, cast);
    else openEpisode(telling, cast);
    episode.plot(telling, cast);
    while (telling.numWords < allowedWords - SCENE_WORDS && beats.length > 0) {
      telling.say(beats.pop()!, beatSlots(cast));
    }
    if (telling.numWords < allowedWords - SCENE_WORDS / 2 || random.chance(0.3)) sideScene(telling, cast);
  }
  if (random.chance(0.7)) telling.sayOne(ENDINGS, beatSlots(cast));
  const [first] = plan.episodes;
  return { text: telling.text, ...first!.cast, questions: questionsAbout(telling) };
}

function drawPlan(random: Random, numEpisodes: number): StoryPlan {
  const people = random.chance(0.7) ? CHILDREN : ANIMAL_PEOPLE;
  const [hero, ...friends] = distinctPeople(random, people, numEpisodes + 1);
  const nouns = random.sample(THINGS, 2 * numEpisodes);
  const places = random.sample(PLACES, 2 * numEpisodes);
  const plots = random.sample(ALL_PLOTS, numEpisodes);
  const thing = (i: number): Thing => ({ noun: nouns[i]!, color: random.pick(COLORS) });
  const episodes = plots.map((plot, i) => ({
    plot,
    cast: {
      hero: hero!,
      friend: friends[i]!,
      thing: thing(2 * i),
      second: thing(2 * i + 1),
      place: places[2 * i]!,
      elsewhere: places[2 * i + 1]!,
    },
  }));
  return { hero: hero!, episodes };
}

function distinctPeople(random: Random, people: readonly Person[], count: number): Person[] {
  const chosen = new Map<string, Person>();
  while (chosen.size < count) {
    const person = random.pick(people);
    chosen.set(person.name, person);
  }
  return [...chosen.values()];
}

function keyOf({ hero, episodes }: StoryPlan): string {
  const parts = episodes.map(({ plot, cast: { friend, thing, place } }) =>
    [plot.name, friend.name, thing.color, thing.noun, place.noun].join(" "),
  );
  return ["story", hero.name, hero.kind, ...parts].join(" ");
}

const OPENINGS = [
  "{Once upon a time, there was|There once was|Long ago there lived} a {little|young|curious|clever|cheerful} $kind named $hero.",
  "$hero was a {little|young|quiet|happy|clever} $kind who lived {in a small house|near the forest|by the sea|on a hill|at the end of a long road}.",
  "In a {small|quiet|green} village lived $aKind {called|named} $hero.",
  "This is a story about a {little|kind|brave|young} $kind. {The name of the $kind was|Everyone called $him} $hero.",
];
const FRIENDS = [
  "$hero had a {good |dear |}friend named $friend.",
  "$friend was {a|the best} friend of $hero.",
  "$hero and $friend {were good friends|did almost everything together|had known each other for years}.",
];
const EPISODES = [
  "{The next day|A week later|One fine morning|Some days later}, {something new happened|there was a new adventure}.",
  "{Soon|Not long} after, {another day began|a new day came}. {The sun was bright.|Birds sang in the trees.|The air was cool.}",
];
const ENDINGS = [
  "That night, $hero slept {very |}well.",
  "{It was a good day.|It was a day to remember.}",
  "$hero went home {with a smile|full of joy}.",
  "And $hero never forgot that day.",
  "{From then on|After that}, $hero always {helped others|remembered what a friend can do}.",
  "The moon came out, and $hero told $her {mother|father|grandmother} {all about it|everything}.",
  "$hero learned that {kind words matter|friends help each other|it is good to try again|a true word is best}.",
];
const BEATS = [
  "{The sky was blue and the air was warm.|A soft wind moved the leaves.|The sun was shining.}",
  "{White clouds moved slowly over the hills.|Far away, a bell rang.|Somewhere a dog barked.}",
  "$hero {hummed a little song|counted $her steps|whistled a happy tune}.",
  "$friend told a {funny|short|strange} story, and $hero laughed.",
  "They shared {some bread and cheese|an apple|a bottle of cold water}.",
  "{A bee flew by|A bird sang above them|A snail crossed the path}, and $hero {stopped to look|watched it for a while}.",
  '"{What a day|What a fine day|How lovely it is here}!" said $friend.',
  '"{Are you tired|Are you hungry|Are you cold}?" asked $friend. "{No, I am fine|Only a little|Not at all}," said $hero.',
  "{The path was long and full of stones.|The old road was quiet.|Grass grew tall beside the way.}",
  "$hero thought about {dinner|the long summer|$her grandmother|what $friend had said}.",
  "{Two children waved at them|An old man greeted them|A woman with a basket smiled at them}, and they {waved|smiled} back.",
  "It was {almost noon|late in the afternoon|still early}, and {there was plenty of time|nobody was in a hurry}.",
  "$hero {looked around|stood still} and {listened|took a deep breath}.",
  "{A little rain fell, but it stopped soon.|A rainbow stood over the hills.|The shadows grew longer.}",
  "$friend {smiled and said nothing|laughed so hard that $hero laughed too|gave a little jump}.",
  '"{Do you remember last winter|Did you hear that|Can you keep a secret}?" asked $hero. "{Of course|I think so}," said $friend.',
  "{In the trees, the birds were busy.|Butterflies danced over the flowers.|A cat slept on a warm stone.}",
  "$hero {was never bored|always had good ideas|liked to ask questions}.",
  "{They rested for a moment.|They drank from a cool spring.|They sat down on the grass.}",
  "$friend {knew many songs|could tell the time by the sun|liked to collect stones}, and $hero {liked that|thought that was clever}.",
];

function beatSlots({ hero, friend, place, elsewhere }: Cast): Record<string, string> {
  return {
    hero: hero.name,
    kind: hero.kind,
    aKind: withArticle(hero.kind),
    him: hero.him,
    her: hero.her,
    friend: friend.name,
    place: place.noun,
    elsewhere: elsewhere.noun,
  };
}

function open(telling: Telling, cast: Cast): void {
  telling.meet(cast.hero);
  telling.meet(cast.friend);
  telling.sayOne(OPENINGS, beatSlots(cast));
  telling.sayOne(FRIENDS, beatSlots(cast));
}

function openEpisode(telling: Telling, cast: Cast): void {
  telling.newParagraph();
  telling.meet(cast.friend);
  telling.sayOne(EPISODES, beatSlots(cast));
  telling.sayOne(FRIENDS, beatSlots(cast));
}

/** Something beside the plot: another thing changes hands or places, so that reading needs care. */
function sideScene(telling: Telling, { hero, friend, second }: Cast): void {
  if (telling.things.has(second.noun)) return;
  const { random } = telling;
  const [who, other] = random.shuffle([hero, friend]) as [Person, Person];
  telling.bring(second);
  telling.say(
    "{On the way, they saw|There was also|In a corner lay|They also had|On a bench stood|In the grass lay} $aThing.",
    { aThing: aThing(second) },
  );
  telling.take(who, second);
  if (random.chance(0.5)) telling.give(who, other, second);
  else if (random.chance(0.7)) telling.put(who, second, random.pick(SPOTS));
}

function withTitle(random: Random, { text, hero, thing, place }: Story): string {
  if (random.chance(0.6)) return text;
  const titles = [
    "$Hero and the $Noun",
    "The $Color $Noun",
    "A Day {in|at} the $Place",
    "The {Day|Wish|Surprise} of $Hero",
  ];
  const slots = { hero: hero.name, noun: thing.noun, color: thing.color, place: place.noun };
  const title = phraseOf(random, titles, slots);
  return `${title}\n\n${text}`;
}

/** A story, and some of what can be asked about it. */
function questionedStory(random: Random, options: StoryOptions): Pick<Story, "text" | "questions"> {
  const { text, questions } = tellStory(random, options);
  const count = random.integer(options.minQuestions, options.maxQuestions);
  return { text, questions: random.shuffle(questions).slice(0, count) };
}

function questionText(random: Random, options: StoryOptions): Sample {
  const { text, questions } = questionedStory(random, options);
  const asked = questions.map(({ question, answer }) => `Question: ${question}\nAnswer: ${answer}`);
  return { kind: "text", text: [text, ...asked].join("\n\n") };
}

function questionChat(random: Random, options: StoryOptions, thinking: boolean): Sample {
  const { text, questions } = questionedStory(random, options);
  const request = phrase(
    random,
    "{Read this story:|Here is a story.|Please read:|I have a question about this story.}",
  );
  const exchanges = questions.map(({ question, answer, evidence, accepts }, i): Exchange => ({
    question: i === 0 ? `${request}\n\n${text}\n\n${question}` : question,
    answer,
    reasoning: `The story says: ${evidence}`,
    accepts,
  }));
  return conversation(exchanges, { thinking, system: systemMessage(random) });
}

const REQUESTS = [
  "{Tell me|Please tell me|Can you tell me|Write|Please write|I want to hear} a {short |little |}story{ about $what|}{.|}",
  "{Tell me|Write} {a story|something} about $what{.|, please.}",
  "{A story, please.|Do you know a story?|Story time!|Make up a story.}",
];

/** A request and its story, short enough for a first minute. */
export function storyExchange(random: Random): Exchange {
  const story = tellStory(random, { minWords: 60, maxWords: 130 });
  const { hero, friend, thing, place } = story;
  const subjects = [
    `a ${hero.kind} named ${hero.name}`,
    aThing(thing),
    hero.name,
    `${hero.name} and ${friend.name}`,
    withArticle(hero.kind),
    `the ${place.noun}`,
  ];
  // Only what the story does mention may be asked for.
  const what = random.pick(subjects.filter((subject) => mentions(story, subject, thing)));
  return {
    question: phraseOf(random, REQUESTS, { what }),
    answer: story.text,
    reasoning: phrase(
      random,
      "The user wants a {short |}story. {I will tell one about $names.|It can be about $names.}",
      {
        names: listing([hero.name, friend.name]),
      },
    ),
  };
}

function mentions({ text, hero }: Story, subject: string, thing: Thing): boolean {
  if (subject === aThing(thing)) return text.includes(theThing(thing));
  return subject.startsWith("a ") || subject.startsWith("an ")
    ? text.includes(hero.kind)
    : text.includes(subject.split(" and ")[0]!);
}

function toldOnRequest(random: Random, thinking: boolean): Sample {
  return conversation([storyExchange(random)], { thinking, system: systemMessage(random) });
}
