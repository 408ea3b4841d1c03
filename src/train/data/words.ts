// The words that generators share: people, places, things, feelings, cities.
//
// Things of one list have different last words, so that a thing is known by its noun. Places carry how one is in
// them ("in the kitchen"); "to the kitchen" follows from the noun.
// Refuses to know sentences.

export interface Person {
  readonly name: string;
  readonly she: "she" | "he";
  readonly her: "her" | "his";
  readonly him: "her" | "him";
  readonly kind: string;
}

export interface Place {
  /** "kitchen" */
  readonly noun: string;
  /** "in the kitchen" */
  readonly at: string;
}

const list = (words: string): readonly string[] => words.trim().split(/\s+/);
const lines = (text: string): readonly string[] => text.trim().split(/\s*,\s*/);

const GIRLS = list(`Mia Anna Lily Nora Ella Zoe Ruth Clara Ida Maya Sara Lucy Rosa Tina Eva Jane Amy Kate Lena Hana
  June Vera Nina Ada Iris Molly Grace Emma Alma Dora`);
const BOYS = list(`Tom Ben Max Sam Leo Finn Jack Noah Paul Omar Luis Adam Carl Eric Hugo Ivan Jim Karl Liam Ned
  Oscar Peter Rob Theo Will Zack Henry Felix Dan Milo`);
const ANIMAL_NAMES = list("Pip Bruno Coco Fuzzy Nibbles Rusty Snowy Tiny Whiskers Sunny Patch Pepper Ginger Biscuit");
export const ANIMALS = list("fox rabbit bear mouse duck squirrel hedgehog owl frog badger cat dog goat hen otter");

const girl = (name: string, kind: string): Person => ({ name, she: "she", her: "her", him: "her", kind });
const boy = (name: string, kind: string): Person => ({ name, she: "he", her: "his", him: "him", kind });

export const CHILDREN: readonly Person[] = [
  ...GIRLS.map((name) => girl(name, "girl")),
  ...BOYS.map((name) => boy(name, "boy")),
];
export const ANIMAL_PEOPLE: readonly Person[] = ANIMAL_NAMES.flatMap((name, i) =>
  ANIMALS.filter((_, j) => (i + j) % 3 === 0).map((animal) => (i % 2 === 0 ? boy(name, animal) : girl(name, animal))),
);
export const NAMES: readonly string[] = CHILDREN.map(({ name }) => name);

const INSIDE = list(`kitchen garden forest library school barn cave market attic cellar bakery tower museum park
  workshop village stable meadow orchard castle bathroom bedroom shop greenhouse theater`);
const AT_PLACES = list("beach station pond lake farm harbor bridge mill fountain river well zoo playground");
export const PLACES: readonly Place[] = [
  ...INSIDE.map((noun) => ({ noun, at: `in the ${noun}` })),
  ...AT_PLACES.map((noun) => ({ noun, at: `at the ${noun}` })),
];

/** Where a thing can be put. */
export const SPOTS = lines(`under the bed, on the table, in the drawer, on the shelf, behind the door, in the basket,
  under the chair, on the windowsill, in the box, behind the curtain, in the cupboard, under the bench, beside the lamp,
  on the piano, inside the chest, under the old tree, next to the fence, on the bench, behind the big rock, in the sack`);

export const COLORS = list("red blue green yellow white black brown orange purple pink golden silver");
export const THINGS = list(`ball kite book hat coin key lamp bell drum shell ring cup doll boat flute mirror scarf
  button feather pencil map whistle umbrella candle ribbon spoon marble puppet puzzle bucket brush mitten necklace
  notebook pillow teapot toy watch wallet blanket box basket lantern rope stone clock vase violin`);
export const SIZES = list("small big little old new shiny pretty plain heavy light round");
export const FRUITS = list("apple pear plum banana orange lemon peach melon cherry grape berry fig mango kiwi");
export const FOODS =
  lines(`bread, soup, cheese, a pie, an apple, some nuts, a sandwich, some berries, a carrot, a cookie,
  rice, a bowl of porridge, honey cake, a pancake, some grapes`);
export const COUNTABLE = list(`apples books coins shells stones cards stamps marbles eggs flowers buttons pencils
  cookies stickers leaves beads tickets nuts pears cups`);
export const SUBJECTS = list(`cats dogs birds trains flowers stars robots horses boats dragons trees rivers bread
  clouds music whales bees mountains`);
export const CITIES = list(`Paris London Berlin Rome Madrid Oslo Vienna Lisbon Athens Dublin Cairo Tokyo Beijing Delhi
  Sydney Toronto Chicago Boston Lima Nairobi Prague Warsaw Helsinki Zurich Seoul Hanoi Istanbul Havana`);
export const JOBS = list("baker teacher doctor farmer painter nurse pilot sailor cook driver writer singer gardener");
export const SECRET_NOUNS = list(`harbor lantern meadow copper falcon winter garden silver orange pepper velvet marble
  thunder island cactus pirate walnut rocket saddle turtle violet wagon zebra anchor basket candle desert engine
  feather ginger hammer jacket kitten ladder magnet needle oyster parrot quartz ribbon shadow tunnel umbrella valley
  whisper yellow acorn button castle dragon ember forest guitar helmet insect jungle kettle lemon mirror nugget olive`);
