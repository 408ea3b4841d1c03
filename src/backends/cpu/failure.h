// A MimoError in the making: what the native side throws for a caller's mistake or a system's refusal.
#pragma once

#include <stdexcept>
#include <string>

namespace mimo {

struct Failure : std::runtime_error {
  Failure(const char* code, const std::string& message) : std::runtime_error(message), code(code) {}
  const char* code;  // one of src/util/errors.ts
};

}  // namespace mimo
