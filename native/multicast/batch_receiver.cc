#include "batch_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace multicast {

namespace {

constexpr size_t BUFFER_BYTES = 65536;
constexpr size_t CONTROL_BYTES = CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint32_t));

}  // namespace

BatchReceiver::BatchReceiver(int fd)
    : fd_(fd),
      buffers_(RECEIVE_BATCH_MAX * BUFFER_BYTES),
      controls_(RECEIVE_BATCH_MAX * CONTROL_BYTES),
      parts_(RECEIVE_BATCH_MAX),
      messages_(RECEIVE_BATCH_MAX) {
  for (size_t index = 0; index < RECEIVE_BATCH_MAX; ++index) {
    parts_[index].iov_base = &buffers_[index * BUFFER_BYTES];
    parts_[index].iov_len = BUFFER_BYTES;
    messages_[index].msg_hdr.msg_iov = &parts_[index];
    messages_[index].msg_hdr.msg_iovlen = 1;
    messages_[index].msg_hdr.msg_control = &controls_[index * CONTROL_BYTES];
  }
}

// Reads the kernel's notes on a message: its drop counter, and the size it was cut by.
size_t BatchReceiver::read_control(msghdr& message, size_t bytes) {
  size_t segment_bytes = bytes;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
      int size = 0;
      std::memcpy(&size, CMSG_DATA(header), sizeof size);
      if (size > 0) segment_bytes = static_cast<size_t>(size);
    } else if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_RXQ_OVFL) {
      std::memcpy(&dropped_, CMSG_DATA(header), sizeof dropped_);
    }
  }
  return segment_bytes;
}

ReceiveOutcome BatchReceiver::receive(const Visit& visit) {
  for (mmsghdr& message : messages_) message.msg_hdr.msg_controllen = CONTROL_BYTES;
  const int count = ::recvmmsg(fd_, messages_.data(), RECEIVE_BATCH_MAX, MSG_DONTWAIT, nullptr);
  ReceiveOutcome outcome;
  if (count < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return outcome;
    outcome.error = last_error("recvmmsg", fd_);
    return outcome;
  }
  for (size_t index = 0; index < static_cast<size_t>(count); ++index) {
    const size_t bytes = messages_[index].msg_len;
    const size_t segment_bytes = read_control(messages_[index].msg_hdr, bytes);
    const std::span<const uint8_t> whole(&buffers_[index * BUFFER_BYTES], bytes);
    if (segment_bytes < bytes) ++outcome.coalesced;
    size_t offset = 0;
    do {
      const size_t length = std::min(segment_bytes, bytes - offset);
      visit(whole.subspan(offset, length));
      ++outcome.datagrams;
      offset += segment_bytes;
    } while (offset < bytes);
    outcome.bytes += bytes;
  }
  return outcome;
}

}  // namespace multicast
