// Rearranging rows into tiles: the device's own command for whole weights, and one tile for whoever has a thread of its
// own.
#include "products.h"

namespace mimo::MIMO_VARIANT {

int64_t tile_bytes(DType dtype, int64_t columns) { return format_kernels(dtype).tile_bytes(columns); }

// Tile `tile` of a matrix that is not packed; false where it has values that tiles cannot hold.
bool pack_tile(const Weight& weight, int64_t matrix, int64_t tile, uint8_t* out) {
  return format_kernels(weight.dtype).pack(Matrix(weight, matrix), tile * TILE_ROWS, out);
}

// The matrices of weights[0] into those of weights[1]. Sets the int32 of tensors[0] where tiles cannot hold them.
void pack(const Args& args, Worker& worker) {
  const Weight &source = *args.weights[0], &target = *args.weights[1];
  const int64_t tiles = num_tiles(source.out);
  int64_t begin, end;
  while (worker.next(0, source.num_matrices * tiles, 1, &begin, &end)) {
    const int64_t index = begin / tiles, tile = begin % tiles;
    uint8_t* out = const_cast<uint8_t*>(Matrix(target, index).tile(tile));
    if (!pack_tile(source, index, tile, out)) *args.tensors[0].as<volatile int32_t>() = 1;
  }
}

}  // namespace mimo::MIMO_VARIANT
