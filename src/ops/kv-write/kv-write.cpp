// Writes keys and values into a cache in its own dtype, and copies encoded rows; see kv-write.ts.
//
// Bit for bit what src/tensor/codec writes: v · valueScale is rounded once to f32, halves round to nearest even, and
// a q8_0 code is ⌊x / scale + ½⌋ in float64, where scale is the f16 that is stored.
#include <math.h>

#include "kv-rows.h"

namespace mimo::MIMO_VARIANT {

namespace {

void encode_q8_block(const float* x, uint8_t* out) {
  float extreme = 0;
  for (int64_t i = 0; i < Q8_ELEMENTS; i++) extreme = ::fmaxf(extreme, ::fabsf(x[i]));
  const double step = extreme / 127.0;
  uint16_t half;
  store_f16_n(&half, set1(static_cast<float>(step < 65504.0 ? step : 65504.0)), 1);
  memcpy(out, &half, sizeof half);
  const double scale = finite_f16_to_f32(half);
  const double inverse = scale == 0 ? 0 : 1 / scale;
  for (int64_t i = 0; i < Q8_ELEMENTS; i++) {
    double code = ::floor(inverse * x[i] + 0.5);
    code = code < -127 ? -127 : code > 127 ? 127 : code;
    out[2 + i] = static_cast<uint8_t>(static_cast<int32_t>(code));
  }
}

// `row` has room for whole q8_0 blocks, zeros beyond `width`.
void encode_row(DType dtype, const float* row, int64_t width, uint8_t* out) {
  uint16_t* halves = reinterpret_cast<uint16_t*>(out);
  switch (dtype) {
    case DType::F32:
      memcpy(out, row, static_cast<size_t>(width) * sizeof(float));
      break;
    case DType::F16:
      for (int64_t i = 0; i < width; i += 16) {
        store_f16_n(halves + i, load(row + i), static_cast<int>(min_of(width - i, 16)));
      }
      break;
    case DType::BF16:
      for (int64_t i = 0; i < width; i += 16) {
        store_bf16_n(halves + i, load(row + i), static_cast<int>(min_of(width - i, 16)));
      }
      break;
    default:  // Q8_0: the contract admits no other
      for (int64_t i = 0; i < width; i += Q8_ELEMENTS) encode_q8_block(row + i, out + i / Q8_ELEMENTS * Q8_BYTES);
  }
}

struct RowWriter {
  const Tensor& rows;
  const Tensor& cache;
  int64_t width;
  double scale;
  float* padded;

  void write(int64_t source, int64_t target) const {
    const float* row = rows.as<const float>() + source * width;
    for (int64_t i = 0; i < width; i++) padded[i] = static_cast<float>(row[i] * scale);
    encode_row(cache.dtype, padded, width, cache.as<uint8_t>() + target * kv_row_bytes(cache.dtype, width));
  }
};

float* zeroed_row(Worker& worker, int64_t width) {
  const size_t bytes = static_cast<size_t>(round_up(width, Q8_ELEMENTS)) * sizeof(float);
  return static_cast<float*>(memset(worker.scratch(bytes), 0, bytes));
}

}  // namespace

// tensors [k, v, slots, kCache, vCache], scalars [T, G, H, U, valueScale, places]
void kv_write(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 8;
  const int32_t* slots = args.tensors[2].as<const int32_t>();
  const int64_t T = args.integer(0), G = args.integer(1), H = args.integer(2), U = args.integer(3);
  const int64_t places = args.integer(5);
  const RowWriter keys{args.tensors[0], args.tensors[3], H, 1.0, zeroed_row(worker, H)};
  const RowWriter values{args.tensors[1], args.tensors[4], U, args.scalars[4], zeroed_row(worker, U)};
  int64_t begin, end;
  while (worker.next(0, T * G, GRAIN, &begin, &end)) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t slot = slots[row / G];
      if (slot < 0) continue;
      const int64_t target = cache_row(slot, row % G, G, places);
      keys.write(row, target);
      values.write(row, target);
    }
  }
}

// tensors [kSource, vSource, kTarget, vTarget, sourceSlots, targetSlots],
// scalars [R, G, kRowBytes, vRowBytes, sourcePlaces, targetPlaces]
void kv_copy(const Args& args, Worker& worker) {
  constexpr int64_t GRAIN = 16;
  const int32_t* source_slots = args.tensors[4].as<const int32_t>();
  const int32_t* target_slots = args.tensors[5].as<const int32_t>();
  const int64_t R = args.integer(0), G = args.integer(1);
  int64_t begin, end;
  while (worker.next(0, R * G, GRAIN, &begin, &end)) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t source_slot = source_slots[row / G], target_slot = target_slots[row / G], g = row % G;
      if (target_slot < 0) continue;
      const int64_t source = cache_row(source_slot, g, G, args.integer(4));
      const int64_t target = cache_row(target_slot, g, G, args.integer(5));
      for (int i = 0; i < 2; i++) {
        const int64_t bytes = args.integer(2 + i);
        memcpy(args.tensors[2 + i].as<uint8_t>() + target * bytes,
               args.tensors[i].as<const uint8_t>() + source * bytes, static_cast<size_t>(bytes));
      }
    }
  }
}

}  // namespace mimo::MIMO_VARIANT
