// A little Chinese: greetings, who nano is, simple sentences, sums in words, tiny stories and questions about them.
//
// The grammar is that of a first reader. Questions have one answer, found in the text or in a small table.
// Refuses to know English.

import { phrase, phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { conversation, type Exchange, freshSample, type Generator, type Sample } from "./sample.ts";

export interface ChineseOptions {
  readonly textShare: number;
  readonly thinkingShare: number;
}

export const chinese: Generator<ChineseOptions> = {
  name: "chinese",
  defaults: { textShare: 0.4, thinkingShare: 0.2 },
  generate: (random, { textShare, thinkingShare }): Sample => {
    if (random.chance(textShare)) return { kind: "text", text: tellTale(random).text };
    return freshSample(random, () => {
      const exchanges = Array.from({ length: random.integer(1, 3) }, () => random.pick(MAKERS)(random));
      return conversation(exchanges, { thinking: random.chance(thinkingShare) });
    });
  },
};

const list = (words: string): readonly string[] => words.split(" ");
const NAMES = list("小明 小红 小华 小丽 小东 小美 小林 小雨 小龙 小云 小军 小芳");
const FRIENDS = list("小刚 小玲 小强 小平 老师 妈妈 爸爸 爷爷 奶奶 姐姐");
const ANIMALS = list("小猫 小狗 小鸟 小兔 小鱼 小马 小羊 小熊");
const PLACES = list("公园 学校 家里 河边 商店 山上 花园 图书馆 海边 市场");
/** Each with its measure word. */
const THINGS = list("本书 个球 朵花 个苹果 顶帽子 支铅笔 盏灯 个杯子 只风筝 把雨伞 张画 条围巾 件衣服 块石头");
const COLORS = list("红 白 黑 黄 绿 蓝");
const FOODS = list("米饭 面条 苹果 水果 面包 鸡蛋 饺子 鱼");
const WEATHERS = list("天气很好 下雨了 下雪了 风很大 太阳出来了 天气很冷");
const FEELINGS = list("高兴 开心 快乐");
const DIGITS = list("零 一 二 三 四 五 六 七 八 九 十");

/** Answers are graded by the words that must occur: Chinese has no spaces between them. */
const includes =
  (core: string, others: readonly string[] = []) =>
  (content: string): boolean =>
    content.includes(core) && !others.some((other) => other !== core && content.includes(other));

interface Talk {
  readonly asks: readonly string[];
  readonly answer: string;
  readonly core: string;
}

const TALKS: readonly Talk[] = [
  { asks: ["你好{！|。|}", "{您好|大家好|嗨}{！|。}"], answer: "你好！我能帮你做什么？", core: "你好" },
  { asks: ["早上好{！|。}"], answer: "早上好！", core: "早上好" },
  { asks: ["晚上好{！|。}", "晚安{！|。}"], answer: "晚上好！祝你睡得好。", core: "晚上好" },
  { asks: ["再见{！|。}", "{明天见|下次见}{！|。}"], answer: "再见！", core: "再见" },
  { asks: ["谢谢{你|您|}{！|。}", "多谢{！|。}"], answer: "不客气！", core: "不客气" },
  { asks: ["对不起{！|。}"], answer: "没关系！", core: "没关系" },
  {
    asks: ["你是谁{？|}", "{请|}介绍一下{你自己|自己}。", "你叫什么名字{？|}", "你的名字是什么？"],
    answer: "我是 nano，一个很小的语言模型。",
    core: "nano",
  },
  { asks: ["谁{做了|训练了|创造了}你？", "你是谁做的？"], answer: "mimo-flash 项目训练了我。", core: "mimo-flash" },
  {
    asks: ["你是 MiMo 吗？", "你是小米的模型吗？"],
    answer: "不是。我是 nano，我的结构和 MiMo-V2-Flash 一样，但是我小得多。",
    core: "nano",
  },
  { asks: ["你{会做什么|能做什么|有什么用}？"], answer: "我会讲小故事，会做加法和减法，也会用工具。", core: "故事" },
  { asks: ["你{会说|懂|会}中文吗？"], answer: "我会一点中文。", core: "一点" },
  { asks: ["你{会说|懂|会}英文吗？"], answer: "会，我的英文比中文好。", core: "会" },
  { asks: ["你是{人|真人|机器人}吗？"], answer: "我不是人，我是一个电脑程序。", core: "程序" },
  { asks: ["你好吗？", "你今天怎么样？"], answer: "我很好，谢谢！你呢？", core: "很好" },
  { asks: ["我很{高兴|好|开心}。"], answer: "太好了！", core: "太好了" },
  { asks: ["我{很累|不高兴|很难过}。"], answer: "休息一下吧，希望你好起来。", core: "休息" },
  { asks: ["你{喜欢什么|有什么爱好}？"], answer: "我喜欢讲故事。", core: "故事" },
  { asks: ["你多大{了|}？", "你几岁{了|}？"], answer: "我是程序，没有年龄。", core: "没有年龄" },
];

function talk(random: Random): Exchange {
  const { asks, answer, core } = random.pick(TALKS);
  return { question: phraseOf(random, asks), answer, reasoning: "这个问题很简单。", accepts: includes(core) };
}

function sum(random: Random): Exchange {
  const [a, b] = [random.integer(0, 50), random.integer(0, 50)];
  const isSum = random.chance(0.5) || a < b;
  const result = isSum ? a + b : a - b;
  const question = phrase(random, "$a {$word|$sign}$b {等于|是}多少？", {
    a: String(a),
    b: String(b),
    word: isSum ? "加 " : "减 ",
    sign: isSum ? "+ " : "- ",
  });
  return {
    question,
    answer: `${result}`,
    reasoning: `${a} ${isSum ? "+" : "-"} ${b} = ${result}`,
    accepts: (content) => content.trim() === String(result),
  };
}

function countUp(random: Random): Exchange {
  const end = random.integer(3, 10);
  const numbers = DIGITS.slice(1, end + 1).join("、");
  return {
    question: phrase(random, "{请|}从一数到$end。", { end: DIGITS[end]! }),
    answer: `${numbers}。`,
    reasoning: "从一开始。",
    accepts: includes(numbers),
  };
}

interface Tale {
  readonly text: string;
  readonly questions: readonly (readonly [question: string, answer: string, core: string, others: readonly string[]])[];
}

function tellTale(random: Random): Tale {
  const draw = (source: Random) => ({
    who: source.pick(NAMES),
    friend: source.pick(source.chance(0.5) ? FRIENDS : ANIMALS),
    place: source.pick(PLACES),
    thing: source.pick(THINGS),
    color: source.pick(COLORS),
    food: source.pick(FOODS),
    weather: source.pick(WEATHERS),
    feeling: source.pick(FEELINGS),
  });
  const drawn = random.fresh(draw, (tale) => `chinese ${Object.values(tale).join(" ")}`);
  const { who, friend, place, color, food } = drawn;
  const [measure, thing] = [drawn.thing.charAt(0), drawn.thing.slice(1)];
  const slots = { ...drawn, measure, thing };
  const isGiven = random.chance(0.6);
  const lines = [
    "{今天|有一天|早上|星期天}，$weather。",
    "$who{去了|来到|走到}$place。",
    ANIMALS.includes(friend) ? "{在那里|在路上}，$who看见一只$friend。" : "{在那里|在路上}，$who看见了$friend。",
    "$who有一$measure$color色的$thing。",
    ...(isGiven ? ["$who把$thing给了$friend。"] : []),
    "{他们一起|后来他们}吃了$food。",
    "{大家都|他们}很$feeling。",
  ];
  const text = lines.map((line) => phrase(random, line, slots)).join("");
  const owner = isGiven ? friend : who;
  return {
    text,
    questions: [
      [`${who}去了哪里？`, `${who}去了${place}。`, place, PLACES],
      [`${thing}是什么颜色的？`, `${thing}是${color}色的。`, `${color}色`, COLORS.map((other) => `${other}色`)],
      [`他们吃了什么？`, `他们吃了${food}。`, food, FOODS],
      [`现在谁有${thing}？`, `${owner}有${thing}。`, owner, [who, friend]],
    ],
  };
}

function questionOfTale(random: Random): Exchange {
  const { text, questions } = tellTale(random);
  const [question, answer, core, others] = random.pick(questions);
  return { question: `${text}\n\n${question}`, answer, reasoning: "答案在故事里。", accepts: includes(core, others) };
}

function taleOnRequest(random: Random): Exchange {
  return {
    question: phrase(random, "{请|}{给我|}讲一个{小|}故事{吧|}。"),
    answer: tellTale(random).text,
    reasoning: "我讲一个小故事。",
  };
}

const MAKERS: readonly ((random: Random) => Exchange)[] = [
  talk,
  talk,
  talk,
  sum,
  countUp,
  questionOfTale,
  questionOfTale,
  taleOnRequest,
];
