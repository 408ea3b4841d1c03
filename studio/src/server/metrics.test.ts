import { expect, test } from "vitest";
import { acceptLength, growth, histogramOf, limitOf, parseMetrics, perSecond, valueOf } from "./metrics.ts";

const TEXT = `# HELP mimo:num_requests_running Sequences that run.
# TYPE mimo:num_requests_running gauge
mimo:num_requests_running{model_name="nano {1}"} 2
vllm:num_requests_running{model_name="nano {1}"} 2
mimo:http_requests_total{route="/a",status="200"} 3
mimo:http_requests_total{route="/b",status="404"} 4
process_resident_memory_bytes 1.5e+9
`;

const measure = (text: string, seconds = 0) => parseMetrics(text, seconds * 1000);

test("values, those of several labels added up, and none of them twice", () => {
  const measured = measure(TEXT);
  expect(valueOf(measured, "num_requests_running")).toBe(2);
  expect(valueOf(measured, "http_requests_total")).toBe(7);
  expect(valueOf(measured, "process_resident_memory_bytes")).toBe(1.5e9);
  expect(valueOf(measured, "never_heard_of")).toBe(0);
});

test("rates, also behind a restart of the server", () => {
  const [before, after, restarted] = [measure("mimo:x 10", 1), measure("mimo:x 30", 5), measure("mimo:x 8", 7)];
  expect(perSecond(before, after, "x")).toBe(5);
  expect(growth(after, restarted, "x")).toBe(8);
});

test("the accept length is that of the tokens between two measurements", () => {
  const at = (tokens: number, accepted: number) =>
    measure(`mimo:generation_tokens_total ${tokens}\nmimo:spec_decode_num_accepted_tokens_total ${accepted}`);
  expect(acceptLength(at(100, 90), at(160, 110))).toBe(1.5);
  expect(acceptLength(at(100, 90), at(100, 90))).toBeNaN();
});

test("limits are those of buckets", () => {
  const at = (counts: readonly number[]) =>
    measure(
      ["1", "2", "+Inf"].map((limit, i) => `mimo:wait_bucket{le="${limit}",model_name="m"} ${counts[i]}`).join("\n") +
        `\nmimo:wait_sum{model_name="m"} 9\nmimo:wait_count{model_name="m"} ${counts[2]}`,
    );
  const waits = histogramOf(at([10, 19, 20]), "wait");
  expect(waits).toMatchObject({ sum: 9, count: 20 });
  expect(limitOf(waits, 0.5)).toBe(1);
  expect(limitOf(waits, 0.95)).toBe(2);
  expect(limitOf(waits, 0.99)).toBeNaN();
  expect(limitOf(histogramOf(measure(""), "wait"), 0.5)).toBeNaN();
});
