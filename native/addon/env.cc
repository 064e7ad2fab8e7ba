#include "addon/env.h"

namespace ipfs_zfs::addon {

namespace {

const char kWokenBy[] = "ipfs-zfs";

}  // namespace

// The release of a handle, after its last task.
class CloseTask : public Promised {
 public:
  explicit CloseTask(std::shared_ptr<Handle> handle) : Promised(nullptr), closing_(handle) {}

 protected:
  Status work() override {
    Status status = closing_->release(&still_open_);
    closing_->released_ = !still_open_;
    return status;
  }
  Napi::Value value(Napi::Env env) override {
    closing_->closed(env, {}, false);
    return env.Undefined();
  }
  void failed(Napi::Env env) override { closing_->closed(env, status, still_open_); }

 private:
  std::shared_ptr<Handle> closing_;
  bool still_open_ = false;
};

Napi::Value error_value(Napi::Env env, const Error& error) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("code", error_name(error.code));
  value.Set("message", error.message);
  return value;
}

Napi::Promise rejected(Napi::Env env, ErrorCode code, const char* message) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(error_value(env, {code, message}));
  return deferred.Promise();
}

// ---- Env

void Env::attach(Napi::Env env) {
  auto* const self = new std::shared_ptr<Env>(std::make_shared<Env>());
  (*self)->env_ = env;
  napi_value name = Napi::String::New(env, kWokenBy);
  napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, self->get(),
      [](napi_env raw, napi_value, void* context, void*) {
        if (raw != nullptr) static_cast<Env*>(context)->drain(raw);
      },
      &(*self)->wake_);
  napi_unref_threadsafe_function(env, (*self)->wake_);
  // After the function above, so that it runs before that one's own clean-up.
  napi_add_env_cleanup_hook(
      env,
      [](void* raw) {
        Env* const ending = static_cast<Env*>(raw);
        ending->end();
        napi_release_threadsafe_function(ending->wake_, napi_tsfn_abort);
      },
      self->get());
  env.SetInstanceData<std::shared_ptr<Env>>(self);
}

Env& Env::of(Napi::Env env) { return **env.GetInstanceData<std::shared_ptr<Env>>(); }

Napi::Promise Env::start(Lane lane, std::unique_ptr<Promised> task) {
  if (ending()) return rejected(env_, ErrorCode::kClosed, "the process is ending");
  const Napi::Promise promise = task->deferred_.emplace(env_).Promise();
  start_quietly(lane, std::move(task), true);
  return promise;
}

void Env::start_quietly(Lane lane, std::unique_ptr<Promised> task, bool awaited) {
  task->owner_ = shared_from_this();
  task->awaited_ = awaited;
  if (awaited && awaited_++ == 0) napi_ref_threadsafe_function(env_, wake_);
  if (task->handle_ != nullptr) task->handle_->busy_++;
  {
    const std::lock_guard lock(mutex_);
    flying_++;
  }
  Workers::instance().submit(lane, std::move(task));
}

void Env::landed(std::unique_ptr<Promised> task) {
  const std::lock_guard lock(mutex_);
  landed_.push_back(std::move(task));
  flying_--;
  if (ending() && flying_ == 0) all_landed_.notify_all();
  if (woken_ || ended_) return;
  woken_ = true;
  napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Env::no_longer_awaited() {
  if (--awaited_ == 0) napi_unref_threadsafe_function(env_, wake_);
}

void Env::drain(Napi::Env env) {
  std::vector<std::unique_ptr<Promised>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(landed_);
    woken_ = false;
  }
  for (const std::unique_ptr<Promised>& task : tasks) {
    const Napi::HandleScope scope(env);
    task->settle(env);
  }
}

// The environment ends: by itself or by worker.terminate() (its clean-up hook), or by
// process.exit() (src/native.ts, since Node runs no clean-up hooks then). No JavaScript runs after
// this, but its memory is still there for the tasks that read it.
void Env::end() {
  if (ending()) return;
  std::vector<std::unique_ptr<Promised>> tasks;
  {
    std::unique_lock lock(mutex_);
    ending_ = true;
    all_landed_.wait(lock, [this] { return flying_ == 0; });
    ended_ = true;
    tasks.swap(landed_);
  }
  for (const bool pools : {false, true}) {
    for (const std::shared_ptr<Handle>& handle : handles_) {
      if ((handle->kind() == Handle::Kind::kPool) != pools || handle->released_) continue;
      handle->state_ = Handle::State::kClosed;
      bool still_open = false;
      (void)handle->release(&still_open);
    }
  }
  handles_.clear();
}

// ---- Promised

void Promised::run() {
  if (owner_->ending()) {
    status = Error{ErrorCode::kAborted, "the environment is ending"};
    return;
  }
  status = work();
}

void Promised::complete(std::unique_ptr<Task> self) {
  const std::shared_ptr<Env> owner = owner_;
  self.release();
  owner->landed(std::unique_ptr<Promised>(this));
}

void Promised::settle(Napi::Env env) {
  Env& owner = *owner_;
  if (status) {
    const Napi::Value made = value(env);
    if (deferred_.has_value()) {
      if (env.IsExceptionPending()) {
        deferred_->Reject(env.GetAndClearPendingException().Value());
      } else {
        deferred_->Resolve(made);
      }
    }
  } else {
    failed(env);
    if (deferred_.has_value()) deferred_->Reject(error_value(env, status.error()));
  }
  if (awaited_) owner.no_longer_awaited();
  if (handle_ != nullptr) handle_->finished(owner);
}

// ---- Handle

Napi::Promise Handle::close(Napi::Env env) {
  auto deferred = Napi::Promise::Deferred::New(env);
  if (state_ == State::kClosed) {
    deferred.Resolve(env.Undefined());
    return deferred.Promise();
  }
  closers_.push_back(deferred);
  if (state_ == State::kOpen) {
    state_ = State::kClosing;
    if (busy_ == 0) start_closing(Env::of(env));
  }
  return deferred.Promise();
}

void Handle::forget(Env& env) {
  if (state_ != State::kOpen || env.ending()) return;
  state_ = State::kClosing;
  if (busy_ == 0) start_closing(env);
}

void Handle::finished(Env& env) {
  if (--busy_ == 0 && state_ == State::kClosing) start_closing(env);
}

void Handle::start_closing(Env& env) {
  env.start_quietly(Lane::kAdmin, std::make_unique<CloseTask>(shared_from_this()),
                    !closers_.empty());
}

void Handle::closed(Napi::Env env, const Status& status, bool still_open) {
  state_ = still_open ? State::kOpen : State::kClosed;
  if (!still_open) Env::of(env).remove(shared_from_this());
  std::vector<Napi::Promise::Deferred> closers;
  closers.swap(closers_);
  for (const Napi::Promise::Deferred& closer : closers) {
    if (status) {
      closer.Resolve(env.Undefined());
    } else {
      closer.Reject(error_value(env, status.error()));
    }
  }
}

}  // namespace ipfs_zfs::addon
