#include "batch_sender.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace multicast {

namespace {

size_t segment_count(size_t bytes, uint16_t segment_bytes) {
  return (bytes + segment_bytes - 1) / segment_bytes;
}

// No checksum offload on the interface (EIO), over its MTU (EMSGSIZE), a kernel that does not
// know the option or the size (EINVAL, ENOPROTOOPT): from then on datagram by datagram.
bool refuses_gso(int number) {
  return number == EIO || number == EINVAL || number == EMSGSIZE || number == ENOPROTOOPT ||
         number == EOPNOTSUPP;
}

bool is_full(int number) {
  return number == EAGAIN || number == EWOULDBLOCK || number == ENOBUFS || number == EINTR;
}

}  // namespace

SendOutcome BatchSender::send(std::span<const uint8_t> payload, uint16_t segment_bytes) {
  if (segment_bytes == 0 || payload.empty() || payload.size() > TRAIN_BYTES_MAX ||
      segment_count(payload.size(), segment_bytes) > TRAIN_SEGMENTS_MAX) {
    return SendOutcome{0, OsError{EINVAL, "send", fd_}};
  }
  if (gso()) {
    const SendOutcome outcome = send_train(payload, segment_bytes);
    if (!outcome.error || !refuses_gso(outcome.error->number)) return outcome;
    gso_refusal_ = outcome.error;
  }
  return send_each(payload, segment_bytes);
}

SendOutcome BatchSender::send_train(std::span<const uint8_t> payload, uint16_t segment_bytes) {
  iovec part{const_cast<uint8_t*>(payload.data()), payload.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(uint16_t))> control{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof segment_bytes);
  std::memcpy(CMSG_DATA(header), &segment_bytes, sizeof segment_bytes);
  if (::sendmsg(fd_, &message, MSG_NOSIGNAL) >= 0) {
    return SendOutcome{segment_count(payload.size(), segment_bytes), std::nullopt};
  }
  if (is_full(errno)) return SendOutcome{};
  return SendOutcome{0, last_error("sendmsg(UDP_SEGMENT)", fd_)};
}

SendOutcome BatchSender::send_each(std::span<const uint8_t> payload, uint16_t segment_bytes) {
  std::array<iovec, TRAIN_SEGMENTS_MAX> parts{};
  std::array<mmsghdr, TRAIN_SEGMENTS_MAX> messages{};
  const size_t count = segment_count(payload.size(), segment_bytes);
  for (size_t index = 0; index < count; ++index) {
    const auto segment = payload.subspan(index * segment_bytes);
    parts[index].iov_base = const_cast<uint8_t*>(segment.data());
    parts[index].iov_len = std::min<size_t>(segment.size(), segment_bytes);
    messages[index].msg_hdr.msg_iov = &parts[index];
    messages[index].msg_hdr.msg_iovlen = 1;
  }
  size_t sent = 0;
  while (sent < count) {
    const int accepted =
        ::sendmmsg(fd_, &messages[sent], static_cast<unsigned>(count - sent), MSG_NOSIGNAL);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted < 0 && is_full(errno)) break;
    if (accepted < 0) return SendOutcome{sent, last_error("sendmmsg", fd_)};
    sent += static_cast<size_t>(accepted);
  }
  return SendOutcome{sent, std::nullopt};
}

}  // namespace multicast
