#include "probe.h"

#include <poll.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "batch_receiver.h"
#include "batch_sender.h"

namespace multicast {

namespace {

// Payload of a frame on a common link; less where the interface's MTU is small.
constexpr int SEGMENT_BYTES_MAX = 1400;
constexpr int HEADER_BYTES = 28;
// No link of IPv4 is narrower.
constexpr int MTU_BYTES_MIN = 576;
constexpr size_t SEGMENTS = 32;
// 40 ms at 1 Gbit/s; the kernel's answer tells whether net.core.rmem_max allows it.
constexpr int BUFFER_BYTES = 8 << 20;
constexpr uint8_t TTL_THIS_MACHINE = 0;
constexpr std::chrono::milliseconds PATIENCE{1000};

using Clock = std::chrono::steady_clock;
using Mark = std::array<uint8_t, 16>;

// A train whose every datagram begins with `mark`, so that strangers' are told apart.
std::vector<uint8_t> make_train(const Mark& mark, uint16_t segment_bytes) {
  std::vector<uint8_t> train(SEGMENTS * segment_bytes);
  for (size_t index = 0; index < SEGMENTS; ++index) {
    const auto start = train.begin() + static_cast<std::ptrdiff_t>(index * segment_bytes);
    std::copy(mark.begin(), mark.end(), start);
  }
  return train;
}

uint16_t choose_segment_bytes(const GroupSocket& socket) {
  const int room = std::max(socket.mtu_bytes(), MTU_BYTES_MIN) - HEADER_BYTES;
  return static_cast<uint16_t>(std::min(room, SEGMENT_BYTES_MAX));
}

void wait_readable(int fd, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
  pollfd waiting{fd, POLLIN, 0};
  ::poll(&waiting, 1, std::max(0, static_cast<int>(left.count())));
}

void send_train(const GroupSocket& socket, const Mark& mark, uint16_t segment_bytes,
                ProbeResult& result) {
  BatchSender sender(socket.fd());
  const SendOutcome outcome = sender.send(make_train(mark, segment_bytes), segment_bytes);
  result.sent = outcome.datagrams;
  result.gso = sender.gso() && outcome.datagrams > 0;
  if (sender.gso_refusal()) result.notes.push_back(sender.gso_refusal()->text());
  if (outcome.error) result.notes.push_back(outcome.error->text());
}

void receive_train(const GroupSocket& socket, const Mark& mark, uint16_t segment_bytes,
                   ProbeResult& result) {
  BatchReceiver receiver(socket.fd());
  const auto deadline = Clock::now() + PATIENCE;
  while (result.received < result.sent && Clock::now() < deadline) {
    const ReceiveOutcome outcome = receiver.receive([&](std::span<const uint8_t> datagram) {
      const bool ours = datagram.size() == segment_bytes &&
                        std::memcmp(datagram.data(), mark.data(), mark.size()) == 0;
      if (ours) ++result.received;
    });
    if (outcome.error) {
      result.notes.push_back(outcome.error->text());
      break;
    }
    if (outcome.coalesced > 0) result.gro = true;
    if (outcome.datagrams == 0) wait_readable(socket.fd(), deadline);
  }
  result.dropped = receiver.dropped();
  result.multicast = result.received > 0;
  if (result.received < result.sent) {
    result.notes.push_back(std::to_string(result.sent - result.received) + " of " +
                           std::to_string(result.sent) + " datagrams did not come back");
  }
}

}  // namespace

ProbeResult probe(const GroupAddress& address) {
  ProbeResult result;
  std::vector<OsError> refused;
  GroupSocket incoming;
  GroupSocket outgoing;
  auto error = incoming.open_receiver(address, BUFFER_BYTES, refused);
  if (!error) {
    GroupAddress target = address;
    target.port = incoming.port();
    error = outgoing.open_sender(target, BUFFER_BYTES, TTL_THIS_MACHINE, refused);
  }
  for (const OsError& refusal : refused) result.notes.push_back(refusal.text());
  if (error) {
    result.notes.push_back(error->text());
    return result;
  }
  result.receive_buffer_bytes = incoming.receive_buffer_bytes();
  result.send_buffer_bytes = outgoing.send_buffer_bytes();
  Mark mark{};
  if (::getrandom(mark.data(), mark.size(), 0) != static_cast<ssize_t>(mark.size())) {
    result.notes.push_back(last_error("getrandom", -1).text());
    return result;
  }
  const uint16_t segment_bytes = choose_segment_bytes(outgoing);
  send_train(outgoing, mark, segment_bytes, result);
  if (result.sent > 0) receive_train(incoming, mark, segment_bytes, result);
  return result;
}

}  // namespace multicast
