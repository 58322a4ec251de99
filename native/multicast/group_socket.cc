#include "group_socket.h"

#include <netinet/udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

namespace multicast {

namespace {

// Raises a buffer past the system's cap where we may (CAP_NET_ADMIN), else up to it.
void grow_buffer(int fd, int force_option, int option, int bytes, std::vector<OsError>& refused) {
  if (::setsockopt(fd, SOL_SOCKET, force_option, &bytes, sizeof bytes) == 0) return;
  if (::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes) == 0) return;
  const char* name = option == SO_RCVBUF ? "setsockopt(SO_RCVBUF)" : "setsockopt(SO_SNDBUF)";
  refused.push_back(last_error(name, fd));
}

int read_option(int fd, int level, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(fd, level, option, &value, &length) == 0 ? value : 0;
}

sockaddr_in socket_address(in_addr address, uint16_t port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(port);
  result.sin_addr = address;
  return result;
}

}  // namespace

GroupSocket::~GroupSocket() { close(); }

GroupSocket::GroupSocket(GroupSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

GroupSocket& GroupSocket::operator=(GroupSocket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void GroupSocket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::optional<OsError> GroupSocket::create() {
  close();
  fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP);
  if (fd_ < 0) return last_error("socket", -1);
  return std::nullopt;
}

std::optional<OsError> GroupSocket::set(int level, int option, const void* value, socklen_t length,
                                        const char* name) {
  if (::setsockopt(fd_, level, option, value, length) == 0) return std::nullopt;
  return last_error(name, fd_);
}

std::optional<OsError> GroupSocket::open_receiver(const GroupAddress& address, int buffer_bytes,
                                                  std::vector<OsError>& refused) {
  if (auto error = create()) return error;
  const int on = 1;
  const int off = 0;
  if (auto error = set(SOL_SOCKET, SO_REUSEADDR, &on, sizeof on, "setsockopt(SO_REUSEADDR)")) {
    return error;
  }
  // Without this a socket hears groups that any other process of the machine has joined.
  if (auto error =
          set(IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off, "setsockopt(IP_MULTICAST_ALL)")) {
    refused.push_back(*error);
  }
  const sockaddr_in local = socket_address(address.group, address.port);
  if (::bind(fd_, reinterpret_cast<const sockaddr*>(&local), sizeof local) != 0) {
    return last_error("bind", fd_);
  }
  ip_mreqn membership{};
  membership.imr_multiaddr = address.group;
  membership.imr_address = address.interface_address;
  if (auto error = set(IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership,
                       "setsockopt(IP_ADD_MEMBERSHIP)")) {
    return error;
  }
  grow_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, buffer_bytes, refused);
  if (auto error = set(SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on, "setsockopt(SO_RXQ_OVFL)")) {
    refused.push_back(*error);
  }
  if (auto error = set(SOL_UDP, UDP_GRO, &on, sizeof on, "setsockopt(UDP_GRO)")) {
    refused.push_back(*error);
  }
  return std::nullopt;
}

std::optional<OsError> GroupSocket::open_sender(const GroupAddress& address, int buffer_bytes,
                                                uint8_t ttl, std::vector<OsError>& refused) {
  if (auto error = create()) return error;
  ip_mreqn through{};
  through.imr_address = address.interface_address;
  if (auto error = set(IPPROTO_IP, IP_MULTICAST_IF, &through, sizeof through,
                       "setsockopt(IP_MULTICAST_IF)")) {
    return error;
  }
  const int hops = ttl;
  if (auto error =
          set(IPPROTO_IP, IP_MULTICAST_TTL, &hops, sizeof hops, "setsockopt(IP_MULTICAST_TTL)")) {
    return error;
  }
  grow_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, buffer_bytes, refused);
  const sockaddr_in remote = socket_address(address.group, address.port);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&remote), sizeof remote) != 0) {
    return last_error("connect", fd_);
  }
  return std::nullopt;
}

uint16_t GroupSocket::port() const {
  sockaddr_in local{};
  socklen_t length = sizeof local;
  if (::getsockname(fd_, reinterpret_cast<sockaddr*>(&local), &length) != 0) return 0;
  return ntohs(local.sin_port);
}

int GroupSocket::receive_buffer_bytes() const { return read_option(fd_, SOL_SOCKET, SO_RCVBUF); }

int GroupSocket::send_buffer_bytes() const { return read_option(fd_, SOL_SOCKET, SO_SNDBUF); }

int GroupSocket::mtu_bytes() const { return read_option(fd_, IPPROTO_IP, IP_MTU); }

}  // namespace multicast
