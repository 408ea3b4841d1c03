// A binary heap of numbers in a plain array: the smallest stands first.
//
// Plain functions over an array, because the encoder makes one for every piece of text it meets.
// Knows nothing of what the numbers mean; whoever needs more than one value packs them into one exact integer.

export function pushHeap(heap: number[], value: number): void {
  let child = heap.length;
  heap.push(value);
  while (child > 0) {
    const parent = (child - 1) >> 1;
    const above = heap[parent] as number;
    if (above <= value) break;
    heap[child] = above;
    child = parent;
  }
  heap[child] = value;
}

/** Takes the smallest value out. The heap must hold one. */
export function popHeap(heap: number[]): number {
  const top = heap[0] as number;
  const last = heap.pop() as number;
  const size = heap.length;
  if (size === 0) return top;
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= size) break;
    if (child + 1 < size && (heap[child + 1] as number) < (heap[child] as number)) child++;
    const below = heap[child] as number;
    if (below >= last) break;
    heap[parent] = below;
    parent = child;
  }
  heap[parent] = last;
  return top;
}
