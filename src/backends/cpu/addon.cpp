// The Node side of the CPU backend: JavaScript values in, Device calls, JavaScript values out.
//
// Plain Node-API, no global state: every worker thread that loads the addon makes devices of its own, and a device
// ends with the object that holds it, at the latest when its environment is torn down. Arguments of the wrong kind
// and failures of a device become exceptions whose `code` is one of src/util/errors.ts.
#include <node_api.h>

#include <system_error>

#include "device.h"

namespace {

using mimo::Device;
using mimo::Failure;

constexpr napi_type_tag DEVICE_TAG = {0x6d696d6f5f637075, 0x64657669636530a1};

// A JavaScript exception is already pending.
struct Pending {};

void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (is_pending) throw Pending{};
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  const char* message = info != nullptr && info->error_message != nullptr ? info->error_message : "unknown error";
  throw Failure("invalid_argument", std::string("The addon was called wrongly: ") + message + ".");
}

struct Bytes {
  uint8_t* data;
  size_t length;
};

// The arguments of one call, converted on request.
class Call {
 public:
  static constexpr size_t MAX_ARGUMENTS = 8;

  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = MAX_ARGUMENTS;
    check(env, napi_get_cb_info(env, info, &count, arguments_, nullptr, nullptr));
  }

  double number(size_t i) const {
    double value;
    check(env, napi_get_value_double(env, arguments_[i], &value));
    return value;
  }

  std::string string(size_t i) const {
    size_t length;
    check(env, napi_get_value_string_utf8(env, arguments_[i], nullptr, 0, &length));
    std::string text(length, '\0');
    check(env, napi_get_value_string_utf8(env, arguments_[i], text.data(), length + 1, &length));
    return text;
  }

  bool is_absent(size_t i) const {
    napi_valuetype type;
    check(env, napi_typeof(env, arguments_[i], &type));
    return type == napi_undefined || type == napi_null;
  }

  Bytes bytes(size_t i) const { return typed_array(i, napi_uint8_array, "a Uint8Array"); }

  // Length in elements.
  const double* doubles(size_t i, size_t* length) const {
    const Bytes array = typed_array(i, napi_float64_array, "a Float64Array");
    *length = array.length;
    return reinterpret_cast<const double*>(array.data);
  }

  std::unique_ptr<Device>& holder(size_t i) const {
    bool is_device = false;
    napi_valuetype type;
    check(env, napi_typeof(env, arguments_[i], &type));
    if (type == napi_object) check(env, napi_check_object_type_tag(env, arguments_[i], &DEVICE_TAG, &is_device));
    if (!is_device) throw Failure("invalid_argument", "The first argument must be a device.");
    void* holder;
    check(env, napi_unwrap(env, arguments_[i], &holder));
    return *static_cast<std::unique_ptr<Device>*>(holder);
  }

  Device& device() const {
    const std::unique_ptr<Device>& device = holder(0);
    if (device == nullptr) throw Failure("disposed", "The CPU device was disposed.");
    return *device;
  }

  const napi_env env;

 private:
  Bytes typed_array(size_t i, napi_typedarray_type expected, const char* what) const {
    bool is_array = false;
    check(env, napi_is_typedarray(env, arguments_[i], &is_array));
    napi_typedarray_type type = napi_int8_array;
    Bytes array{nullptr, 0};
    if (is_array) {
      void* data;
      check(env, napi_get_typedarray_info(env, arguments_[i], &type, &array.length, &data, nullptr, nullptr));
      array.data = static_cast<uint8_t*>(data);
    }
    if (!is_array || type != expected) {
      throw Failure("invalid_argument", "Argument " + std::to_string(i) + " must be " + what + ".");
    }
    return array;
  }

  napi_value arguments_[MAX_ARGUMENTS];
};

napi_value make_number(napi_env env, double value) {
  napi_value result;
  check(env, napi_create_double(env, value, &result));
  return result;
}

napi_value make_string(napi_env env, const char* value) {
  napi_value result;
  check(env, napi_create_string_utf8(env, value, NAPI_AUTO_LENGTH, &result));
  return result;
}

const mimo::Variant& variant_argument(const Call& call, size_t i) {
  const std::string name = call.is_absent(i) ? "" : call.string(i);
  const mimo::Variant* variant = mimo::find_variant(name);
  if (variant == nullptr) {
    throw Failure("backend_unavailable", "This machine cannot run the CPU kernels" +
                                             (name.empty() ? "." : " of variant \"" + name + "\"."));
  }
  return *variant;
}

// variants(): the supported ones, best first.
napi_value get_variants(const Call& call) {
  napi_value list;
  check(call.env, napi_create_array(call.env, &list));
  uint32_t count = 0;
  for (const mimo::Variant& variant : mimo::variants()) {
    if (variant.is_supported) check(call.env, napi_set_element(call.env, list, count++, make_string(call.env, variant.name)));
  }
  return list;
}

// kernels(variant): names, in the order of the ids that commands use.
napi_value get_kernels(const Call& call) {
  const mimo::Variant& variant = variant_argument(call, 0);
  napi_value list;
  check(call.env, napi_create_array(call.env, &list));
  for (int i = 0; i < variant.num_kernels; i++) {
    check(call.env, napi_set_element(call.env, list, i, make_string(call.env, variant.kernels[i].name)));
  }
  return list;
}

// create(variant, threads): a device.
napi_value create(const Call& call) {
  const mimo::Variant& variant = variant_argument(call, 0);
  const double threads = call.number(1);
  if (!(threads >= 1 && threads <= mimo::ThreadPool::MAX_THREADS)) {
    throw Failure("invalid_argument", "threads must be an integer from 1 to " +
                                          std::to_string(mimo::ThreadPool::MAX_THREADS) + ".");
  }
  auto holder = std::make_unique<std::unique_ptr<Device>>(new Device(variant, static_cast<int>(threads)));
  napi_value object;
  check(call.env, napi_create_object(call.env, &object));
  check(call.env, napi_type_tag_object(call.env, object, &DEVICE_TAG));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::unique_ptr<Device>*>(data); };
  check(call.env, napi_wrap(call.env, object, holder.get(), finalize, nullptr, nullptr));
  holder.release();
  return object;
}

// destroy(device): joins its threads and releases its memory; every later use throws.
napi_value destroy(const Call& call) {
  call.holder(0).reset();
  return nullptr;
}

// alloc(device, bytes): a handle.
napi_value alloc(const Call& call) { return make_number(call.env, call.device().alloc(call.number(1))); }

// mapFile(device, path): [handle, bytes].
napi_value map_file(const Call& call) {
  double bytes = 0;
  const double handle = call.device().map_file(call.string(1), &bytes);
  napi_value pair;
  check(call.env, napi_create_array_with_length(call.env, 2, &pair));
  check(call.env, napi_set_element(call.env, pair, 0, make_number(call.env, handle)));
  check(call.env, napi_set_element(call.env, pair, 1, make_number(call.env, bytes)));
  return pair;
}

// free(device, handle)
napi_value free_memory(const Call& call) {
  call.device().free(call.number(1));
  return nullptr;
}

// prepareWeight(device, dtype, out, in, rowBytes, scaleRows, matrices, scales | null): an id. The tables are
// Float64Arrays of (handle, byteOffset) pairs, one pair per matrix.
napi_value prepare_weight(const Call& call) {
  mimo::WeightRequest request{call.number(1), call.number(2), call.number(3), call.number(4), call.number(5),
                              nullptr, 0, nullptr};
  size_t length;
  request.matrices = call.doubles(6, &length);
  request.num_matrices = length / 2;
  if (!call.is_absent(7)) {
    size_t scales_length;
    request.scales = call.doubles(7, &scales_length);
    if (scales_length != length) throw Failure("invalid_argument", "Matrices and scales must be equally many.");
  }
  return make_number(call.env, call.device().prepare_weight(request));
}

// packWeight(device, id): whether the weight was packed.
napi_value pack_weight(const Call& call) {
  return make_number(call.env, call.device().pack_weight(call.number(1)) ? 1 : 0);
}

// freeWeight(device, id)
napi_value free_weight(const Call& call) {
  call.device().free_weight(call.number(1));
  return nullptr;
}

// lockWeight(device, id): 1 or 0.
napi_value lock_weight(const Call& call) {
  return make_number(call.env, call.device().lock_weight(call.number(1)) ? 1 : 0);
}

// limitFetched(device, bytes)
napi_value limit_fetched(const Call& call) {
  call.device().limit_fetched(call.number(1));
  return nullptr;
}

// upload(device, handle, byteOffset, bytes)
napi_value upload(const Call& call) {
  const Bytes bytes = call.bytes(3);
  call.device().upload(call.number(1), call.number(2), bytes.data, bytes.length);
  return nullptr;
}

// download(device, handle, byteOffset, bytes)
napi_value download(const Call& call) {
  const Bytes bytes = call.bytes(3);
  call.device().download(call.number(1), call.number(2), bytes.data, bytes.length);
  return nullptr;
}

// execute(device, commands, length): runs the first `length` doubles of a Float64Array of commands (device.h).
napi_value execute(const Call& call) {
  size_t available;
  const double* commands = call.doubles(1, &available);
  const double length = call.number(2);
  if (!(length >= 0 && length <= static_cast<double>(available))) {
    throw Failure("invalid_argument", "The length exceeds the list of commands.");
  }
  call.device().execute(commands, static_cast<size_t>(length));
  return nullptr;
}

napi_value make_numbers(napi_env env, std::initializer_list<double> values) {
  napi_value list;
  check(env, napi_create_array_with_length(env, values.size(), &list));
  uint32_t i = 0;
  for (const double value : values) check(env, napi_set_element(env, list, i++, make_number(env, value)));
  return list;
}

// stats(device): [memories, weights, allocatedBytes].
napi_value get_stats(const Call& call) {
  const mimo::DeviceStats stats = call.device().stats();
  return make_numbers(call.env, {static_cast<double>(stats.memories), static_cast<double>(stats.weights),
                                 static_cast<double>(stats.allocated_bytes)});
}

// fetchStats(device): [uses, hits, bytesRead, waitMs, heldBytes, budgetBytes].
napi_value get_fetch_stats(const Call& call) {
  const mimo::FetchStats stats = call.device().fetch_stats();
  return make_numbers(call.env, {stats.uses, stats.hits, stats.bytes_read, stats.wait_ms, stats.held_bytes,
                                 stats.budget_bytes});
}

// No C++ exception leaves the addon.
template <napi_value (*FUNCTION)(const Call&)>
napi_value guarded(napi_env env, napi_callback_info info) {
  try {
    return FUNCTION(Call(env, info));
  } catch (const Pending&) {
  } catch (const Failure& failure) {
    napi_throw_error(env, failure.code, failure.what());
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "out_of_memory", "The CPU backend ran out of memory.");
  } catch (const std::system_error& error) {
    napi_throw_error(env, "out_of_memory", (std::string("Cannot start the threads: ") + error.what()).c_str());
  } catch (const std::exception& error) {
    napi_throw_error(env, "internal", error.what());
  }
  return nullptr;
}

template <napi_value (*FUNCTION)(const Call&)>
napi_property_descriptor method(const char* name) {
  return {name, nullptr, guarded<FUNCTION>, nullptr, nullptr, nullptr, napi_enumerable, nullptr};
}

}  // namespace

NAPI_MODULE_INIT() {
  const napi_property_descriptor methods[] = {
      method<get_variants>("variants"),  method<get_kernels>("kernels"),
      method<create>("create"),          method<destroy>("destroy"),
      method<alloc>("alloc"),            method<map_file>("mapFile"),
      method<free_memory>("free"),       method<prepare_weight>("prepareWeight"),
      method<pack_weight>("packWeight"), method<lock_weight>("lockWeight"),
      method<free_weight>("freeWeight"), method<upload>("upload"),
      method<download>("download"),      method<execute>("execute"),
      method<get_stats>("stats"),        method<limit_fetched>("limitFetched"),
      method<get_fetch_stats>("fetchStats"),
  };
  napi_define_properties(env, exports, sizeof methods / sizeof methods[0], methods);
  return exports;
}
