{
  # The C++ addon. Rust's is built by @napi-rs/cli; tools/build-native.mjs runs both.
  "targets": [
    {
      "target_name": "multicast",
      "sources": [
        "native/multicast/addon.cc",
        "native/multicast/batch_receiver.cc",
        "native/multicast/batch_sender.cc",
        "native/multicast/group_socket.cc",
        "native/multicast/os_error.cc",
        "native/multicast/probe.cc",
      ],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS"],
      "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-frtti"],
      "cflags_cc": [
        "-std=c++20",
        "-Wall",
        "-Wextra",
        "-Wconversion",
        "-Werror",
        "-fno-exceptions",
        "-fvisibility=hidden",
        # A system header, so that our warnings do not judge it.
        "-isystem",
        "<!(node -p \"require('node:path').resolve(require('node-addon-api').include_dir)\")",
      ],
    },
  ],
}
