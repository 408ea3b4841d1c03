// embedding: out[t] = weight[ids[t]], unpacked exactly; the contract is in embedding.ts.
#include "../linear/products.h"

namespace mimo::MIMO_VARIANT {

void embedding(const Args& args, Worker& worker) {
  const int64_t T = args.integer(0), D = args.integer(1);
  const Weight& weight = *args.weights[0];
  const Matrix matrix(weight, 0);
  const int32_t* ids = args.tensors[0].as<const int32_t>();
  float* out = args.tensors[1].as<float>();
  const auto unpack = format_kernels(weight.dtype).unpack;
  int64_t begin, end;
  while (worker.next(0, T, 1, &begin, &end)) unpack(matrix.row(ids[begin]), D, out + begin * D);
}

}  // namespace mimo::MIMO_VARIANT
