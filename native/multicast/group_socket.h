#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "os_error.h"

namespace multicast {

// Where a group is reached: the local interface by its address, the group, a UDP port
// in host order (0: any free one, for a receiver alone).
struct GroupAddress {
  in_addr interface_address;
  in_addr group;
  uint16_t port;
};

// One UDP socket of a multicast group; owns its descriptor. Non-blocking. Used by one thread.
class GroupSocket {
 public:
  GroupSocket() = default;
  ~GroupSocket();
  GroupSocket(GroupSocket&& other) noexcept;
  GroupSocket& operator=(GroupSocket&& other) noexcept;
  GroupSocket(const GroupSocket&) = delete;
  GroupSocket& operator=(const GroupSocket&) = delete;

  // Binds to the group and port and joins on the interface. What is refused but can be done
  // without (GRO, the drop counter, large buffers) goes to `refused`.
  std::optional<OsError> open_receiver(const GroupAddress& address, int buffer_bytes,
                                       std::vector<OsError>& refused);

  // Connects to the group, through the interface. `ttl` 0 keeps datagrams on this machine.
  std::optional<OsError> open_sender(const GroupAddress& address, int buffer_bytes, uint8_t ttl,
                                     std::vector<OsError>& refused);

  int fd() const { return fd_; }
  // In host order, as bound; 0 when it is not.
  uint16_t port() const;
  // As the kernel granted them: it doubles what was asked and caps it (net.core.rmem_max).
  int receive_buffer_bytes() const;
  int send_buffer_bytes() const;
  // Largest IP packet of the way to the group; 0 when it is not known. Senders only.
  int mtu_bytes() const;

 private:
  std::optional<OsError> create();
  std::optional<OsError> set(int level, int option, const void* value, socklen_t length,
                             const char* name);
  void close();

  int fd_ = -1;
};

}  // namespace multicast
