#include "os_error.h"

#include <string.h>

#include <cerrno>

namespace multicast {

std::string OsError::code() const {
  const char* name = strerrorname_np(number);
  return name != nullptr ? std::string(name) : "errno " + std::to_string(number);
}

std::string OsError::text() const {
  const char* description = strerrordesc_np(number);
  std::string line = std::string(syscall) + ": " + code();
  if (description != nullptr) line += std::string(", ") + description;
  return line;
}

OsError last_error(const char* syscall, int fd) { return OsError{errno, syscall, fd}; }

}  // namespace multicast
