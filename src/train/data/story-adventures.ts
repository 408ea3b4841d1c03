// More plots: ways that are lost, maps that are found, races, help, seeds that grow, and nights without sleep.
//
// As in `story-plots.ts`: told only through a `Telling`, names before pronouns, and "she" or "he" is the hero.
// Refuses to know the length of the story and what else is told.

import { type Cast, noteReason, noteWish, type Plot, slotsOf } from "./story-cast.ts";
import type { Telling } from "./story-telling.ts";

function lostWay(telling: Telling, cast: Cast): void {
  const { hero, place, elsewhere } = cast;
  const slots = slotsOf(cast);
  telling.go(hero, place);
  const wish = telling.say("{Soon it was getting dark|Evening came}, and $hero wanted to go home.", slots);
  noteWish(telling, hero, "to go home", wish);
  const lost = telling.say("But $hero was scared because the path was gone.", slots);
  noteReason(telling, hero, "scared", "the path was gone", lost);
  telling.say(
    '$She {called|shouted}: "{Is anybody here|Can anyone hear me|Hello}?" {Only the wind answered.|It was very still.}',
    slots,
  );
  telling.say("Then a {light|lantern} came {nearer|closer}. It was $friend!", slots);
  telling.say(
    '"{I was looking for you|There you are|I saw your tracks}," said $friend. "{Come with me|Follow me|I know the way}."',
    slots,
  );
  telling.go(hero, elsewhere, cast.friend);
  telling.say("{From there, the way was easy.|There they could see the lights of the village.}");
}

function oldMap(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, place, elsewhere } = cast;
  const slots = slotsOf(cast);
  telling.say("{In an old book|Under a loose board|Behind a picture}, $hero found a {strange|faded|torn} map.", slots);
  const wish = telling.say("$hero wanted to find the treasure.", slots);
  noteWish(telling, hero, "to find the treasure", wish);
  telling.go(hero, place, friend);
  telling.say(
    "{A cross was scratched on a stone.|An arrow on a tree showed the way.} {The map was right!|They were close.}",
  );
  telling.go(hero, elsewhere, friend);
  telling.say("They {dug a deep hole|looked behind every stone} until {their hands were sore|the sun stood low}.");
  telling.bring(thing);
  telling.say("{At last there was a box.|Then they saw a wooden box.} In it lay $aThing.", slots);
  telling.take(telling.random.pick([hero, friend]), thing);
  const glad = telling.say("$hero was glad because the map was true.", slots);
  noteReason(telling, hero, "glad", "the map was true", glad);
}

function race(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, place } = cast;
  const slots = slotsOf(cast);
  const isWon = telling.random.chance(0.5);
  const winner = isWon ? hero : friend;
  telling.say("{There was a race|The village held a race} at {noon|the end of the week}, and everyone came to see it.");
  telling.bring(thing);
  telling.say("The prize was $aThing.", slots);
  const wish = telling.say("$hero wanted to win the race.", slots);
  noteWish(telling, hero, "to win the race", wish);
  telling.go(hero, place, friend);
  telling.say('"{Ready, steady, go|One, two, three, go}!" {They ran like the wind.|Dust flew up behind them.}');
  const evidence = telling.say("$winner won the race{ by one step|}.", { winner: winner.name });
  telling.note({
    about: "winner of the race",
    question: "Who won the race?",
    answer: `${winner.name} won the race.`,
    core: winner.name,
    others: [hero, friend].filter((runner) => runner !== winner).map(({ name }) => name),
    evidence,
  });
  telling.take(winner, thing);
  if (isWon) telling.say('"{Well done|You were faster|Good race}!" said $friend.', slots);
  else
    telling.say(
      '"{Well done|You were faster|Good race}!" said $hero. {Next time $she would train harder.|$She was not even sad.}',
      slots,
    );
}

function help(telling: Telling, cast: Cast): void {
  const { hero, friend, place } = cast;
  const job = telling.random.pick([
    "paint a fence",
    "carry wood",
    "clean the windows",
    "pick apples",
    "sweep the yard",
    "wash the dog",
  ]);
  const slots = { ...slotsOf(cast), job };
  const wish = telling.say("$friend was alone and had a lot to do. $hero wanted to help.", slots);
  noteWish(telling, hero, "to help", wish);
  telling.go(hero, place, friend);
  const task = telling.say("There they had to $job.", slots);
  telling.note({
    about: `work at the ${place.noun}`,
    question: `What did ${hero.name} and ${friend.name} have to do?`,
    answer: `They had to ${job}.`,
    core: job,
    others: [],
    evidence: task,
  });
  telling.say("{It was hard work.|The sun was hot.} {But they sang while they worked.|But two are faster than one.}");
  const tired = telling.say("In the evening, $hero was tired because the work was hard.", slots);
  noteReason(telling, hero, "tired", "the work was hard", tired);
  telling.say('"{I could not have done it alone|You are a true friend|How can I thank you}!" said $friend.', slots);
}

function seed(telling: Telling, cast: Cast): void {
  const { hero, friend, place } = cast;
  const plant = telling.random.pick(["sunflower", "pumpkin", "bean", "rose", "tomato", "strawberry", "tulip"]);
  const slots = { ...slotsOf(cast), plant };
  const evidence = telling.say("$friend gave $hero a small seed.", slots);
  const wish = telling.say("$hero wanted to grow a $plant.", slots);
  noteWish(telling, hero, `to grow a ${plant}`, wish);
  telling.go(hero, place);
  telling.say("$She dug a little hole and {put the seed into the earth|covered the seed with earth}.", slots);
  telling.say(
    "Every {day|morning}, $hero {brought water|looked at the earth and waited}. {Nothing happened.|Day after day went by.}",
    slots,
  );
  const sad = telling.say("$hero was impatient because nothing grew.", slots);
  noteReason(telling, hero, "impatient", "nothing grew", sad);
  telling.say('"{Wait a little|Good things take time|It is growing under the ground}," said $friend.', slots);
  telling.say(
    "{One morning|After the first warm rain}, there was a {tiny|small} green leaf, and by summer a {big|fine} $plant.",
    slots,
  );
  telling.note({
    about: `seed for ${hero.name}`,
    question: `What did ${friend.name} give ${hero.name}?`,
    answer: `${friend.name} gave ${hero.name} a small seed.`,
    core: "seed",
    others: [],
    evidence,
  });
}

function sleepless(telling: Telling, cast: Cast): void {
  const { hero, thing } = cast;
  const noise = telling.random.pick(["the wind", "an owl", "a loose shutter", "a dripping tap", "a mouse in the wall"]);
  const slots = { ...slotsOf(cast), noise };
  telling.say("It was late, and the {moon|stars} shone through the window.");
  const awake = telling.say("$hero was awake because there was a strange noise.", slots);
  noteReason(telling, hero, "awake", "there was a strange noise", awake);
  const wish = telling.say("$hero wanted to know what it was.", slots);
  noteWish(telling, hero, "to know what it was", wish);
  telling.say("$She woke $friend, and together they {tiptoed|walked} through the dark house.", slots);
  const found = telling.say("They listened at every door. It was only $noise!", slots);
  telling.note({
    about: `noise for ${hero.name}`,
    question: "What made the strange noise?",
    answer: `It was only ${noise}.`,
    core: noise,
    others: [],
    evidence: found,
  });
  telling.bring(thing);
  telling.say("They laughed and went back to bed. Beside the bed lay $aThing.", slots);
  telling.take(hero, thing);
  telling.say("Soon both were asleep.");
}

export const ADVENTURES: readonly Plot[] = [lostWay, oldMap, race, help, seed, sleepless];
