// The products of formats-iq.h, compiled apart from the others to build in parallel.
#include "formats-iq.h"
#include "products-format.h"

namespace mimo::MIMO_VARIANT {

template FormatKernels kernels_of<IQ2_XXS>();
template FormatKernels kernels_of<IQ2_XS>();
template FormatKernels kernels_of<IQ2_S>();
template FormatKernels kernels_of<IQ3_XXS>();
template FormatKernels kernels_of<IQ3_S>();

}  // namespace mimo::MIMO_VARIANT
