// What one JavaScript environment (the main thread, or a Node worker thread) has of the addon:
// its open handles, the promises it waits for, and the queue that brings their results back.
#pragma once

#include <napi.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "addon/shared.h"
#include "addon/work.h"

namespace ipfs_zfs::addon {

class Handle;
class Promised;

class Env : public std::enable_shared_from_this<Env> {
 public:
  // Makes the environment's own Env and keeps it until the environment ends.
  static void attach(Napi::Env env);
  static Env& of(Napi::Env env);

  // JavaScript's thread only.
  Napi::Promise start(Lane lane, std::unique_ptr<Promised> task);
  // Without a promise; `awaited` still keeps the event loop alive until it is done.
  void start_quietly(Lane lane, std::unique_ptr<Promised> task, bool awaited);
  void no_longer_awaited();
  // Waits for work in flight, then closes what is open. From then on nothing starts.
  void end();
  void add(const std::shared_ptr<Handle>& handle) { handles_.insert(handle); }
  void remove(const std::shared_ptr<Handle>& handle) { handles_.erase(handle); }

  // Any thread. Once true, tasks that have not begun are skipped.
  bool ending() const { return ending_.load(std::memory_order_relaxed); }
  void landed(std::unique_ptr<Promised> task);

 private:
  void drain(Napi::Env env);

  Napi::Env env_{nullptr};
  napi_threadsafe_function wake_ = nullptr;

  // JavaScript's thread only.
  std::set<std::shared_ptr<Handle>> handles_;
  size_t awaited_ = 0;  // tasks; while there are some, the event loop stays alive

  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable all_landed_;
  std::vector<std::unique_ptr<Promised>> landed_;
  size_t flying_ = 0;
  bool woken_ = false;
  bool ended_ = false;
};

// A task with a promise. Subclasses do the work in work() and make the value in value().
class Promised : public Task {
 public:
  explicit Promised(std::shared_ptr<Handle> handle) : handle_(std::move(handle)) {}

  void run() final;
  void complete(std::unique_ptr<Task> self) final;

 protected:
  virtual Status work() = 0;                     // on a worker
  virtual Napi::Value value(Napi::Env env) = 0;  // on JavaScript's thread, when work() was ok
  virtual void failed(Napi::Env) {}              // on JavaScript's thread, when it was not

  std::shared_ptr<Handle> handle_;  // null for those that make one

 private:
  friend class Env;

  void settle(Napi::Env env);

  std::shared_ptr<Env> owner_;
  std::optional<Napi::Promise::Deferred> deferred_;
  bool awaited_ = false;
};

// A pool or store as one environment holds it. All but release() on JavaScript's thread.
class Handle : public std::enable_shared_from_this<Handle> {
 public:
  virtual ~Handle() = default;

  bool open() const { return state_ == State::kOpen; }
  Napi::Promise close(Napi::Env env);  // waits for this handle's work; closing again is fine
  void forget(Env& env);               // JavaScript let go of it without closing

  // Lets go of the shared object, from any thread; on failure it may still be open.
  virtual Status release(bool* still_open) = 0;
  enum class Kind : uint8_t { kPool, kStore, kCatalog };
  virtual Kind kind() const = 0;

 private:
  friend class Env;
  friend class Promised;
  friend class CloseTask;

  enum class State : uint8_t { kOpen, kClosing, kClosed };

  void finished(Env& env);
  void start_closing(Env& env);
  void closed(Napi::Env env, const Status& status, bool still_open);

  State state_ = State::kOpen;
  bool released_ = false;  // by a closing task that JavaScript may not know of yet
  size_t busy_ = 0;
  std::vector<Napi::Promise::Deferred> closers_;
};

Napi::Value error_value(Napi::Env env, const Error& error);
Napi::Promise rejected(Napi::Env env, ErrorCode code, const char* message);

}  // namespace ipfs_zfs::addon
