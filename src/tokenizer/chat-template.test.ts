import { describe, expect, it } from "vitest";
import { parseChatTemplate, renderChat } from "./chat-template.ts";
import { MIMO_CHAT_TEMPLATE } from "./mimo-template.ts";

const messages = [{ role: "user", content: "hi" }];
const render = (template: string, variables: Record<string, unknown> = {}): string =>
  renderChat(parseChatTemplate(template), { messages, variables, now: new Date(2026, 0, 5, 15, 4) });

describe("renderChat", () => {
  it("renders the language that templates use", () => {
    expect(render("{% for m in messages %}{{ m.role }}:{{ m['content'] | upper }}{% endfor %}")).toBe("user:HI");
    expect(
      render("{% set ns = namespace(n=0) %}{% for i in range(4) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}"),
    ).toBe("6");
    expect(render("{% for i in range(9) %}{% if i > 2 %}{% break %}{% endif %}{{ i }}{% endfor %}")).toBe("012");
    expect(render("{% macro f(x) %}<{{ x }}>{% endmacro %}{{ f('a') }}{{ [1, 'b'] | join('-') }}")).toBe("<a>1-b");
    expect(render("{{ 'a-b'.replace('-', '+') }}{{ x | tojson(indent=2) }}", { x: { y: [1] } })).toBe(
      'a+b{\n  "y": [\n    1\n  ]\n}',
    );
    expect(render("{% filter upper %}a{% endfilter %}{% filter indent(2) %}a\nb{% endfilter %}")).toBe("Aa\n  b");
    expect(render("{{ strftime_now('%A %-d %B %Y %I:%M %p') }}")).toBe("Monday 5 January 2026 03:04 PM");
    expect(render("{{ enable_thinking is defined }}|{{ tools is defined }}|{{ add_generation_prompt }}")).toBe(
      "false|false|false",
    );
  });

  it("passes on what a template refuses", () => {
    expect(() => render("{{ raise_exception('no system messages') }}")).toThrow(
      expect.objectContaining({
        code: "template_failed",
        message: expect.stringContaining("no system messages"),
      }),
    );
  });

  it("shows templates no host object", () => {
    for (const path of [
      "messages.constructor",
      "messages.__proto__",
      "''.constructor",
      "messages[0].constructor",
      "messages[0].__proto__",
      "x.toString",
      "range.constructor",
      "(1).constructor",
    ]) {
      expect(render(`{{ ${path} is defined }}`, { x: {} })).toBe("false");
    }
    expect(render("{{ x['__proto__'] }}", { x: JSON.parse('{"__proto__": "own"}') as unknown })).toBe("own");
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("takes plain data only", () => {
    for (const value of [() => 1, new Date(), new Map(), 5n, Symbol("s"), [class {}]]) {
      expect(() => render("", { value })).toThrow(expect.objectContaining({ code: "invalid_argument" }));
    }
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(() => render("", { deep })).toThrow("nests deeper than 64 levels");
    expect(() => render("", { range: 1 })).toThrow("may not be called");
  });

  const double =
    "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}";
  const loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}";
  const nest = "{% set ns = namespace(a=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% endfor %}";
  const big =
    "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(15) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}";
  const ends = "{% endfor %}{% endfor %}{% endfor %}";
  it.each([
    ["endless loops", `${loops}x${ends}`],
    ["endless loops without output", `${loops}{% set x = 1 %}${ends}`],
    ["a huge range", "{% for i in range(1000000000) %}{% endfor %}"],
    ["a broken range", "{{ range('a') }}"],
    ["doubling", double],
    ["doubling by blocks", "{% set s = 'aaaa' %}" + "{% set s %}{{ s }}{{ s }}{% endset %}".repeat(60)],
    ["shared containers", `${nest}{{ ns.a | tojson }}`],
    ["shared containers as text", `${nest}{{ ns.a ~ '' }}`],
    ["shared containers compared", `${nest}{{ ns.a == 'x' }}`],
    ["deep containers", "{% set ns = namespace(a=[]) %}{% for i in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}"],
    ["namespaces in a ring", "{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me | tojson }}{{ ns | tojson }}"],
    ["namespaces in a list", "{% set a = namespace() %}{% set l = [a] %}{% set a.l = l %}{{ a | tojson }}"],
    ["multiplying by replace", `${big}{{ ns.s.replace('a', ns.s) }}`],
    ["multiplying by replace, unpacked", `${big}{{ ns.s.replace(*['a', ns.s]) }}`],
    ["multiplying by a replace filter", `${big}{{ ns.s | replace('', ns.s) }}`],
    ["multiplying by join", `${big}{{ ns.s | join(ns.s) }}`],
    ["multiplying by indent", "{{ 'a\nb' | indent(500000000) }}"],
    ["multiplying by indent, unpacked", "{{ 'a\nb' | indent(**{'width': 500000000}) }}"],
    ["multiplying by an indented block", "{% filter indent(500000000) %}a\nb{% endfilter %}"],
    ["multiplying by JSON", "{{ [[1]] | tojson(indent=100000000) }}"],
    ["endless recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"],
    [
      "branching recursion",
      "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(30) }}",
    ],
    ["deep expressions", `{{ ${"(".repeat(20_000)}1${")".repeat(20_000)} }}`],
    ["deep statements", "{% if 1 %}".repeat(5_000) + "{% endif %}".repeat(5_000)],
    ["a long sum", `{{ ${"1 + ".repeat(20_000)}1 }}`],
    ["no end of a tag", "{{ 'abc"],
    ["no end of a block", "{% for i in range(3) %}"],
    ["white space without end", " ".repeat(100_000)],
    ["too much text", "a".repeat(200_000)],
    ["a call of nothing", "{{ nothing() }}"],
  ])("stops %s", (_, template) => {
    const start = performance.now();
    expect(() => render(template)).toThrow(expect.objectContaining({ code: "template_failed" }));
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it("gives long chats room", () => {
    const long = Array.from({ length: 4_000 }, (_, i) => ({
      role: i % 2 ? "assistant" : "user",
      content: "word ".repeat(200),
    }));
    const prompt = renderChat(parseChatTemplate(MIMO_CHAT_TEMPLATE), { messages: long });
    expect(prompt.length).toBeGreaterThan(4_000_000);
  });
});
