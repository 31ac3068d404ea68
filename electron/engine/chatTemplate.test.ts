import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { builtInTemplate, builtInTemplateNames } from "./builtInTemplates.ts";
import {
  ChatTemplateError,
  compileChatTemplate,
  type JsonValue,
  type TemplateInput,
  type TemplateMessage,
} from "./chatTemplate.ts";

const fixtures = fileURLToPath(new URL("../../test/fixtures/templates/", import.meta.url));

interface GoldenRow {
  case: string;
  messages: TemplateMessage[];
  add_generation_prompt: boolean;
  bos_token: string;
  eos_token: string;
  now: string;
  rendered: string;
}

const input = (more: Partial<TemplateInput> = {}): TemplateInput => ({
  messages: [{ role: "user", content: "Hi" }],
  addGenerationPrompt: true,
  bosToken: "<s>",
  eosToken: "</s>",
  now: new Date(2026, 10, 1, 15, 4, 5),
  ...more,
});

const rendered = (source: string, extra: Record<string, JsonValue> = {}): string =>
  compileChatTemplate(source)(input({ extra }));

function failing(
  source: string,
  more: Partial<TemplateInput> = {},
  limits = { maxOutput: 100_000, maxMs: 500 },
): ChatTemplateError {
  try {
    compileChatTemplate(source, limits)(input(more));
  } catch (error) {
    expect(error).toBeInstanceOf(ChatTemplateError);
    return error as ChatTemplateError;
  }
  throw new Error("the template did not fail");
}

describe("real templates, byte for byte as transformers renders them", () => {
  const names = readdirSync(fixtures)
    .filter((name) => name.endsWith(".jinja"))
    .map((name) => name.slice(0, -6));

  test("there are twelve", () => expect(names).toHaveLength(12));

  test.each(names)("%s", (name) => {
    const render = compileChatTemplate(readFileSync(`${fixtures}${name}.jinja`, "utf8"));
    const rows = JSON.parse(readFileSync(`${fixtures}${name}.json`, "utf8")) as GoldenRow[];
    expect(rows).toHaveLength(8);
    for (const row of rows) {
      const given = {
        messages: row.messages,
        addGenerationPrompt: row.add_generation_prompt,
        bosToken: row.bos_token,
        eosToken: row.eos_token,
        now: new Date(row.now),
      };
      expect(render(given), row.case).toBe(row.rendered);
    }
  });
});

// The right column is what Python's Jinja 3.1 gives with transformers' settings.
describe("where the library differs from Python's Jinja", () => {
  test.each<[why: string, source: string, output: string]>([
    [
      "strip takes the characters it is given",
      "{{ ' \n\nx \n'.strip('\\n') }}|{{ 'aabxbaa'.lstrip('ab') }}|{{ 'xx.y..'.rstrip('.') }}",
      " \n\nx |xbaa|xx.y",
    ],
    ["strip without characters knows Python's white space", "{{ '\\u0085\\ufeff x\\u001f'.strip() }}", "\ufeff x"],
    ["trim takes characters too", "{{ '--a--' | trim('-') }}", "a"],
    ["True, False and None print as Python's", "{{ true }} {{ none }} {{ 1 == 1 }} {{ nothing }}|", "True None True |"],
    [
      "lists and mappings print as Python's",
      "{{ ['a', 1, none, \"it's\", {'k': true}] }} {{ (1, 'b') }}",
      "['a', 1, None, \"it's\", {'k': True}] (1, 'b')",
    ],
    ["~ joins Python's texts", "{{ 'a' ~ true ~ none ~ 1.0 ~ 2 }}", "aTrueNone1.02"],
    ["string gives Python's text", "{{ true | string ~ ['x'] | string }}", "True['x']"],
    [
      "== compares as Python, not as JavaScript",
      "{{ '' == 0 }} {{ [] == '' }} {{ '1' == 1 }} {{ none == nothing }} {{ 1 == true }} {{ [1, {'a': 'b'}] == [1, {'a': 'b'}] }} {{ 'a' != 'b' }}",
      "False False False False True True True",
    ],
    [
      "in compares the same way",
      "{{ [1] in [[1], 2] }} {{ 'a' in {'a': 1} }} {{ 'b' not in 'abc' }} {{ 'x' in nothing }}",
      "True True False False",
    ],
    ["length counts characters", "{{ '🚀é' | length }} {{ [1, 2] | count }}", "2 2"],
    ["first and last of texts", "{{ 'abc' | first }}{{ 'abc' | last }}{{ [] | first }}", "ac"],
    [
      "join by attribute and of numbers",
      "{{ [{'n': 'a'}, {'n': 'b'}] | join(', ', attribute='n') }} {{ [1, true] | join('-') }}",
      "a, b 1-True",
    ],
    [
      "default with keyword, on nothing and by its short name",
      "{{ nothing | default('x') }}{{ '' | d('y', true) }}{{ '' | default('z', boolean=true) }}{{ nothing | default }}",
      "xyz",
    ],
    ["capitalize lowers the rest", "{{ 'hELLO' | capitalize }} {{ 'hELLO'.capitalize() }}", "Hello Hello"],
    [
      "rsplit, splitlines, find, count and removing ends",
      "{{ 'a,b,c'.rsplit(',', 1)[0] }} {{ 'a\nb\n'.splitlines() | length }} {{ 'xay'.find('a') }} {{ 'aaa'.count('a') }} {{ 'abc'.removeprefix('a').removesuffix('c') }}",
      "a,b 2 1 3 b",
    ],
    ["split with a limit", "{{ 'a,b,c'.split(',', 1) }} {{ ' a  b '.split() }}", "['a', 'b,c'] ['a', 'b']"],
    [
      "replace with a count and with keywords",
      "{{ 'aaa'.replace('a', 'b', 2) }} {{ 'aaa' | replace('a', 'c', count=1) }}",
      "bba caa",
    ],
    ["join of a text", "{{ ', '.join(['a', 'b']) }}", "a, b"],
    [
      "tojson as json.dumps",
      "{{ {'b': [1, 1.5, true, none, 'é<\"'], 'a': {}} | tojson }}",
      '{"b": [1, 1.5, true, null, "é<\\""], "a": {}}',
    ],
    [
      "tojson indents and sorts",
      "{{ {'b': 1, 'a': [2]} | tojson(indent=2, sort_keys=true) }}",
      '{\n  "a": [\n    2\n  ],\n  "b": 1\n}',
    ],
    [
      "indent skips the first and blank lines",
      "{{ 'a\n\nb' | indent(2) }}|{{ 'a\nb' | indent(1, true) }}",
      "a\n\n  b| a\n b",
    ],
    [
      "what an iteration wrote before break and continue stays",
      "{% for i in range(4) %}{{ i }}{% if i == 1 %}c{% continue %}{% endif %}{% if i == 2 %}b{% break %}{% endif %};{% endfor %}",
      "0;1c2b",
    ],
    [
      "loops walk texts and mappings",
      "{% for c in 'a🚀' %}[{{ c }}]{% endfor %}{% for k in {'x': 1} %}{{ k }}{% else %}none{% endfor %}",
      "[a][🚀]x",
    ],
    [
      "a loop with a condition counts what it keeps",
      "{% for i in range(5) if i % 2 == 0 %}{{ loop.index }}:{{ i }}{% if not loop.last %},{% endif %}{% endfor %}",
      "1:0,2:2,3:4",
    ],
    [
      "texts inside lists are spelt out",
      "{{ ['a\\n\\\\', 'it\\'s', '\\'\"', '\\u0001\\u0085'] }}",
      `['a\\n\\\\', "it's", '\\'"', '\\x01\\x85']`,
    ],
    [
      "arithmetic rounds down and adds as Python's",
      "{{ -7 // 2 }} {{ -7 % 3 }} {{ 3 / 2 }} {{ 10 / 5 }} {{ true + 1 }} {{ [1] + [2] }} {{ 'ab' * 2 }}{{ [0] * 2 }}",
      "-4 2 1.5 2.0 2 [1, 2] abab[0, 0]",
    ],
    ["texts compare", "{{ 'ab' < 'b' }} {{ 'b' <= 'a' }} {{ 1 < 2 < 3 }} {{ 2.5 >= 2 }}", "True False True True"],
    [
      "texts are formatted",
      "{{ '%s-%r-%d%%' % ('a', 'b', 3) }} {{ '{} {x} {{}}'.format('a', x=1) }} {{ '{1}{0}'.format('a', 'b') }}",
      "a-'b'-3% a 1 {} ba",
    ],
    [
      "a subscript of a text is a character",
      "{{ '🚀a'[0] }}{{ '🚀a'[-1] }}{{ '🚀a'[1:] }}{{ 'a'[5] is defined }}",
      "🚀aaFalse",
    ],
    ["a method is called although a key has its name", "{{ {'items': 1}['items'] }} {{ [1, 2][-1] }}", "1 2"],
    [
      "map, select and reject",
      "{{ ['a ', ' b'] | map('trim') | list }} {{ [{'a': {'b': 1}}, {}] | map(attribute='a.b', default=0) | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [0, 1, ''] | reject | list }} {{ ['a', 'b'] | select('equalto', 'a') | join }}",
      "['a', 'b'] [1, 0] [1, 3] [0, ''] a",
    ],
    [
      "sums, extremes and rounding",
      "{{ [1, 2.5] | sum }} {{ [1, 5] | max }} {{ ['b', 'a'] | min }} {{ 2.5 | round }} {{ 1.25 | round(1) }}",
      "3.5 5 a 2.0 1.2",
    ],
    [
      "escape, words and titles",
      "{{ '<a>&\"' | e }} {{ 'a b-c' | wordcount }} {{ 'HELLO world' | title }}",
      "&lt;a&gt;&amp;&#34; 3 Hello World",
    ],
    [
      "what texts are",
      "{{ '12'.isdigit() }} {{ 'a1'.isalpha() }} {{ ' '.isspace() }} {{ 1.0 is float }} {{ true is number }} {{ {} is iterable }} {{ 1 is not float }}",
      "True False True True True True True",
    ],
    [
      "cycles and dict",
      "{% for i in range(3) %}{{ loop.cycle('a', 'b') }}{% endfor %} {{ dict(a=1) }} {{ {'b': 1} | items | list | length }}{{ nothing | items | list }}",
      "aba {'a': 1} 1[]",
    ],
    [
      "raw blocks",
      "{% raw %}{{ a }} {% b %}\n'\"\\{% endraw %}|{%- raw -%} x {%- endraw -%} y",
      "{{ a }} {% b %}\n'\"\\|xy",
    ],
    ["the + modifiers keep white space", "a\n  {%+ if true %}\nb{% endif +%}\nc", "a\n  b\nc"],
    [
      "blocks take their indent and line end along, expressions do not",
      "  {% if true %}\n  x\n  {% endif %}\n  {{ 1 }}\n{# c #}\ny\n",
      "  x\n  1\ny",
    ],
    ["line ends of other systems", "{% if true %}\r\na\r\nb\r{% endif %}\r\n", "a\nb\n"],
    ["generation tags vanish", "{% generation %}a{% endgeneration %}b", "ab"],
    [
      "dates are English whatever the user's language",
      "{{ strftime_now('%d %b %B %Y %A %I:%M %p %j %-d %y %H:%M:%S %%') }}",
      "01 Nov November 2026 Sunday 03:04 PM 305 1 26 15:04:05 %",
    ],
    [
      "tools are none when there are none",
      "{{ tools is none }} {{ tools is defined }} {{ documents }}",
      "True True None",
    ],
    [
      "macros with defaults and keyword arguments",
      "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m('1') }}{{ m(a='2', b='y') }}",
      "1x2y",
    ],
    [
      "namespaces outlive loops",
      "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
      "3",
    ],
  ])("%s", (_, source, output) => {
    expect(rendered(source)).toBe(output);
  });
});

describe("a template that fails says where and why", () => {
  test.each<[why: string, source: string, line: number | null, message: RegExp]>([
    [
      "its own exception",
      "a\n{% if true %}\n\n{{ raise_exception('Roles must alternate.') }}{% endif %}",
      4,
      /on line 4: Roles must alternate;/,
    ],
    ["an unknown filter", "x\n\n{{ messages | nosuch }}", 3, /nosuch/],
    [
      "a call of nothing",
      "{% for m in messages %}\n  {% if m.role == 'user' %}\n{% elif true %}\n{% else %}\n{% endif %}\n{% set x = m.nosuch() %}\n{% endfor %}",
      6,
      /Cannot call something that is not a function/,
    ],
    ["an error inside a branch", "{% if false %}\nx\n{% elif true %}\ny\n{{ 1 | nosuch }}\n{% endif %}", 5, /nosuch/],
    ["an unclosed block", "a\n{% if true %}\nb", 2, /not closed/],
    ["an unclosed tag", "a\nb {{ x", 2, /./],
    ["a stray character", "a\n{{ 'x' }}\n\n{{ ? }}\n{{ 'y' }}", 4, /Unexpected character/],
    ["an unknown statement", "{{ 'a' }}\n{% include 'x' %}", 2, /Unknown statement type: include/],
    ["a macro that never ends", "{% macro m() %}\n{{ m() }}\n{% endmacro %}\n{{ m() }}", 2, /calls itself too deeply/],
  ])("%s", (_, source, line, message) => {
    const error = failing(source);
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/^The model's chat template fails.*; a built-in template can be chosen instead\.$/s);
    expect(error.line).toBe(line);
  });

  test("a source that is too long", () => {
    expect(() => compileChatTemplate("x".repeat(300_000))).toThrow(/300000 characters long, and 262144 are accepted/);
  });

  test("variables that are no data, too deep, or taken", () => {
    const cycle: Record<string, JsonValue> = {};
    cycle["self"] = cycle;
    expect(failing("x", { extra: { cycle } }).message).toMatch(/nested more than 64 deep/);
    expect(failing("x", { extra: { f: (() => 1) as unknown as JsonValue } }).message).toMatch(/holds a function/);
    expect(failing("x", { extra: { range: 1 } }).message).toMatch(/"range" is already taken/);
  });
});

describe("a hostile template is stopped", () => {
  const limits = { maxOutput: 100_000, maxMs: 500 };
  const doubling = "{% set ns = namespace(s='xxxxxxxx', l=[1]) %}{% for i in range(60) %}";
  test.each<[why: string, source: string, message: RegExp]>([
    [
      "nested loops",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% endfor %}{% endfor %}{% endfor %}",
      /longer than 500 ms/,
    ],
    [
      "a loop that only counts",
      "{% set ns = namespace(n=0) %}{% for a in range(99999) %}{% for b in [1,2,3,4,5,6,7,8,9] %}{% set ns.n = ns.n * 2 - 1 %}{% set ns.n = 1 %}{% endfor %}{% endfor %}",
      /longer than 500 ms/,
    ],
    [
      "a doubling text",
      `${doubling}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "a text added to itself",
      `${doubling}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "a doubling list",
      `${doubling}{% set ns.l = ns.l + ns.l %}{% endfor %}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "replacing by itself",
      `${doubling}{% set ns.s = ns.s.replace('x', ns.s) %}{% endfor %}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "lists in lists, printed",
      `${doubling}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "lists in lists, as JSON",
      `${doubling}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l | tojson }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "lists in lists, added to a text",
      `${doubling}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ 'x' ~ ns.l }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    [
      "lists in lists, compared",
      `{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}{{ ns.a == ns.b }}`,
      /more text than a prompt can hold|longer than 500 ms/,
    ],
    ["a huge range", "{{ range(1000000000) | length }}", /1000000000 numbers, and 100000/],
    ["a range that never ends", "{{ range(1, 5, 0) }}", /Infinity numbers/],
    ["a huge indent", "{{ [1] | tojson(indent=1000000000) }}", /indent must be/],
    [
      "a long prompt",
      "{% for i in range(200) %}{{ 'x' ~ messages[0].content }}{% endfor %}",
      /200200 characters long, and 100000 are accepted/,
    ],
  ])("%s", (_, source, message) => {
    const start = performance.now();
    const error = failing(source, { messages: [{ role: "user", content: "y".repeat(1000) }] }, limits);
    expect(error.message).toMatch(message);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("even inside one long regular expression of the library", () => {
    const start = performance.now();
    const source = `${" ".repeat(250_000)}x{% if true %}{% endif %}`;
    expect(() => compileChatTemplate(source, { maxOutput: 1000, maxMs: 300 })).toThrow(/longer than 300 ms/);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test("sees nothing of JavaScript", () => {
    const names = ["constructor", "__proto__", "prototype", "toString", "valueOf", "__class__", "value", "builtins"];
    const holders = [
      "messages",
      "messages[0]",
      "''",
      "1",
      "none",
      "range",
      "strftime_now",
      "raise_exception",
      "nothing",
      "namespace()",
      "{}",
      "loop",
    ];
    for (const holder of holders) {
      for (const name of names) {
        expect(rendered(`{{ ${holder}.${name} }}`), `${holder}.${name}`).toBe("");
        expect(rendered(`{{ ${holder}['${name}'] is defined }}`), `${holder}['${name}']`).toBe("False");
      }
    }
    for (const name of [...names, "process", "globalThis", "require", "console", "Function", "task"])
      expect(rendered(`{{ ${name} is defined }}`)).toBe("False");
    expect(rendered("{{ range }}{{ strftime_now }}")).toBe("<function><function>");
  });

  test("leaves its input as it was", () => {
    const messages = [{ role: "user", content: "Hi", tags: ["a"] }];
    const before = structuredClone(messages);
    compileChatTemplate("{% set m = messages[0] %}{% set ns = namespace(m) %}{% set ns.role = 'x' %}{{ ns.role }}")(
      input({ messages }),
    );
    expect(messages).toEqual(before);
  });

  test("any source compiles or fails with a ChatTemplateError", () => {
    const piece = fc.constantFrom(
      "{%",
      "%}",
      "{{",
      "}}",
      "{#",
      "#}",
      "-",
      "+",
      " ",
      "\n",
      "if ",
      "endif",
      "for x in messages",
      "endfor",
      "set x",
      "=",
      "1",
      "'",
      '"',
      "|",
      "(",
      ")",
      "[",
      "]",
      "raw",
      "endraw",
      "x",
      ".",
      "else",
      "elif x",
      "~",
      "\\",
      "macro m()",
      "endmacro",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        try {
          compileChatTemplate(pieces.join(""))(input());
        } catch (error) {
          expect(error).toBeInstanceOf(ChatTemplateError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("built-in templates", () => {
  const messages = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
    { role: "user", content: "{{ 1 }}" },
  ];
  test.each([
    [
      "chatml",
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\n{{ 1 }}<|im_end|>\n<|im_start|>assistant\n",
    ],
    ["llama-2", "<s>[INST] Be brief.\n\nHi [/INST] Hello</s>[INST] {{ 1 }} [/INST]"],
    ["roles", "<s><|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\nHello</s>\n<|user|>\n{{ 1 }}\n<|assistant|>\n"],
    ["plain", "System: Be brief.\nUser: Hi\nAssistant: Hello\nUser: {{ 1 }}\nAssistant:"],
  ])("%s", (name, prompt) => {
    const template = builtInTemplate(name);
    expect(template).toBeDefined();
    expect(compileChatTemplate(template?.source ?? "")(input({ messages }))).toBe(prompt);
  });

  test("are all listed, and no other is known", () => {
    expect(builtInTemplateNames()).toEqual(["chatml", "llama-2", "roles", "plain"]);
    expect(builtInTemplate("nosuch")).toBeUndefined();
  });
});
