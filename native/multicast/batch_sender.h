#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "os_error.h"

namespace multicast {

// Most segments the kernel cuts from one call (UDP_MAX_SEGMENTS of the oldest kernel with GSO).
inline constexpr size_t TRAIN_SEGMENTS_MAX = 64;
// Most payload of one UDP datagram over IPv4: 65,535 less the IP and UDP headers.
inline constexpr size_t TRAIN_BYTES_MAX = 65507;

// What became of a train. Fewer datagrams than asked is no error: the socket's buffer is full.
struct SendOutcome {
  size_t datagrams = 0;
  std::optional<OsError> error;
};

// Sends trains of equal datagrams (the last may be shorter) on a connected socket that it does
// not own: as one GSO train, or by sendmmsg once the kernel has refused GSO. Used by one thread.
class BatchSender {
 public:
  explicit BatchSender(int fd) : fd_(fd) {}

  // `payload` is cut every `segment_bytes`; at most TRAIN_SEGMENTS_MAX and TRAIN_BYTES_MAX.
  SendOutcome send(std::span<const uint8_t> payload, uint16_t segment_bytes);

  // False once GSO was refused; `gso_refusal` then says how.
  bool gso() const { return !gso_refusal_.has_value(); }
  const std::optional<OsError>& gso_refusal() const { return gso_refusal_; }

 private:
  SendOutcome send_train(std::span<const uint8_t> payload, uint16_t segment_bytes);
  SendOutcome send_each(std::span<const uint8_t> payload, uint16_t segment_bytes);

  int fd_;
  std::optional<OsError> gso_refusal_;
};

}  // namespace multicast
