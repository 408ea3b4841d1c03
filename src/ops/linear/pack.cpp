// pack: rearranges the matrices of weights[0] into tiles, weights[1]; the device's own command when a weight is
// prepared. Sets the int32 of tensors[0] where a matrix has values that tiles cannot hold.
#include "products.h"

namespace mimo::MIMO_VARIANT {

int64_t tile_bytes(DType dtype, int64_t columns) { return format_kernels(dtype).tile_bytes(columns); }

void pack(const Args& args, Worker& worker) {
  const Weight &source = *args.weights[0], &target = *args.weights[1];
  const FormatKernels& kernels = format_kernels(source.dtype);
  const int64_t tiles = num_tiles(source.out);
  int64_t begin, end;
  while (worker.next(0, source.num_matrices * tiles, 1, &begin, &end)) {
    const int64_t index = begin / tiles, tile = begin % tiles;
    uint8_t* out = const_cast<uint8_t*>(Matrix(target, index).tile(tile));
    if (!kernels.pack(Matrix(source, index), tile * TILE_ROWS, out)) *args.tensors[0].as<volatile int32_t>() = 1;
  }
}

}  // namespace mimo::MIMO_VARIANT
