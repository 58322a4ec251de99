#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "group_socket.h"

namespace multicast {

// What batched datagram sockets can do on one interface. `notes` name what was refused.
struct ProbeResult {
  bool multicast = false;
  bool gso = false;
  bool gro = false;
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  size_t received = 0;
  size_t sent = 0;
  uint32_t dropped = 0;
  std::vector<std::string> notes;
};

// Joins the group, sends it one train of datagrams that stay on this machine, and reads them
// back. Blocks for a second at most. Any thread.
ProbeResult probe(const GroupAddress& address);

}  // namespace multicast
