// The products of formats-block.h, compiled apart from the others to build in parallel.
#include "formats-block.h"
#include "products-format.h"

namespace mimo::MIMO_VARIANT {

template FormatKernels kernels_of<Q8_0>();
template FormatKernels kernels_of<Q4_0>();
template FormatKernels kernels_of<Q4_1>();
template FormatKernels kernels_of<Q5_0>();
template FormatKernels kernels_of<Q5_1>();
template FormatKernels kernels_of<IQ4_NL>();
template FormatKernels kernels_of<MXFP4>();

}  // namespace mimo::MIMO_VARIANT
