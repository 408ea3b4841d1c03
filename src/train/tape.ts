// A backend that remembers what it ran, so that gradients can be taken back through it.
//
// The model's own forward runs on it unchanged: `backend` passes every kernel on and notes it. `backward` then walks the
// notes from the last to the first and lets each op's rule turn the gradient of what the kernel wrote into gradients of
// what it read. Activations keep their values until then: whoever runs a model here gives each its own memory, and a
// rule saves beforehand what its kernel overwrites. Knows no op; the rules do.

import type { Backend, Kernel, KernelArgs, Weight } from "../backends/backend.ts";
import type { ActivationMemory } from "../model/workspace.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { assert, defined } from "../util/assert.ts";
import type { Arena } from "./arena.ts";
import type { TrainedParameters } from "./parameters.ts";

/** A kernel as it was run. */
export interface Note extends KernelArgs {
  readonly kernel: Kernel;
  /** What `save` kept. */
  readonly saved: readonly Tensor[];
}

export interface Rule {
  /** Runs before the kernel; returns copies of what it is about to overwrite and `backward` will need. */
  readonly save?: (tape: Tape, args: KernelArgs) => Tensor[];
  /** What the kernel is run with in place of what it was given, which is what is noted. */
  readonly replace?: (tape: Tape, args: KernelArgs) => KernelArgs;
  /** Absent where a kernel has no gradient: it fills tables, or moves what nobody trains. */
  readonly backward?: (tape: Tape, note: Note) => void;
}

export type Rules = Readonly<Record<string, Rule>>;

export class Tape {
  /** What a model is run on. */
  readonly backend: Backend;
  /** What computes: kernels that it is given are not noted. */
  readonly device: Backend;
  readonly #arena: Arena;
  readonly #parameters: TrainedParameters;
  readonly #rules: Rules;
  readonly #saved: ActivationMemory;
  readonly #scratch: ActivationMemory;
  #notes: Note[] = [];
  #numSaved = 0;

  constructor(device: Backend, arena: Arena, parameters: TrainedParameters, rules: Rules) {
    this.device = device;
    this.#arena = arena;
    this.#parameters = parameters;
    this.#rules = rules;
    this.#saved = arena.scope("saved");
    this.#scratch = arena.scope("scratch");
    const run = (kernel: Kernel, args: KernelArgs): void => this.#run(kernel, args);
    this.backend = new Proxy(device, {
      get: (target, key) => {
        if (key === "run") return run;
        // Weights are all in memory: nothing to fetch.
        if (key === "fetch") return () => {};
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  /** The gradient of an activation or a parameter: of the same shape, for reading and writing. */
  gradientOf(tensor: Tensor): Tensor {
    return this.#arena.owns(tensor) ? this.#arena.gradientOf(tensor) : this.#parameters.gradientOf(tensor);
  }

  /** The trained matrices behind a weight: [N, K], or [E, N, K] of experts. */
  matrixOf(weight: Weight): Tensor {
    return this.#parameters.matrixOf(weight);
  }

  /** Whether products with a weight take place in FP8. */
  isFp8(weight: Weight): boolean {
    return this.#parameters.isFp8(weight);
  }

  /** Memory for the next kernel or two: the same for the same name and shape. */
  scratch(name: string, shape: readonly number[]): Tensor {
    return this.#scratch.tensor(`${name} ${shape.join("×")}`, "f32", shape);
  }

  /** A copy of a tensor as it is now. */
  keep(tensor: Tensor): Tensor {
    const copy = this.#saved.tensor(String(this.#numSaved++), tensor.dtype, tensor.shape);
    this.device.copy(tensor, copy);
    return copy;
  }

  /** Takes the gradients that were put in `gradientOf` results back through all that was noted, and forgets it. */
  backward(): void {
    for (const note of this.#notes.toReversed()) this.#ruleOf(note.kernel).backward?.(this, note);
    this.clear();
  }

  clear(): void {
    this.#notes = [];
    this.#numSaved = 0;
  }

  #run(kernel: Kernel, args: KernelArgs): void {
    const { save, replace } = this.#ruleOf(kernel);
    const saved = save?.(this, args) ?? [];
    this.device.run(kernel, replace?.(this, args) ?? args);
    this.#notes.push({ kernel, ...args, saved });
  }

  #ruleOf({ name }: Kernel): Rule {
    const rule = this.#rules[name];
    assert(rule !== undefined, () => `${name} has no rule for its gradient`);
    return defined(rule, name);
  }
}
