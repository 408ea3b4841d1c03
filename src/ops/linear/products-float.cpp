// The products of formats-float.h, compiled apart from the others to build in parallel.
#include "formats-float.h"
#include "products-format.h"

namespace mimo::MIMO_VARIANT {

template FormatKernels kernels_of<F32>();
template FormatKernels kernels_of<F16>();
template FormatKernels kernels_of<BF16>();
template FormatKernels kernels_of<F8_E4M3>();

}  // namespace mimo::MIMO_VARIANT
