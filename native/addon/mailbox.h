// From any thread to the JS thread of one environment. Deliveries queue here and one pending wake-up of JS serves them
// all, in the order of posting. The mailbox also knows what is under way (that keeps the event loop alive) and, when the
// environment ends, stops it and joins every thread before Node takes anything away. Nothing here knows what a delivery is.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "addon/node_api.h"

namespace conclave {

class Delivery {
 public:
  virtual ~Delivery() = default;
  /// JS thread, in a handle scope. What it throws becomes an uncaught exception of the environment.
  virtual void deliver(Napi::Env env) = 0;
  /// JS thread: drops every JS reference. After it the object may be destroyed on any thread.
  virtual void release() = 0;
  /// JS thread, when the environment ends: makes work on other threads end soon.
  virtual void abandon() {}
};

/// Work on a thread of its own; posts itself when done. deliver() calls Mailbox::finish once it has settled.
class Job : public Delivery {
 public:
  /// The job's own thread; must not throw and must not touch JS.
  virtual void work() = 0;
};

class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  /// Makes the mailbox of `env`. JS thread, once.
  static std::shared_ptr<Mailbox> create(Napi::Env env);

  /// Any thread. Does nothing once the environment has ended.
  void post(std::shared_ptr<Delivery> delivery);

  // The rest: JS thread only.
  /// Holds `delivery` and keeps the event loop alive until finish().
  void keep(Napi::Env env, std::shared_ptr<Delivery> delivery);
  void start(Napi::Env env, std::shared_ptr<Job> job);
  void finish(Napi::Env env, Delivery& delivery);
  /// Runs `stop` when the environment ends, before anything is released, unless forgotten first.
  void at_end(const void* key, std::function<void()> stop);
  void forget_end(const void* key);

 private:
  static void wake(Napi::Env env, Napi::Function, Mailbox* mailbox, void*);
  using WakeUp = Napi::TypedThreadSafeFunction<Mailbox, void, &Mailbox::wake>;

  void drain(Napi::Env env);
  void end();

  struct Kept {
    std::shared_ptr<Delivery> delivery;
    std::thread thread;
  };

  WakeUp wake_up_;
  std::mutex mutex_;                                // guards the next three
  std::vector<std::shared_ptr<Delivery>> queue_;
  bool awake_ = false;                              // a wake-up is on its way
  bool ended_ = false;
  std::unordered_map<const Delivery*, Kept> kept_;
  std::unordered_map<const void*, std::function<void()>> at_end_;
};

}  // namespace conclave
