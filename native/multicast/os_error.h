#pragma once

#include <string>

namespace multicast {

// A refused system call: which, on what descriptor, and errno. A value, never thrown.
struct OsError {
  int number = 0;
  const char* syscall = "";
  int fd = -1;

  // The symbol of errno, such as "EPERM"; "errno 123" for one that has none.
  std::string code() const;
  // One line for people: "setsockopt(IP_ADD_MEMBERSHIP): ENODEV, No such device".
  std::string text() const;
};

// The error of the system call that has just failed on this thread.
OsError last_error(const char* syscall, int fd);

}  // namespace multicast
