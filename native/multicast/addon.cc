// What JavaScript may ask of the datagram sockets. In: addresses, checked here. Out: plain objects.
// Never: a datagram's meaning (Rust knows it), an exception, a wait on the calling thread.
#include <arpa/inet.h>
#include <napi.h>

#include <string>

#include "probe.h"

namespace multicast {

namespace {

Napi::Object to_object(Napi::Env env, const ProbeResult& result) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Array notes = Napi::Array::New(env, result.notes.size());
  for (uint32_t index = 0; index < result.notes.size(); ++index) {
    notes.Set(index, Napi::String::New(env, result.notes[index]));
  }
  object.Set("multicast", result.multicast);
  object.Set("gso", result.gso);
  object.Set("gro", result.gro);
  object.Set("receiveBufferBytes", result.receive_buffer_bytes);
  object.Set("sendBufferBytes", result.send_buffer_bytes);
  object.Set("received", static_cast<double>(result.received));
  object.Set("sent", static_cast<double>(result.sent));
  object.Set("dropped", static_cast<double>(result.dropped));
  object.Set("notes", notes);
  return object;
}

// Probes on a thread of libuv's pool and settles a promise; it frees itself afterwards.
class ProbeWorker final : public Napi::AsyncWorker {
 public:
  ProbeWorker(Napi::Env env, const GroupAddress& address)
      : Napi::AsyncWorker(env, "engine.probe"),
        address_(address),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { result_ = probe(address_); }
  void OnOK() override { deferred_.Resolve(to_object(Env(), result_)); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  GroupAddress address_;
  ProbeResult result_;
  Napi::Promise::Deferred deferred_;
};

Napi::Value refuse(Napi::Env env, const std::string& reason) {
  Napi::Error error = Napi::Error::New(env, reason);
  error.Set("code", Napi::String::New(env, "ENGINE_ERR_INVALID_ARGUMENT"));
  error.ThrowAsJavaScriptException();
  return env.Undefined();
}

bool read_address(const Napi::Value& value, in_addr& address) {
  if (!value.IsString()) return false;
  const std::string text = value.As<Napi::String>().Utf8Value();
  return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// probe(interfaceAddress: string, group: string, port: number): Promise<object>
Napi::Value probe_door(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  GroupAddress address{};
  if (!read_address(info[0], address.interface_address)) {
    return refuse(env, "the interface's address is no IPv4 address");
  }
  if (!read_address(info[1], address.group) || !IN_MULTICAST(ntohl(address.group.s_addr))) {
    return refuse(env, "the group is no IPv4 multicast address");
  }
  const double port = info[2].IsNumber() ? info[2].As<Napi::Number>().DoubleValue() : -1;
  if (!(port >= 0 && port <= 65535)) return refuse(env, "the port is not from 0 to 65535");
  address.port = static_cast<uint16_t>(port);
  auto* worker = new ProbeWorker(env, address);
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  exports.Set("probe", Napi::Function::New(env, probe_door, "probe"));
  return exports;
}

}  // namespace

}  // namespace multicast

static Napi::Object initialize_multicast(Napi::Env env, Napi::Object exports) {
  return multicast::initialize(env, exports);
}

NODE_API_MODULE(multicast, initialize_multicast)
