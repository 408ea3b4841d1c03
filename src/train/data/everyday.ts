// Simple facts for a first conversation, from small tables: capitals, opposites, animals, colors, days, spelling.
//
// Every fact is asked in several ways and answered in one sentence with one right word.
// Refuses to know conversations.

import { says } from "./grading.ts";
import { capitalize, phrase, withArticle } from "./phrase.ts";
import type { Random } from "./random.ts";
import type { Exchange } from "./sample.ts";
import { FRUITS, THINGS } from "./words.ts";

const pairs = (text: string): readonly (readonly [string, string])[] =>
  text
    .trim()
    .split(/\s*,\s*/)
    .map((pair) => pair.split(":") as [string, string]);

const CAPITALS =
  pairs(`France:Paris, Germany:Berlin, Italy:Rome, Spain:Madrid, Norway:Oslo, Austria:Vienna, Portugal:Lisbon,
  Greece:Athens, Ireland:Dublin, Egypt:Cairo, Japan:Tokyo, China:Beijing, England:London, Peru:Lima, Kenya:Nairobi,
  Poland:Warsaw, Finland:Helsinki, Cuba:Havana, Sweden:Stockholm, Denmark:Copenhagen, Russia:Moscow, Hungary:Budapest,
  Belgium:Brussels, South Korea:Seoul, Vietnam:Hanoi, Canada:Ottawa, Australia:Canberra, Iceland:Reykjavik`);
const OPPOSITES = pairs(`big:small, hot:cold, day:night, up:down, old:young, fast:slow, happy:sad, light:dark, good:bad,
  open:closed, full:empty, high:low, hard:soft, long:short, rich:poor, strong:weak, early:late, loud:quiet, wet:dry,
  left:right, first:last, near:far, clean:dirty, heavy:light, sweet:sour, true:false, begin:end, buy:sell, give:take,
  come:go, push:pull, win:lose, black:white, inside:outside, above:below, always:never, easy:difficult, new:old`);
const SOUNDS = pairs(`cat:meow, dog:woof, cow:moo, duck:quack, sheep:baa, pig:oink, lion:roar, bee:buzz, owl:hoot,
  horse:neigh, frog:ribbit, mouse:squeak, rooster:cock-a-doodle-doo, snake:hiss`);
const LEGS = pairs(`dog:four, cat:four, bird:two, spider:eight, ant:six, bee:six, horse:four, duck:two, cow:four,
  snake:no, fish:no, beetle:six, fox:four, hen:two`);
const YOUNG = pairs(`cat:kitten, dog:puppy, cow:calf, sheep:lamb, horse:foal, hen:chick, duck:duckling, bear:cub,
  frog:tadpole, goat:kid, lion:cub, goose:gosling`);
const COLORS_OF = pairs(`the sky:blue, grass:green, snow:white, a banana:yellow, blood:red, coal:black, a lemon:yellow,
  a tomato:red, milk:white, a carrot:orange, the sun:yellow, a raven:black, a strawberry:red, chocolate:brown`);
const MAKES = pairs(`honey:bees, milk:cows, eggs:hens, wool:sheep, webs:spiders, nests:birds`);
const PEOPLE = pairs(`bread:baker, sick people:doctor, a class:teacher, a plane:pilot, a ship:captain, a farm:farmer,
  a garden:gardener, pictures:painter, songs:singer, books:writer, fires:firefighter`);
const HOMES = pairs(`bee:hive, bird:nest, horse:stable, dog:doghouse, spider:web, rabbit:burrow, king:castle`);
const COUNTS = pairs(`days are in a week:seven, months are in a year:twelve, hours are in a day:twenty-four,
  minutes are in an hour:sixty, seconds are in a minute:sixty, days are in a year:365, fingers are on a hand:five,
  weeks are in a year:52, letters are in the alphabet:26, sides does a triangle have:three, sides does a square have:four,
  wheels does a bicycle have:two, wheels does a car have:four, seasons are in a year:four`);
const WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const YEAR = ["January", "February", "March", "April", "May", "June"].concat([
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
]);

type FactMaker = (random: Random) => readonly [question: string, answer: string, core: string];

/** Facts of one table: `$a` is what is asked about, `$b` what is right. */
function table(entries: readonly (readonly [string, string])[], ask: string, tell: string): FactMaker {
  return (random) => {
    const [a, b] = random.pick(entries);
    const slots = { a, b, an: withArticle(a), bn: withArticle(b) };
    return [phrase(random, ask, slots), phrase(random, tell, slots), b];
  };
}

function swap(entries: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return entries.map(([a, b]) => [b, a] as const);
}

function neighbor(list: readonly string[], kind: string): FactMaker {
  return (random) => {
    const i = random.integer(0, list.length - 1);
    const isNext = random.chance(0.5);
    const other = list[(i + (isNext ? 1 : list.length - 1)) % list.length]!;
    const side = isNext ? "after" : "before";
    const question = phrase(random, "{What|Which} $kind {comes|is} $side $one?", { kind, side, one: list[i]! });
    return [question, `${other} comes ${side} ${list[i]!}.`, other];
  };
}

const spelling: FactMaker = (random) => {
  const word = random.pick([...THINGS, ...FRUITS]);
  const letters = word.split("").join("-");
  return [
    phrase(random, "{{How do you|Can you} spell $word?|Spell $word.|Spell the word $word.}", { word }),
    `${capitalize(word)} is spelled ${letters}.`,
    letters,
  ];
};

const counting: FactMaker = (random) => {
  const start = random.integer(1, 20);
  const end = start + random.integer(2, 9);
  const numbers = Array.from({ length: end - start + 1 }, (_, i) => start + i).join(", ");
  const slots = { start: String(start), end: String(end) };
  return [
    phrase(random, "{{Count|Please count} from $start to $end.|Can you count from $start to $end?}", slots),
    `${numbers}.`,
    numbers,
  ];
};

const comparing: FactMaker = (random) => {
  const [a, b] = [random.integer(1, 999), random.integer(1, 999)];
  const isLarger = random.chance(0.5);
  const right = String(isLarger ? Math.max(a, b) : Math.min(a, b));
  const slots = { a: String(a), b: String(b), word: isLarger ? "larger" : "smaller" };
  return [
    phrase(random, "{Which|Which number} is $word, $a or $b?", slots),
    a === b ? `Both are ${right}.` : `${right} is ${slots.word}.`,
    right,
  ];
};

const FACTS: readonly FactMaker[] = [
  table(CAPITALS, "{What is|Tell me|Do you know} the capital {of|city of} $a?", "The capital of $a is $b."),
  table(swap(CAPITALS), "{In which country is|Where is} $a?", "$a is in $b."),
  table(OPPOSITES, "What is the opposite of $a?", "The opposite of $a is $b."),
  table(OPPOSITES, "{Tell me|Say|Give me} the opposite of $a.", "The opposite of $a is $b."),
  table(SOUNDS, "{What does $an say|Which sound does $an make|What sound does $an make}?", "$An says $b."),
  table(LEGS, "How many legs does $an have?", "$An has $b legs."),
  table(YOUNG, "What is a {young|baby} $a called?", "A young $a is called $bn."),
  table(COLORS_OF, "{What|Which} color is $a?", "$A is $b."),
  table(MAKES, "{Who|What} makes $a?", "$B make $a."),
  table(PEOPLE, "Who {works with|takes care of} $a?", "$Bn works with $a."),
  table(HOMES, "Where does $an live?", "$An lives in $bn."),
  table(COUNTS, "How many $a?", "The answer is $b."),
  neighbor(WEEK, "day"),
  neighbor(YEAR, "month"),
  spelling,
  counting,
  comparing,
];

export function everydayExchange(random: Random): Exchange {
  const [question, answer, core] = random.pick(FACTS)(random);
  return { question, answer, reasoning: "This is a simple question.", accepts: says(core) };
}
