// The products of formats-k.h, compiled apart from the others to build in parallel.
#include "formats-k.h"
#include "products-format.h"

namespace mimo::MIMO_VARIANT {

template FormatKernels kernels_of<Q2_K>();
template FormatKernels kernels_of<Q3_K>();
template FormatKernels kernels_of<Q4_K>();
template FormatKernels kernels_of<Q5_K>();
template FormatKernels kernels_of<Q6_K>();
template FormatKernels kernels_of<IQ4_XS>();

}  // namespace mimo::MIMO_VARIANT
