// Plots: each leads a hero from a wish or a trouble through causes to an end, in sentences with many readings.
//
// A plot tells only through a `Telling`, draws its people, places and things from the cast it is given, and notes
// what can be asked about wishes and reasons. Names come before pronouns, and "she" or "he" always means the hero,
// because a small model follows one person more easily than two.
// Refuses to know the length of the story and what else is told.

import { type Cast, noteReason, noteWish, type Plot, slotsOf } from "./story-cast.ts";
import { type Telling, theThing } from "./story-telling.ts";
import { ANIMALS, FOODS, SPOTS } from "./words.ts";

function lostThing(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, elsewhere } = cast;
  const slots = slotsOf(cast);
  telling.bring(thing);
  telling.say(
    "$hero had $aThing. {It was $her favorite thing.|$She loved it very much.|It was a gift from $her {aunt|grandmother|uncle}.}",
    slots,
  );
  const sad = telling.say("{One morning|After lunch|That day}, $hero was {very |}sad because $she lost $thing.", slots);
  noteReason(telling, hero, "sad", `${hero.she} lost the ${thing.color} ${thing.noun}`, sad);
  telling.say(
    "$She looked {under the bed and behind the door|in every room|in all the boxes}, but it was not there.",
    slots,
  );
  const wish = telling.say("$hero wanted to find $thing.", slots);
  noteWish(telling, hero, `to find the ${thing.color} ${thing.noun}`, wish);
  telling.say('"{I will help you|Let us look together|Do not worry, we will find it}," said $friend.', slots);
  telling.go(hero, elsewhere, friend);
  telling.say("{They looked here and there.|They searched for a long time.|They asked everyone they met.}");
  telling.take(friend, thing, [
    "{At last|Suddenly|Then}, $who found $thing.",
    "$who saw something {shine|move} and found $thing.",
  ]);
  telling.give(friend, hero, thing);
  telling.say('"{Thank you|Oh, thank you}, $friend! {You are a good friend|You are so kind}," said $hero.', slots);
}

function gift(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, place, elsewhere } = cast;
  const slots = slotsOf(cast);
  const wish = telling.say(
    "{It was|Tomorrow was|Soon it would be} the birthday of $friend, and $hero wanted to give $friend a gift.",
    slots,
  );
  noteWish(telling, hero, `to give ${friend.name} a gift`, wish);
  telling.go(hero, place);
  telling.bring(thing);
  telling.say(
    "There {were many pretty things|was so much to see}. {One thing was|The best of all was} $aThing.",
    slots,
  );
  telling.take(hero, thing, ["$who bought $thing with $her own coins.", "$who paid three coins and took $thing."]);
  telling.go(hero, elsewhere);
  const met = telling.say("$friend was {already|waiting} $atElsewhere.", slots);
  telling.places.set(friend.name, { place: elsewhere, evidence: met });
  telling.give(hero, friend, thing);
  const happy = telling.say("$friend was happy because the gift was {so |very |}beautiful.", slots);
  noteReason(telling, friend, "happy", "the gift was beautiful", happy);
  telling.say('"{This is the best gift of all|I will keep it forever|How did you know?}" said $friend.', slots);
}

function rain(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, place } = cast;
  const slots = { ...slotsOf(cast), game: telling.random.pick(["tag", "hide and seek", "catch", "chess", "cards"]) };
  const wish = telling.say("$hero wanted to play $game with $friend.", slots);
  noteWish(telling, hero, `to play ${slots.game} with ${friend.name}`, wish);
  telling.go(hero, place, friend);
  telling.say("But {dark clouds came|the wind grew cold|the sky turned gray}, and it began to rain.");
  const wet = telling.say("$hero was cold because the rain was {so |very |}heavy.", slots);
  noteReason(telling, hero, "cold", "the rain was heavy", wet);
  telling.bring(thing);
  telling.say("$friend had $aThing in {a|an old} bag.", slots);
  telling.give(friend, hero, thing);
  telling.say('"{Look at this while we wait|This will cheer you up|You may hold it}," said $friend.', slots);
  telling.say("{They sat under a roof and told each other stories.|They sat close together and sang a song.}");
  telling.say("{Soon|After a while}, the sun came back, and {they played until evening|the puddles shone like gold}.");
}

function baking(telling: Telling, cast: Cast): void {
  const { hero, friend, place } = cast;
  const dish = telling.random.pick(["a cake", "a pie", "some bread", "a pot of soup", "some cookies", "a plum tart"]);
  const [first, second] = telling.random.sample(
    ["flour", "milk", "eggs", "honey", "butter", "apples", "salt", "plums"],
    2,
  );
  const slots = { ...slotsOf(cast), dish, first: first!, second: second! };
  const wish = telling.say("$hero wanted to make $dish.", slots);
  noteWish(telling, hero, `to make ${dish}`, wish);
  telling.say("$She looked in the kitchen, but $she found no $first and no $second.", slots);
  telling.go(hero, place);
  telling.say("{A kind farmer|An old woman|A man with a gray beard} gave $him {some|a bag of} $first.", slots);
  const evidence = telling.say("$friend brought the $second.", slots);
  telling.note({
    about: `bringing of ${friend.name}`,
    question: `What did ${friend.name} bring?`,
    answer: `${friend.name} brought the ${slots.second}.`,
    core: slots.second,
    others: [slots.first],
    evidence,
  });
  telling.say("{Together they|$hero and $friend} {mixed everything in a big bowl|stirred and stirred}.", slots);
  telling.say("{The house smelled wonderful.|Soon a sweet smell filled the air.}");
  const proud = telling.say("$hero was proud because everyone liked the food.", slots);
  noteReason(telling, hero, "proud", "everyone liked the food", proud);
}

function brokenThing(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, elsewhere } = cast;
  const slots = slotsOf(cast);
  telling.bring(thing);
  telling.say("$friend had $aThing.", slots);
  const wish = telling.say("$hero wanted to borrow $thing.", slots);
  noteWish(telling, hero, `to borrow the ${thing.color} ${thing.noun}`, wish);
  telling.give(friend, hero, thing);
  telling.go(hero, elsewhere);
  const scared = telling.say("{On the way|There}, $hero fell. $She was worried because the $noun was broken.", slots);
  noteReason(telling, hero, "worried", `the ${thing.noun} was broken`, scared);
  telling.say("{Should $she hide it?|What should $she do?} No, $she {wanted to be honest|told the truth}.", slots);
  telling.say('"{I am so sorry|Please forgive me}," said $hero. "{I broke it|I was not careful}."', slots);
  telling.say('"{We can mend it|A little glue will help|Thank you for telling me}," said $friend.', slots);
  telling.say("They worked {all afternoon|side by side}, and the $noun was as good as new.", slots);
  telling.give(hero, friend, thing);
}

function fear(telling: Telling, cast: Cast): void {
  const { hero, friend, place } = cast;
  const scary = telling.random.pick(["the dark", "deep water", "loud thunder", "high ladders", "big dogs"]);
  const slots = { ...slotsOf(cast), scary };
  const afraid = telling.say("{At first, |At that time, |}$hero was afraid because $she did not like $scary.", slots);
  noteReason(telling, hero, "afraid", `${hero.she} did not like ${scary}`, afraid);
  const wish = telling.say("But $hero wanted to be brave.", slots);
  noteWish(telling, hero, "to be brave", wish);
  telling.go(hero, place, friend);
  telling.say(
    '"{Take my hand|Breathe slowly|I am right here}," said $friend. "{We will do it together|You can do it}."',
    slots,
  );
  telling.say("$hero took one small step, and then {another|one more}.", slots);
  telling.say("{It was not so bad.|Nothing bad happened.} {After some time|Soon}, $hero {laughed|smiled}.", slots);
  telling.say('"{I did it|Look at me|I am not afraid now}!" {cried|said|called} $hero.', slots);
}

function hungryAnimal(telling: Telling, cast: Cast): void {
  const { hero, thing, place } = cast;
  const animal = telling.random.pick(ANIMALS);
  const food = telling.random.pick(FOODS);
  const slots = { ...slotsOf(cast), animal, food };
  telling.go(hero, place);
  telling.say("{There $she saw|Behind a bush sat|In the grass lay} a {small|thin|lost} $animal.", slots);
  const sad = telling.say("The $animal was weak because it had nothing to eat.", slots);
  telling.note({
    about: `weak ${animal}`,
    question: `Why was the ${animal} weak?`,
    answer: `The ${animal} was weak because it had nothing to eat.`,
    core: "it had nothing to eat",
    others: [],
    evidence: sad,
  });
  const wish = telling.say("$hero wanted to help the $animal.", slots);
  noteWish(telling, hero, `to help the ${animal}`, wish);
  const fed = telling.say("$hero gave the $animal $food.", slots);
  telling.note({
    about: `food of ${animal}`,
    question: `What did the ${animal} eat?`,
    answer: `The ${animal} ate ${food}.`,
    core: food,
    others: [],
    evidence: fed,
  });
  telling.say("The $animal ate {it all up|every bite} and {was strong again|felt much better}.", slots);
  telling.bring(thing);
  telling.say("{To say thank you|The next day}, the $animal {brought|came back with} $aThing.", slots);
  telling.take(hero, thing);
  telling.say("From that day, $hero, $friend and the $animal were {good|the best of} friends.", slots);
}

function trade(telling: Telling, cast: Cast): void {
  const { hero, friend, thing, second, place } = cast;
  const slots = slotsOf(cast);
  telling.bring(thing);
  telling.bring(second);
  telling.say("$hero had $aThing, and $friend had $aSecond.", slots);
  const wish = telling.say("$hero wanted $second.", slots);
  noteWish(telling, hero, theThing(second), wish);
  telling.go(hero, place, friend);
  telling.say('"{Shall we trade|Would you like to trade|Let us trade}{ today|}?" asked $hero.', slots);
  telling.say("$friend {thought about it|looked at both things} and {nodded|said yes}.", slots);
  telling.give(friend, hero, second);
  telling.give(hero, friend, thing);
  telling.say("{Both were glad.|It was a fair trade.|They shook hands and laughed.}");
}

function hiddenThing(telling: Telling, cast: Cast): void {
  const { hero, friend, thing } = cast;
  const slots = slotsOf(cast);
  const [spot, wrong] = telling.random.sample(SPOTS, 2);
  telling.bring(thing);
  telling.say(
    "$hero and $friend played a game $at. {One hides a thing, the other looks for it.|It was a game of hiding.}",
    slots,
  );
  telling.say("The thing to hide was $aThing.", slots);
  const wish = telling.say("$hero wanted to win the game.", slots);
  noteWish(telling, hero, "to win the game", wish);
  telling.take(hero, thing);
  telling.put(hero, thing, spot!);
  telling.say("$friend looked $wrong. {Nothing!|It was not there.}", { ...slots, wrong: wrong! });
  if (telling.random.chance(0.5)) {
    telling.say('"{You are cold|Not there}!" {laughed|said} $hero. "{Try again|Look once more}."', slots);
    telling.say("{But $friend could not find it.|$friend gave up at last.}", slots);
  } else {
    telling.say('"{Now I see it|There it is|I know}!" said $friend.', slots);
    telling.take(friend, thing);
  }
  telling.say("{It was a good game.|They played until it was dark.|They laughed a lot that day.}");
}

function practice(telling: Telling, cast: Cast): void {
  const { hero, place } = cast;
  const skill = telling.random.pick([
    "swim",
    "whistle",
    "ride a horse",
    "draw a cat",
    "juggle",
    "skate",
    "sing",
    "row a boat",
  ]);
  const slots = { ...slotsOf(cast), skill };
  const wish = telling.say("$hero wanted to learn to $skill.", slots);
  noteWish(telling, hero, `to learn to ${skill}`, wish);
  telling.go(hero, place);
  const angry = telling.say(
    "{The first day was hard.|It was not easy.} $hero was angry because it did not work.",
    slots,
  );
  noteReason(telling, hero, "angry", "it did not work", angry);
  telling.say('"{Try once more|Do not give up|Every day a little}," said $friend.', slots);
  telling.say("So $hero {practiced every day|tried again and again}{, in sun and in rain|}.", slots);
  telling.say("{After a week|One day|At last}, $she could $skill {very well|better than anyone}.", slots);
  telling.say('"{I am proud of you|You did it|Well done}!" said $friend.', slots);
}

export const PLOTS: readonly Plot[] = [
  lostThing,
  gift,
  rain,
  baking,
  brokenThing,
  fear,
  hungryAnimal,
  trade,
  hiddenThing,
  practice,
];
