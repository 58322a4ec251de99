#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "os_error.h"

namespace multicast {

// Messages taken by one recvmmsg. Each has a buffer for a whole super-packet: 16 × 64 KiB = 1 MiB.
inline constexpr size_t RECEIVE_BATCH_MAX = 16;

// What one call took. Zero datagrams without an error: nothing waits.
struct ReceiveOutcome {
  size_t datagrams = 0;
  size_t bytes = 0;
  // Messages that held more than one datagram.
  size_t coalesced = 0;
  std::optional<OsError> error;
};

// Takes datagrams in batches from a socket that it does not own, cuts coalesced ones apart and
// shows each to the caller. The bytes are its own and hold until the next call. One thread.
class BatchReceiver {
 public:
  using Visit = std::function<void(std::span<const uint8_t> datagram)>;

  explicit BatchReceiver(int fd);
  // The messages point into the object's own buffers.
  BatchReceiver(const BatchReceiver&) = delete;
  BatchReceiver& operator=(const BatchReceiver&) = delete;

  ReceiveOutcome receive(const Visit& visit);

  // Datagrams the kernel threw away for want of buffer since the socket was opened.
  uint32_t dropped() const { return dropped_; }

 private:
  size_t read_control(msghdr& message, size_t bytes);

  int fd_;
  uint32_t dropped_ = 0;
  std::vector<uint8_t> buffers_;
  std::vector<uint8_t> controls_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> messages_;
};

}  // namespace multicast
