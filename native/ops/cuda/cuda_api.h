// The door of the CUDA library, a shared library of its own that is opened only where a driver is: one function that hands
// out a table. Plain C on both sides, so that the library may be built by another compiler than the engine.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define CONCLAVE_CUDA_VERSION 5   // changes whenever this file, ops/gpu/launch_list.h or kernel_args.h does

struct ConclaveDownload {
  void* to;
  const void* from;
  size_t bytes;
};

/// Functions give 0, or the runtime's error number; `error_text` says it in words. The context belongs to one thread at a time.
struct ConclaveCudaApi {
  int32_t version;
  /// The first device; nullptr context on failure.
  int32_t (*open)(void** context);
  void (*close)(void* context);
  const char* (*device_name)(void* context);
  int32_t (*n_processors)(void* context);
  int32_t (*memory)(void* context, size_t* free_bytes, size_t* total_bytes);
  int32_t (*alloc)(void* context, size_t bytes, void** buffer);
  int32_t (*free)(void* context, void* buffer);
  int32_t (*upload)(void* context, void* to, const void* from, size_t bytes);
  /// On a way of its own, behind what was given before; `from` stays as it is until then. What is given after await(number), or
  /// after awaiting a later one, finds it done.
  int32_t (*upload_beside)(void* context, void* to, const void* from, size_t bytes, uint64_t* number);
  int32_t (*await)(void* context, uint64_t number);
  /// Returns when all of them are there.
  int32_t (*download)(void* context, const struct ConclaveDownload* downloads, size_t n);
  /// The bytes of a gpu::LaunchList. -1: there is no such kernel, or its arguments have another size.
  int32_t (*run)(void* context, const void* list, size_t bytes);
  /// Of the lists given so far: launched step by step, made into graphs, launched as graphs.
  void (*list_counts)(void* context, uint64_t counts[3]);
  int32_t (*wait)(void* context);
  /// After an error: not 0 if the device is lost, so that every call fails from now on.
  int32_t (*is_lost)(void* context);
  const char* (*error_text)(int32_t error);
};

extern "C" {
/// The library's only symbol.
typedef const ConclaveCudaApi* (*ConclaveCudaEntry)(void);
}
